# Two commands matter: `make serve` to read the book, `make test` to check everything.
PYTHON ?= python3
PORT ?= 8888
BIN := .venv/bin

.PHONY: help setup setup-test serve test lint build results benchmark clean

help:
	@echo "make serve      set up, build and serve the book on this machine (PORT=8888)"
	@echo "make test       set up and check everything: lint, types, tests, the book, a real browser"
	@echo "make build      build the book only"
	@echo "make results    compute the stored runs that are missing or out of date"
	@echo "make benchmark  time the fast paths against the plain ones, side by side"
	@echo "make clean      delete what these commands made"

# does nothing when the environment is what the requirements ask for
setup:
	@$(PYTHON) lib/bootstrap.py

setup-test:
	@$(PYTHON) lib/bootstrap.py --test

build: setup
	@$(BIN)/layerlab build

serve: setup
	@exec $(BIN)/layerlab serve --build --port $(PORT)

lint: setup-test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --config-file lib/pyproject.toml lib/layerlab

test: lint
	@$(BIN)/layerlab build --strict
	@$(BIN)/python tests/browser/install.py
	@$(BIN)/python tests/grading/install.py
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

results: setup
	@$(BIN)/layerlab sweep

benchmark: setup-test
	@for file in tests/benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

clean:
	rm -rf _build node_modules .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
