# Targets for development. A new machine needs git, make and python3 (3.11 or newer).

PYTHON ?= python3
VENV   := .venv
DIST   := dist
BIN    := $(VENV)/bin

.PHONY: run test lint unit test-vm test-node test-dra test-kubelets test-vm-node test-vm-dra test-soak \
    test-cdi test-deploy test-monitoring test-image test-release test-pythons test-all fuzz bench duel image release \
    api docs man lock clean

## run: run the demo: the real daemon on a simulated host. Needs no HCA, no kubelet and no root
run: $(VENV)/.runtime
	$(BIN)/python -m simulator demo

## test: run lint, type checks, import rules and the test suite
test: lint unit

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_api.py --check

# More processes than cores: the tests of the daemon mostly wait.
unit: $(VENV)/.development
	$(BIN)/pytest -n 3

## test-vm: test the daemon on a real kernel with Soft-RoCE HCAs, in a virtual machine. KERNEL=13 for that of Debian 13, CORE=1 for discovery and events, ARCH=arm64
test-vm: $(VENV)/.development
	$(BIN)/python -m tests.heavy.vm $(if $(KERNEL),--kernel "$(KERNEL)") $(if $(CORE),--core) \
	    $(if $(ARCH),--arch "$(ARCH)")

## test-node: test the daemon with a real kubelet and containerd, in separate namespaces
test-node: $(VENV)/.development
	$(BIN)/python -m tests.heavy.node

## test-dra: test DRA in a cluster of one: pods with claims, faults, updates, older API servers
test-dra: $(VENV)/.development
	$(BIN)/python -m tests.heavy.dra

## test-kubelets: run the node tests on each kubelet. VERSIONS="1.28.15 1.30.14", CONTAINERD="1.7 2", RESULTS=FILE, CORE=1 for the core
test-kubelets: $(VENV)/.development
	$(BIN)/python -m tests.heavy.node.kubelets $(if $(CONTAINERD),--containerd "$(CONTAINERD)") \
	    $(if $(RESULTS),--results $(RESULTS)) $(if $(CORE),--core) $(VERSIONS)

## test-vm-node: test the image on a node with HCAs, in the virtual machine, with RDMA between pods
test-vm-node: $(VENV)/.development
	$(BIN)/python -m tests.heavy.vm.node

## test-vm-dra: test DRA with RDMA between pods that have claims, in the virtual machine
test-vm-dra: $(VENV)/.development
	$(BIN)/python -m tests.heavy.vm.dra

## test-soak: test 1,000 kubelet restarts and 10,000 inventory changes in one process
test-soak: $(VENV)/.development
	$(BIN)/python -m tests.heavy.soak

## test-cdi: read the CDI specs with CDI's own library, built with Go
test-cdi: $(VENV)/.development
	$(BIN)/python -m tests.heavy.cdi

## test-deploy: render deploy/ with helm and kustomize, and check it with the Kubernetes schemas
test-deploy: $(VENV)/.development
	$(BIN)/python -m tests.heavy.deploy

## test-monitoring: test the alerts and the dashboard with Debian's Prometheus
test-monitoring: $(VENV)/.development
	$(BIN)/python -m tests.heavy.monitoring

## test-image: build the image without a container daemon, and inspect it. ARCH=arm64 for that of arm64
test-image: $(VENV)/.development
	$(BIN)/python -m tests.heavy.image $(if $(ARCH),--arch "$(ARCH)")

## test-release: make a release and check that all of it has one version
test-release: $(VENV)/.development
	$(BIN)/python -m tests.heavy.release

## test-pythons: run the unit and daemon tests on each Python. VERSIONS="3.12 3.14" selects
test-pythons: $(VENV)/.development
	$(BIN)/python -m tests.heavy.pythons $(VERSIONS)

## test-all: run the suites that .ci/run has no time for: other versions and platforms
test-all: $(VENV)/.development
	.ci/all

## fuzz: run every property test with many random examples, then every parser on bytes that atheris generates, one minute each
fuzz: $(VENV)/.development
	HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest -n 3 -m hypothesis tests/unit
	$(BIN)/python -m pip install --quiet --no-deps atheris==3.0.0
	$(BIN)/python -m tests.heavy.fuzz 60

## bench: measure the performance figures, as one table
bench: $(VENV)/.development
	$(BIN)/python -m bench

## duel: measure rdma-dp and the Go plugin on the same simulated hosts. Needs root and Go
duel: $(VENV)/.development
	$(BIN)/python -m bench.duel

## image: build the container image with buildah or docker. PLATFORMS=linux/amd64,linux/arm64 for both
image:
	scripts/build_image.sh

## release: make dist/: wheel, sdist, image, chart, manifests, SBOM and checksums. See docs/releasing.md
release: $(VENV)/.development
	$(BIN)/python -m scripts.release --to $(DIST) $(PARTS)

## api: generate rdma_dp/kubelet/api from protos/
api: $(VENV)/.development
	$(BIN)/python scripts/generate_api.py

## docs: generate parts of docs/ and of the chart from the config's schema and the doctor's checks
docs: $(VENV)/.development
	$(BIN)/python scripts/generate_docs.py

## man: write the man pages to build/man
man: $(VENV)/.development
	$(BIN)/python scripts/generate_man.py build/man

## lock: update all dependencies to their newest versions
lock:
	uv pip compile pyproject.toml --universal --generate-hashes --no-header --upgrade \
	    -o requirements.lock
	uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-header --upgrade \
	    -c requirements.lock -o requirements-dev.lock
	uv pip compile --group build --universal --python-version 3.11 --generate-hashes --no-header \
	    --upgrade -c requirements-dev.lock -o requirements-build.lock
	uv pip compile --group release --universal --python-version 3.11 --generate-hashes --no-header \
	    --upgrade -c requirements-dev.lock -o requirements-release.lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The demo needs only what the image needs. The tests also need the tools.
$(VENV)/.runtime: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rdma-dp needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/.development: $(VENV)/.runtime requirements-dev.lock
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	touch $@
