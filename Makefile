# The only list of commands. `make` alone prints it; hooks and CI call the same targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

export UV_PYTHON_DOWNLOADS := never
export PYTHONDONTWRITEBYTECODE :=
# How many rounds repeated tests run: fast, ci or soak.
ANDAMIOS_TEST_SIZE ?= fast
export ANDAMIOS_TEST_SIZE

# The first interpreter that really runs and is new enough (a pyenv shim may exist and fail).
ANDAMIOS_PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3.14 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
PYTHON ?= $(ANDAMIOS_PYTHON)

ENV := .venv
RUN := $(ENV)/bin
# Other environments run the same targets: make test ENV=.venv-sa20 NAME=sa20
NAME := $(or $(patsubst .venv-%,%,$(filter .venv-%,$(ENV))),main)
LOCKS := requirements.lock requirements-postgres.lock
SET_UP_BY := scripts/environment.py $(wildcard packages/*/pyproject.toml)
SOURCES := packages examples benchmarks tests scripts conftest.py
PRESENT = $(wildcard $(SOURCES))
COVERAGE := .cache/coverage
WORKERS ?= 2
PYTEST = COVERAGE_FILE=$(COVERAGE)/$(1)-$(NAME) $(RUN)/python -m pytest -n $(WORKERS) --cov --cov-report=

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

##@ Use

.PHONY: demo
demo: setup ## Show what it does, on a database made for the occasion
	@$(RUN)/python examples/andamios_orm/first_look.py

.PHONY: setup
setup: $(ENV)/.ready ## Make the environment .venv from the lock (every target does)

##@ Test

.PHONY: test
test: setup ## Run the fast suite, with coverage data
	@mkdir -p $(COVERAGE)
	@$(call PYTEST,fast) -m "not slow and not soak"

.PHONY: slow
slow: setup ## Run the rest of the suite at CI size
	@mkdir -p $(COVERAGE)
	@ANDAMIOS_TEST_SIZE=ci $(call PYTEST,slow) -m slow

.PHONY: soak
soak: setup ## Run the slow and the soak tests at full size (hours)
	@ANDAMIOS_TEST_SIZE=soak $(RUN)/python -m pytest -m "slow or soak" --timeout 0

.PHONY: bench
bench: setup ## Print target, raw driver and ours for every figure
	@$(RUN)/python -m benchmarks.andamios_orm

##@ Check

.PHONY: check
check: format lint types layers deps security docs-check coverage ## Check everything that needs no test run

.PHONY: format
format: setup ## Check the format
	@$(RUN)/ruff format --check $(PRESENT)

.PHONY: lint
lint: setup ## Check the style
	@$(RUN)/ruff check $(PRESENT)

.PHONY: types
types: setup ## Check the types, strictly
	@$(RUN)/python scripts/types.py

.PHONY: layers
layers: setup ## Check that imports only go down the layers
	@$(RUN)/lint-imports --cache-dir .cache/import_linter

.PHONY: deps
deps: setup ## Check that each package declares what it imports
	@for package in packages/*; do (cd $$package && ../../$(RUN)/deptry src) || exit 1; done

.PHONY: security
security: setup ## Look for insecure code
	@$(RUN)/bandit --quiet --recursive --configfile pyproject.toml packages/*/src scripts

.PHONY: coverage
coverage: setup ## Report the coverage of the runs whose data is there; fail below 100 %
	@$(RUN)/python scripts/coverage_report.py $(COVERAGE)

##@ Change

.PHONY: fmt
fmt: setup ## Format, and repair what can be repaired
	@$(RUN)/ruff format $(PRESENT)
	@$(RUN)/ruff check --fix $(PRESENT)

.PHONY: lock
lock: setup ## Write the lock files anew (UPGRADE=1 takes newer versions)
	@$(RUN)/python scripts/lock.py $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## Remove everything that was made, the environments too
	rm -rf .venv .venv-* .cache .hypothesis .pytest_cache build dist .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Environments

$(ENV)/.ready: $(LOCKS) $(SET_UP_BY)
	@if [ -z "$(PYTHON)" ]; then \
		echo "make: no Python 3.11 or newer runs here; install one (Debian: apt-get install python3 python3-venv python3-pip) or name it: make PYTHON=/path/to/python" >&2; exit 1; fi
	@$(PYTHON) scripts/environment.py $(ENV)
	@touch $@
