#!/bin/sh
# Fails when a library that the CUDA provider needs is not to be found; the driver's come with the node. For Dockerfile.gpu.
# Usage: check-libraries.sh FOLDER OF THE SERVER
set -eu

libraries=$1/node_modules/onnxruntime-node/bin/napi-v6/linux/x64
provider=$libraries/libonnxruntime_providers_cuda.so
test -f "$libraries/libonnxruntime_providers_shared.so"
missing=$(ldd "$provider" /usr/local/bin/node | grep 'not found' | grep -v 'libcuda\.so\.1' || true)
# Loaded only when a session asks for them, so that ldd does not see them.
for library in libcudnn.so.9; do
  ldconfig -p | grep -q "$library" || missing="$missing $library"
done
if [ -n "$missing" ]; then
  echo "the base image does not fit the CUDA provider: $missing" >&2
  exit 1
fi
