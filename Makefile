# `make` alone prints this file's targets. The two to know: `make demo` and `make test`; each sets up what it needs.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint types floors tidy sync-check sync fmt lock clean

# The interpreter to make .venv with, if it should not be the first of python3, python3.14 ... python3.11 that fits.
export PYTHON

BIN := .venv/bin
CODE := $(wildcard src tests scripts examples proving)
# Two processes: the tests start servers and nodes of their own. PYTEST="-n 0 -k locks" replaces this.
PYTEST ?= -n 2

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv with all that is needed (once; the others call it)
	@scripts/setup

demo: setup ## run the main job on real input: a small content manager over this machine's Python
	@$(BIN)/latchwork demo

test: setup ## run the tests; nothing has to be running
	@$(BIN)/python -m pytest $(PYTEST)

check: lint types floors tidy sync-check ## run all checks that need no running program

lint: setup ## ruff: rules and format
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)

types: setup ## mypy --strict
	@$(BIN)/mypy $(CODE)

floors: setup ## import-linter: a module imports only lower floors
	@PYTHONPATH=src $(BIN)/lint-imports --no-cache

tidy: setup ## size budgets and house rules
	@$(BIN)/python -m scripts.tidy

sync-check: setup ## the generated sync modules are what their async source gives
	@$(BIN)/python -m scripts.gen_sync --check

sync: setup ## write the sync modules anew from their async source
	@$(BIN)/python -m scripts.gen_sync

fmt: setup ## format, and fix what ruff can fix
	@$(BIN)/ruff check --fix-only --quiet $(CODE)
	@$(BIN)/ruff format $(CODE)

lock: ## write constraints.txt anew (needs the network)
	@scripts/lock

clean: ## remove .venv, caches and build output
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
