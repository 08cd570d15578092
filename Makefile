# Everything a person does with this repository; `make help` lists it. Every target does its own set-up.

SHELL := /bin/bash
.DELETE_ON_ERROR:
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
# Its CUDA libraries come from outside the package registry; the images that need them bring their own.
export ONNXRUNTIME_NODE_INSTALL := skip
# The server does so itself; other programs that run models here must not report to onnxruntime's makers either.
export ORT_DISABLE_TELEMETRY := 1

# Names of the images; BASE_IMAGE replaces what a Dockerfile starts from, IMAGE_FLAGS goes to `docker build` as it is.
export SERVER_IMAGE ?= plimsoll/server:dev
SERVER_GPU_IMAGE ?= plimsoll/server-gpu:dev
image_version = $(shell sed -n 's/^  "version": "\(.*\)",/\1/p' server-image/package.json)
image_flags = $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) --build-arg VERSION=$(image_version) \
	--build-arg REVISION=$(shell git rev-parse --verify --quiet HEAD) $(IMAGE_FLAGS)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: node_modules ## Show the main job: local cluster, real model, load that rises tenfold and falls (KEEP=1 leaves it up)
	@node test/demo/main.ts

.PHONY: up
up: node_modules ## Start a local cluster with the operator in it, to play with
	@node test/cluster/up.ts

.PHONY: down
down: node_modules ## Stop the local cluster and remove every trace of it
	@node test/cluster/down.ts

.PHONY: test
test: node_modules ## Run unit tests, integration tests on a real control plane, and clients in Python
	@node test/cluster/binaries.ts
	@node test/storage-servers.ts
	@vitest run --project '!e2e' $(if $(VITEST_REPORT),--reporter=default --reporter=json --outputFile.json=$(VITEST_REPORT))

.PHONY: test-faults
test-faults: node_modules ## Kill, cut off and mislead the operator in every way, and compare the ends (ONLY=part of a row's name)
	@node test/cluster/binaries.ts
	@env ONLY="$(ONLY)" OPERATOR_LOG="$(OPERATOR_LOG)" node test/faults/main.ts

.PHONY: e2e
e2e: node_modules ## Build the images and test them as containers; without Docker the tests are skipped, by name
	@if docker version >/dev/null 2>&1; then $(MAKE) --no-print-directory images; fi
	@vitest run --project e2e --reporter=verbose $(if $(VITEST_REPORT),--reporter=json --outputFile.json=$(VITEST_REPORT))

.PHONY: images
images: ## Build the container images with Docker: the server's, as SERVER_IMAGE (docs/images.md)
	docker build --file server-image/Dockerfile --tag $(SERVER_IMAGE) $(image_flags) .

.PHONY: image-gpu
image-gpu: ## Build the server's image for NVIDIA GPUs, as SERVER_GPU_IMAGE; several GB (docs/images.md)
	docker build --file server-image/Dockerfile.gpu --tag $(SERVER_GPU_IMAGE) $(image_flags) .

# The program and the settings of the image (server-image/Dockerfile).
SERVER_COMMAND ?= env MALLOC_TRIM_THRESHOLD_=131072 node --max-semi-space-size=8 --heap-growing-percent=150 $(CURDIR)/dist/server/main.js

.PHONY: bench-server
bench-server: node_modules ## Measure the inference server beside the bare runtime and its peers (ONLY=scenario, REPEATS, SECONDS)
	@node server-image/build/main.ts dist/server
	@# Through env: SECONDS is a variable of bash itself, which counts on from what it is given.
	@env SERVER_COMMAND="$(SERVER_COMMAND)" $(if $(SECONDS),SECONDS=$(SECONDS)) node test/bench/server/main.ts

.PHONY: bench-scale
bench-scale: node_modules ## Measure the operator with SERVICES (1000) InferenceServices on a real API server (CONTROLLER=real: Deployments not faked)
	@node test/cluster/binaries.ts
	@env SERVICES=$(SERVICES) CONTROLLER=$(CONTROLLER) node test/bench/scale/main.ts

.PHONY: lint
lint: node_modules ## Check types, lint rules, import rules and format
	tsc --noEmit
	oxlint --type-aware --quiet
	biome check

.PHONY: generate
generate: node_modules ## Write the generated files: CRD, page of conditions, gRPC messages
	@node operator/api/generate.ts
	@node server-image/protocols/open-inference-grpc/generate-protos.ts

.PHONY: verify
verify: node_modules ## Check that the generated files are current
	@node operator/api/generate.ts --check
	@node server-image/protocols/open-inference-grpc/generate-protos.ts --check

node_modules: package-lock.json package.json operator/package.json server-image/package.json test/package.json
	@echo "Installing npm packages (about a minute the first time)"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch node_modules
