# Everything below needs only make and Python 3.10 to 3.13; the environment is made once, in .venv.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

export PYTHONDONTWRITEBYTECODE := # compiled once, not by every process that a test starts

.PHONY: help setup demo test test-all check clean

help: ## show this
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

setup: $(READY) ## make .venv and install AVIS into it

demo: $(READY) ## run the main job on the embedded synthetic corpus
	$(BIN)/python pipelines/train.py

test: $(READY) ## run the tests that take seconds, in two processes
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup

test-all: $(READY) ## run all tests, slow ones included
	$(BIN)/python -m pytest -m 'not gpu'

check: $(READY) ## format, lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean: ## remove .venv and all outputs
	rm -rf .venv outputs
