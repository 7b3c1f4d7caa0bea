# Everything that a fresh machine with git, make and python3 (3.11 or newer) can do with rdma-dp.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: run test lint unit test-vm test-node test-vm-node test-soak test-cdi test-deploy test-image \
    fuzz bench image api docs man lock clean

## run: the demo: the real daemon on a sample host, without HCAs, kubelet or root
run: $(VENV)/.runtime
	$(BIN)/python -m simulator demo

## test: lint, types, import rules and the test suite
test: lint unit

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_api.py --check

# More at once than there are cores: the daemon's tests wait more than they compute.
unit: $(VENV)/.development
	$(BIN)/pytest -n 3

## test-vm: the daemon on a real kernel with Soft-RoCE HCAs, in a virtual machine
test-vm: $(VENV)/.development
	$(BIN)/python -m tests.heavy.vm

## test-node: the daemon under a real kubelet and containerd, in namespaces of their own
test-node: $(VENV)/.development
	$(BIN)/python -m tests.heavy.node

## test-vm-node: our image on a node with HCAs, in the virtual machine: the data path between pods
test-vm-node: $(VENV)/.development
	$(BIN)/python -m tests.heavy.vm.node

## test-soak: 1,000 kubelet restarts and 10,000 inventory changes in one process
test-soak: $(VENV)/.development
	$(BIN)/python -m tests.heavy.soak

## test-cdi: the CDI specs before CDI's own library, which Go builds
test-cdi: $(VENV)/.development
	$(BIN)/python -m tests.heavy.cdi

## test-deploy: deploy/, rendered by helm and kustomize, against the schemas of Kubernetes
test-deploy: $(VENV)/.development
	$(BIN)/python -m tests.heavy.deploy

## test-image: the image, built without a container daemon and looked at from inside
test-image: $(VENV)/.development
	$(BIN)/python -m tests.heavy.image

## fuzz: every parser before bytes that atheris makes up, a minute each
fuzz: $(VENV)/.development
	$(BIN)/python -m pip install --quiet --no-deps atheris==3.0.0
	$(BIN)/python -m tests.heavy.fuzz 60

## bench: the figures, as one table
bench: $(VENV)/.development
	$(BIN)/python -m bench

## image: the container image, with buildah or docker, whichever is there
image:
	scripts/build_image.sh

## api: the generated code below rdma_dp/kubelet/api, from protos/
api: $(VENV)/.development
	$(BIN)/python scripts/generate_api.py

## docs: what of docs/ and of the chart follows from the config's schema and the doctor's checks
docs: $(VENV)/.development
	$(BIN)/python scripts/generate_docs.py

## man: the man pages, in build/man
man: $(VENV)/.development
	$(BIN)/python scripts/generate_man.py build/man

## lock: the newest versions of all dependencies
lock:
	uv pip compile pyproject.toml --universal --generate-hashes --no-header --upgrade \
	    -o requirements.lock
	uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-header --upgrade \
	    -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The demo needs what the image needs and no more; the tests need the tools as well.
$(VENV)/.runtime: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rdma-dp needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/.development: $(VENV)/.runtime requirements-dev.lock
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	touch $@
