# Everything the project needs lives in this folder: the environment in .venv, uv (where it is not installed) in .venv-uv.
# Nothing outside is touched but the download caches of pip and uv.

UV_VERSION := 0.13.9
PYTHONS    := python3.11 python3.12 python3.13 python3 python
BIN        := .venv/bin
STAMP      := .venv/.synced

# The first interpreter that really runs and is new enough: version-manager shims can exist without a Python behind them.
ifndef PYTHON
PYTHON := $(shell for p in $(PYTHONS); do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { "$$p" -c 'import sys; print(sys.executable)'; break; }; \
	done)
endif

export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
# Trust what the machine trusts (companies add their own certificate), if it has a store; else uv's bundled one serves.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS ?= 1
endif
# A service account may have no home, or one it cannot write to: the download cache then stays here too.
ifneq ($(shell test -n "$$HOME" && test -d "$$HOME" && test -w "$$HOME" && echo writable),writable)
export UV_CACHE_DIR ?= $(CURDIR)/.venv-uv/cache
export PIP_CACHE_DIR ?= $(CURDIR)/.venv-uv/cache-pip
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-matrix test-life test-postgres bench-truth coverage mutation lint format serve clean

help: ## List the targets
	@echo "Plumbline: make <target>"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 15

setup: ## Create or update .venv from uv.lock (does nothing, and needs no network, when it is up to date)
	@if [ -x $(BIN)/python ] && [ -x $(BIN)/plumbline ] && [ "$$($(fingerprint))" = "$$(cat $(STAMP) 2>/dev/null)" ]; then exit 0; fi; \
	set -e; $(check_python); $(find_uv); \
	echo "Installing the locked dependencies into .venv (once; a minute or two)"; \
	test -t 2 || quiet=--quiet; \
	"$$uv" sync $$quiet --frozen --compile-bytecode --python "$(PYTHON)"; \
	$(fingerprint) > $(STAMP)

demo: setup ## Build the sample world, run the whole line on it, print the register and the verdict
	@$(BIN)/plumbline demo

test: setup ## Run every test (pick some: make test ARGS="tests/gate -x")
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

test-matrix: setup ## Break every mapped column and source in every way, and run more clean seeds (most of an hour)
	@$(BIN)/python -m pytest -m matrix tests/worlds tests/pipeline -n auto --dist loadfile $(ARGS)

test-life: setup ## Run the line on sixty days of a warehouse, one after the other (half an hour; fewer with DAYS=12)
	@PLUMBLINE_LIFE_DAYS=$(or $(DAYS),60) $(BIN)/python -m pytest -m life tests/pipeline $(ARGS)

test-postgres: setup ## Run Dagster's daemon on a Postgres server of its own (a few minutes; skips where no server can be had)
	@$(find_uv); "$$uv" sync --quiet --frozen --inexact --extra postgres --python "$(PYTHON)"
	@$(BIN)/python -m pytest -m postgres tests/postgres $(ARGS)

coverage: setup ## Hold the lines and branches of the statistics that their tests run to 98%
	@$(BIN)/python -m pytest --cov=dagster_pipeline.statistics --cov-branch --cov-report=term-missing:skip-covered \
		--cov-fail-under=98 tests/statistics tests/criteria $(ARGS)

mutation: setup ## Break bounds, direction and severity in every small way: the tests must notice 90% (half an hour)
	@$(BIN)/mutmut run --max-children 1 $(ARGS)
	@$(BIN)/python -m benchmarks.mutation_score

bench-truth: setup ## Simulate thousands of worlds with the truth known, and score what is said of them (an hour and more; resumable)
	@$(find_uv); "$$uv" sync --quiet --frozen --inexact --only-group bench --python "$(PYTHON)"
	@$(BIN)/python -m benchmarks.truth.run $(ARGS)

lint: setup ## Check style, formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup ## Rewrite the code in the project's format
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

serve: setup ## Open the Dagster UI on this machine only
	@$(BIN)/plumbline serve

clean: ## Remove the environments, caches and everything a run has left behind here
	@rm -rf .venv .venv-uv .plumbline out demo .pytest_cache .mypy_cache .ruff_cache .hypothesis mutants .coverage
	@rm -rf dbt_project/target dbt_project/logs
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What the environment was made from. Content, not dates (a checkout changes those), and the folder (scripts hold its path).
fingerprint = { pwd; cat pyproject.toml uv.lock; } | cksum

define check_python
if [ -z "$(PYTHON)" ]; then \
	echo "Plumbline needs Python 3.11 or newer, and none of these is one: $(PYTHONS)." >&2; \
	echo "Install it (Debian, Ubuntu: apt-get install python3), or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
	exit 1; \
fi
endef

# uv from PATH, else from .venv-uv. Debian ships Python without ensurepip: a bare pip can still unpack uv into a folder.
define find_uv
if uv --version >/dev/null 2>&1; then uv=uv; \
elif [ -x .venv-uv/bin/uv ]; then uv=.venv-uv/bin/uv; \
else \
	echo "Installing uv $(UV_VERSION) into .venv-uv"; \
	if "$(PYTHON)" -m venv --clear .venv-uv >/dev/null 2>&1; then \
		.venv-uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"; \
	elif "$(PYTHON)" -m pip --version >/dev/null 2>&1; then \
		"$(PYTHON)" -m pip install --quiet --disable-pip-version-check --target .venv-uv "uv==$(UV_VERSION)"; \
	else \
		echo "uv is needed and cannot be installed: $(PYTHON) has neither the venv module nor pip." >&2; \
		echo "Debian, Ubuntu: apt-get install python3-venv. Or install uv yourself and put it on PATH." >&2; \
		exit 1; \
	fi; \
	uv=.venv-uv/bin/uv; \
fi
endef
