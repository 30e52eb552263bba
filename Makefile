# The only list of commands. `make` alone prints it; hooks and CI call the same targets.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

export UV_PYTHON_DOWNLOADS := never
# uv brings its own certificates; where the machine has some, those count, as for pip.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt),)
export UV_SYSTEM_CERTS ?= 1
endif
# A run starts hundreds of processes: what they import is compiled once, out of the way.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/.cache/pycache
# How many rounds the tests run that repeat something: fast, ci or soak.
export ANDAMIOS_TEST_SIZE ?= fast

# The first Python that really runs and is new enough (a shim may exist and fail).
ANDAMIOS_PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3.14 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
PYTHON ?= $(ANDAMIOS_PYTHON)

# Any target runs in another environment: make env-sa20, then make test ENV=.venv-sa20
ENV ?= .venv
RUN := $(ENV)/bin
NAME := $(or $(patsubst .venv-%,%,$(filter .venv-%,$(ENV))),main)
SET_UP_BY := requirements.lock requirements-postgres.lock scripts/environment.py \
	$(wildcard packages/*/pyproject.toml)

PRESENT := $(wildcard packages examples benchmarks docs tests scripts conftest.py)
COVERAGE := .cache/coverage
WORKERS ?= 2
# More arguments for pytest: make test ARGS="-k gate -x"
ARGS ?=
PYTEST := $(RUN)/python -m pytest
# A whole tier on all workers. With MEASURE=1, as in .ci/run, every process leaves coverage data
# named for tier and environment, and takes nearly twice as long. Not on Python 3.11: tracing
# greenlets there while threads end can hang the interpreter.
MEASURE ?=
TIER = @mkdir -p $(COVERAGE) && rm -f $(COVERAGE)/$(1)-$(NAME).* && \
	if $(RUN)/python -c 'import sys; sys.exit(not "$(MEASURE)" or sys.version_info < (3, 12))'; then \
		COVERAGE_FILE=$(CURDIR)/$(COVERAGE)/$(1)-$(NAME) \
			$(RUN)/coverage run -m pytest -n $(WORKERS) $(2); \
	else $(PYTEST) -n $(WORKERS) $(2); fi

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ Use

.PHONY: demo
demo: setup ## Make a portfolio of this repository, DEMO_PATHS and samples; show a report, a search
	@$(RUN)/python scripts/demo.py

.PHONY: first-look
first-look: setup ## Show what andamios-orm does to DuckDB in an event loop, beside the usual ways
	@$(RUN)/python examples/andamios_orm/first_look.py

.PHONY: setup
setup: $(ENV)/.ready ## Make the environment .venv from the lock (every target does it first)

##@ Test

.PHONY: test
test: setup ## Run the fast suite (MEASURE=1: with coverage data, on Python 3.12 or newer)
	$(call TIER,fast,-m "not slow and not soak" $(ARGS))

.PHONY: slow
slow: export ANDAMIOS_TEST_SIZE := ci
slow: setup ## Run the rest of the suite at CI size
	$(call TIER,slow,-m slow $(ARGS))

.PHONY: soak
soak: export ANDAMIOS_TEST_SIZE := soak
soak: setup ## Run the slow and the soak tests at full size
	@$(PYTEST) --timeout 0 -m "slow or soak" $(ARGS)

.PHONY: compliance
compliance: setup .venv-sa20/.ready ## Run SQLAlchemy's compliance suite on 2.1 and 2.0 (ARGS=--write publishes it)
	@$(RUN)/python scripts/compliance.py $(ARGS) $(RUN)/python .venv-sa20/bin/python

.PHONY: bench
bench: setup ## Print target, raw driver and ours for every figure
	@$(RUN)/python -m benchmarks $(ARGS)

##@ Check

.PHONY: check
check: format lint types layers deps security fragments docs site coverage ## Check everything else; does not run the suite again

.PHONY: format
format: setup ## Check the format
	@$(RUN)/ruff format --check $(PRESENT)

.PHONY: lint
lint: setup ## Check the style
	@$(RUN)/ruff check $(PRESENT)

.PHONY: types
types: setup ## Check the types, strictly
	@$(RUN)/python scripts/type_check.py

.PHONY: layers
layers: setup ## Check that imports only go down the layers
	@$(RUN)/lint-imports --no-logo --cache-dir .cache/import_linter

.PHONY: deps
deps: setup ## Check that each package declares what it imports
	@for package in packages/*; do (cd $$package && ../../$(RUN)/deptry src) || exit 1; done

.PHONY: security
security: setup ## Look for insecure code
	@$(RUN)/bandit --quiet --recursive --configfile pyproject.toml packages/*/src scripts

.PHONY: fragments
fragments: setup ## Check that the changelog can be made from the fragments
	@$(RUN)/towncrier build --draft --version next --date unreleased >/dev/null

.PHONY: docs
docs: setup ## Run the documentation: code blocks, links, doctests, examples, export lists
	@$(PYTEST) -n $(WORKERS) tests/test_docs.py tests/test_examples.py tests/test_public_names.py

# What a failed build has read is forgotten: its warnings would not be given again.
.PHONY: site
site: setup ## Build the documentation as a site, strictly and offline: build/site/index.html
	@$(RUN)/python -m sphinx --fail-on-warning --quiet --jobs $(WORKERS) \
		--doctree-dir .cache/site --conf-dir docs . build/site || { rm -rf .cache/site; exit 1; }

.PHONY: coverage
coverage: setup ## Report the coverage of all tiers whose data is there; fail below 100 %
	@$(RUN)/python scripts/coverage_report.py $(COVERAGE)

.PHONY: audit
audit: setup ## Look up known vulnerabilities of what the lock pins (needs the network)
	@$(RUN)/pip-audit --requirement requirements.lock --disable-pip --strict --progress-spinner off
	@$(RUN)/zizmor --offline --quiet .github/workflows

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
	rm -rf demo.duckdb demo.duckdb.* demo.html
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Release

.PHONY: wheels
wheels: setup ## Build the wheel and the source distribution of each package into dist/
	@rm -rf dist
	@for package in packages/*; do \
		$(RUN)/python -m build --no-isolation --outdir dist $$package >/dev/null || exit 1; done
	@ls dist

.PHONY: changelog
changelog: setup ## Turn the fragments into a section of CHANGELOG.md (VERSION=1.2.3)
	@test -n "$(VERSION)" || { echo "make: say which: make changelog VERSION=1.2.3" >&2; exit 1; }
	@$(RUN)/towncrier build --yes --version $(VERSION)

.PHONY: release-check
release-check: setup ## Check that version, changelog and tag agree (TAG=v1.2.3)
	@$(RUN)/python scripts/release.py check "$(TAG)"

.PHONY: release-files
release-files: setup ## Collect distributions, notes and SBOM in build/release (TAG=v1.2.3)
	@$(RUN)/python scripts/release.py files "$(TAG)"

##@ Environments

.PHONY: env-sa20
env-sa20: .venv-sa20/.ready ## Make .venv-sa20, the same with SQLAlchemy 2.0

.PHONY: env-oldest
env-oldest: .venv-oldest/.ready ## Make .venv-oldest, with the oldest versions that the packages allow

NO_PYTHON := no Python 3.11 or newer runs here: install one (on Debian 'apt-get install python3 \
python3-venv python3-pip') or name it with 'make PYTHON=/path/to/python3'
SET_UP = @test -n "$(strip $(PYTHON))" || { echo "make: $(NO_PYTHON)" >&2; exit 1; }; \
	$(PYTHON) scripts/environment.py $(@D) $(1) && touch $@

.venv/.ready: $(SET_UP_BY)
	$(call SET_UP)

.venv-sa20/.ready: $(SET_UP_BY) requirements-sqlalchemy20.lock
	$(call SET_UP,--overlay requirements-sqlalchemy20.lock)

.venv-oldest/.ready: $(SET_UP_BY) requirements-oldest.lock
	$(call SET_UP,--overlay requirements-oldest.lock)
