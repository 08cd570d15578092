#!/bin/sh
# Puts onnxruntime's CUDA provider beside its Node binding, and NVIDIA's libraries into /opt/cuda; for Dockerfile.gpu.
# Usage: fetch-cuda.sh nuget|pypi "PACKAGES OF PYPI"
set -eu

providers=$1
packages=$2
runtime=node_modules/onnxruntime-node
libraries=$runtime/bin/napi-v6/linux/x64
version=$(node -p "require('./$runtime/package.json').version")
wheels=$(mktemp -d)

# Unpacks wheels without installing them: their libraries are all that is wanted.
fetch_wheels() {
  python3 -m pip download --quiet --no-cache-dir --no-deps --only-binary :all: --dest "$wheels" "$@"
  for wheel in "$wheels"/*.whl; do
    python3 -m zipfile --extract "$wheel" "$wheels/unpacked"
    rm "$wheel"
  done
}

mkdir -p /opt/cuda
if [ "$providers" = pypi ] || [ -n "$packages" ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-pip >/dev/null
fi
case $providers in
  nuget) ONNXRUNTIME_NODE_INSTALL=cuda12 node $runtime/script/install.js ;;
  pypi)
    fetch_wheels "onnxruntime-gpu==$version"
    mv "$wheels"/unpacked/onnxruntime/capi/libonnxruntime_providers_*.so "$libraries/"
    ;;
  *) echo "PROVIDERS must be nuget or pypi, not '$providers'" >&2; exit 1 ;;
esac
# It needs TensorRT, which is not here.
rm -f "$libraries/libonnxruntime_providers_tensorrt.so"
if [ -n "$packages" ]; then
  # shellcheck disable=SC2086  # several words
  fetch_wheels $packages
  find "$wheels/unpacked/nvidia" -name '*.so*' -exec mv -t /opt/cuda {} +
  for about in "$wheels"/unpacked/nvidia_*.dist-info; do
    mkdir -p "/opt/cuda/licences/$(basename "$about" .dist-info)"
    find "$about" -iname '*licen*' -type f -exec cp -t "/opt/cuda/licences/$(basename "$about" .dist-info)" {} +
  done
fi
rm -r "$wheels"
