# The one door for people and CI. `make` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# A cluster of the user's is taken only where it is named on the command line. An exported KUBECONFIG
# may be anybody's production.
ifeq ($(origin KUBECONFIG),command line)
export E2E_KUBECONFIG := $(abspath $(KUBECONFIG))
endif
unexport KUBECONFIG

.DEFAULT_GOAL := help
.PHONY: help setup check format test unit e2e cluster soak demo demo-down bench lock tera-oracle build clean

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: $(READY)  ## a .venv with everything

$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

check: setup  ## format, lint, types, layers, unit and contract tests: about a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -q tests/unit tests/contract

format: setup  ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: check cluster  ## everything, on real Postgres and a real API server
	$(BIN)/pytest -q -n 2 --dist loadfile tests/integration e2e tests/histories

e2e: setup cluster  ## the stories on a real cluster alone
	$(BIN)/pytest -q e2e

cluster: setup  ## the control plane's binaries: built once, cached
	@$(BIN)/python e2e/assets.py > /dev/null

soak: setup  ## twenty minutes of kills: brokers, Postgres, leaders; 20,000 random histories
	BROKKR_SOAK_SECONDS=600 $(BIN)/pytest -q -s tests/integration/broker/test_soak.py
	BROKKR_HISTORIES=20000 BROKKR_HISTORIES_FIRST=$$(date +%s) $(BIN)/pytest -q tests/histories
	BROKKR_KILLS=40 $(BIN)/pytest -q e2e/test_replicas.py

demo: setup  ## from nothing to a running stack, with a cluster of its own
	@$(BIN)/python deploy/demo/demo.py up

demo-down: setup  ## stop what the demo left running
	@$(BIN)/python deploy/demo/demo.py down

bench: setup cluster  ## measure the budgets (needs wrk); ARGS="rest --json new.json --compare old.json"
	@$(BIN)/python e2e/bench/bench.py $(ARGS)

lock: setup  ## pin the requirements anew (needs uv)
	uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url -q -o requirements/dev.txt

tera-oracle: setup  ## record what the Tera crate renders, and compare ours with it (needs cargo)
	cargo build --release --quiet --manifest-path tests/oracle/tera/Cargo.toml
	$(BIN)/python tests/oracle/tera/compare.py

build: setup  ## the wheel, tried in a bare environment
	$(BIN)/python -m hatchling build -t wheel
	$(BIN)/python tests/support/try_wheel.py

clean:  ## remove what the other targets made here (not the caches)
	rm -rf .venv dist .demo .pytest_cache .mypy_cache .ruff_cache
