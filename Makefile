# What one does with crm-graph. Needs Python 3.11 or newer and make; the tests need Node.js 20 or newer and Chromium too.

PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-input
UV := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url pyproject.toml --extra build

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | \
		while IFS='|' read -r name text; do printf '  %-8s %s\n' "$$name" "$$text"; done

.PHONY: venv
venv: .venv/.runtime .venv/.package ## Make .venv with what the hub needs to run

.PHONY: demo
demo: venv ## Run the hub with demo data on 127.0.0.1:8000 (PORT=, CRM_GRAPH_HOME=, DATABASE_URL=)
	@exec $(BIN)/crm-graph demo

.PHONY: test
test: .venv/.dev .venv/.package clients ## Run the whole test suite (WORKERS=, TEST_DATABASE_URL=)
	$(BIN)/pytest -n $(WORKERS)

.PHONY: clients
clients: tests/clients/node_modules/.installed ## Install the clients that the tests ask the hub with

.PHONY: check
check: .venv/.dev .venv/.package ## Check format, lint, types, layers, the committed schema and the migrations
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/crm-graph schema print | diff -u schema.graphql -
	$(BIN)/crm-graph migrate --check

.PHONY: format
format: .venv/.dev ## Format the code and fix what can be fixed
	$(BIN)/ruff check --quiet --fix-only
	$(BIN)/ruff format

.PHONY: lock
lock: .venv/.dev ## Resolve the dependencies anew into the two lock files (UPGRADE=1 takes newer ones)
	@test -x $(BIN)/uv || $(PIP) uv
	$(UV) $(if $(UPGRADE),--upgrade) --output-file requirements.lock
	$(UV) $(if $(UPGRADE),--upgrade) --extra dev --constraint requirements.lock --output-file requirements-dev.lock

.PHONY: bench
bench: .venv/.dev .venv/.package ## Compare reads with hand-written SQL and with a peer (PEER=)
	$(BIN)/python -m bench

.PHONY: clean
clean: ## Remove what was built, .venv too; the demo's data stays
	rm -rf .venv tests/clients/node_modules dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# No lock file, since npm's holds download addresses: each client is named with its exact version.
tests/clients/node_modules/.installed: tests/clients/package.json
	@command -v npm >/dev/null && node -e 'process.exit(Number(parseInt(process.versions.node) < 20))' || \
		{ echo 'the tests ask the hub with clients from npm: install Node.js 20 or newer with npm' >&2; exit 1; }
	@echo 'Installing the clients of the tests, by the versions in $<'
	@cd $(<D) && npm install --loglevel=error --no-package-lock --no-audit --no-fund --ignore-scripts
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'crm-graph needs Python 3.11 or newer; name one with PYTHON=python3.12' >&2; exit 1; }
	@echo 'Making .venv'
	@$(PYTHON) -m venv .venv

.venv/.runtime: requirements.lock | .venv/bin/python
	@echo 'Installing what the hub needs, by the hashes in $<'
	@$(PIP) --require-hashes --no-deps -r $<
	@touch $@

.venv/.dev: requirements-dev.lock | .venv/bin/python
	@echo 'Installing what development needs, by the hashes in $<'
	@$(PIP) --require-hashes --no-deps -r $<
	@touch $@ .venv/.runtime

# Without build isolation the build backend comes from the lock too, so that nothing is downloaded unhashed.
.venv/.package: pyproject.toml | .venv/bin/python
	@test -e .venv/.runtime || $(MAKE) --no-print-directory .venv/.runtime
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
