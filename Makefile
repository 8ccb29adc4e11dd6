# gradual.canary: everything a developer types. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# VENV=/somewhere PYTHON=python3.12 runs any target in another environment, to check an older Python or ansible-core.
VENV ?= .venv
PYTHON ?=
BIN := $(VENV)/bin
STAGES := MAKE="$(MAKE)" $(BIN)/python tools/stages.py
COLLECTIONS := $(VENV)/collections
PYTEST := $(BIN)/pytest -o pythonpath="$(COLLECTIONS) ."
TIERS ?= core traefik ingress_nginx istio argo proxy
# What `make test` runs of the suites on a cluster, to stay within its time on two cores; `make contract`, `e2e` and
# `load` by themselves run all.
ORDINARY_CONTRACT := CANARY_TEST_SYSTEMS="gateway_api ingress_nginx ingress_nginx_real"
ORDINARY_E2E := CANARY_TEST_SYSTEMS="gateway_api" E2E='-m "not variant"'
ORDINARY_LOAD := LOAD='-m "not variant"'
ON_CLUSTER := tools/on-cluster.sh "$(TIERS)"
export VENV PYTHON TIERS
# Compiled files are kept whatever the caller's environment says: the suites start Python and playbooks many times.
unexport PYTHONDONTWRITEBYTECODE

VERSION := $(shell awk '$$1 == "version:" {print $$2}' galaxy.yml)
TARBALL := .cache/dist/gradual-canary-$(VERSION).tar.gz

.PHONY: help setup pins check lint format types sanity unit build install-test importer changelog lab contract e2e across load soak bench bench-backends bench-peers demo test clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv with the pinned tools (nothing to do when it is current)
	@tools/setup.sh "$(VENV)" "$(PYTHON)"

pins: ## renew requirements/constraints.txt (OLDEST=python3.11 NEWEST=python3.13)
	@tools/pins.sh "$(OLDEST)" "$(NEWEST)"

# -- without a cluster ------------------------------------------------------------------------------------------------

check: setup ## lint, types, sanity and unit side by side
	@$(STAGES) lint types sanity unit

lint: setup ## every linter, documentation and changelog included
	@tools/lint.sh "$(VENV)"

format: setup ## mend what ruff can mend: layout, order of imports
	@$(BIN)/ruff check --fix --quiet . && $(BIN)/ruff format .

types: setup ## mypy --strict on the domain
	@MYPYPATH="$(COLLECTIONS)" $(BIN)/mypy $(foreach part,module_utils plugin_utils,-p ansible_collections.gradual.canary.plugins.$(part))

sanity: setup ## ansible-test sanity, all tests, nothing exempt (SANITY="--test pylint" for one)
	@tools/sanity.sh "$(VENV)" $(SANITY)

unit: setup ## all tests that need no cluster (UNIT="tests/unit/x.py -k name" for some)
	@$(PYTEST) $(if $(filter tests/%,$(UNIT)),,tests/unit tests/checks tests/lab) -n auto $(UNIT)

# -- the collection as users get it -----------------------------------------------------------------------------------

build: setup ## build the tarball into .cache/dist
	@$(BIN)/ansible-galaxy collection build --force --output-path .cache/dist . </dev/null

install-test: build ## install the tarball into an empty folder and read every verb and role from there
	@$(BIN)/python tests/checks/installed.py "$(TARBALL)"

importer: build ## what Galaxy would say about the tarball
	@$(BIN)/python tests/checks/importer.py "$(TARBALL)"

changelog: setup ## move the fragments into CHANGELOG.md for the version in galaxy.yml, before it is published
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/antsibull-changelog release

# -- on a cluster -----------------------------------------------------------------------------------------------------

lab: setup ## bring the lab up (LAB="up traefik"; LAB=status, LAB=down, LAB="logs kubelet" and so on)
	@tests/lab/lab $(or $(LAB),up)

contract: setup ## every backend against the same facts, on the lab's controllers (CONTRACT="-k name" for some)
	@$(ON_CLUSTER) $(PYTEST) -n 3 --dist worksteal tests/contract $(CONTRACT)

e2e: setup ## the playbooks end to end, on the lab (E2E="tests/e2e/x.py -k name" for some)
	@$(ON_CLUSTER) $(PYTEST) -n 3 --dist worksteal $(if $(filter tests/%,$(E2E)),,tests/e2e) $(E2E)

across: setup ## the playbooks across two clusters, on the lab and another one beside it
	@tools/on-two-clusters.sh "core traefik" $(PYTEST) tests/e2e/test_across_clusters.py $(ACROSS)

load: setup ## no request lost, under load on the lab, all variants (LOAD="-k name" for some)
	@$(ON_CLUSTER) $(PYTEST) tests/load $(LOAD)

soak: setup ## over 100,000 requests for each backend, and the guide's tables of them (SOAK="--resume" and so on)
	@$(ON_CLUSTER) env PYTHONPATH="$(COLLECTIONS):." $(BIN)/python -m tests.load.soak $(SOAK)

bench: setup ## measure, each figure beside the naive form
	@$(BIN)/python tests/bench/run.py

bench-backends: setup ## measure a stage and a release on every traffic system of the lab
	@$(ON_CLUSTER) $(BIN)/python tests/bench/backends.py $(BENCH)

bench-peers: setup ## measure Argo Rollouts and us on the same work, in the lab
	@tools/on-cluster.sh "core traefik ingress_nginx istio argo proxy" $(BIN)/python tests/bench/peers.py $(BENCH)

demo: setup ## a release and a refused release on a real cluster (BACKEND=ingress_nginx for the other gateway)
	@$(BIN)/python tests/demo/demo.py $(if $(BACKEND),--backend $(BACKEND))

test: setup ## everything: check, install-test, importer, then contract, e2e and load on the lab
	@$(STAGES) --in-turn check install-test importer
	@$(ORDINARY_CONTRACT) $(STAGES) --in-turn contract
	@$(ORDINARY_E2E) $(STAGES) --in-turn e2e
	@$(ORDINARY_LOAD) $(STAGES) --in-turn load

clean: ## remove what checks and builds left behind (the environment stays: rm -r .venv)
	@rm -rf .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible tests/output
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
