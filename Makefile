# Two commands do everything on a machine with Python >= 3.12 and make: `make demo`, `make test`.
#   PYTHON=/path/to/python3   the interpreter to use (default: the first of python3.13, python3.12, python3 that serves)
#   VENV=dir                  where the virtual environment lies (default: .venv)
#   WORKERS=4                 processes that run the tests (default: 2; 0 runs them in one)

VENV ?= .venv
WORKERS ?= 2
RUN = $(VENV)/bin
SETUP = ./.ci/setup "$(VENV)"
# not given is one thing, given but empty (PYTHON=$UNSET) another, which .ci/setup refuses
GIVEN = $(if $(filter undefined,$(origin PYTHON)),,"$(PYTHON)")

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-hard lint types docs check format lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

setup:  ## make the environment with everything in it
	@$(SETUP) test,simulate,cluster,dev,docs $(GIVEN)

demo:  ## run the main job on the embedded data set: posterior, table, report
	@$(SETUP) none $(GIVEN)
	@$(RUN)/python -m bayesmixer demo --force

test:  ## run the tests
	@$(SETUP) test,simulate,cluster $(GIVEN)
	@$(RUN)/python -m pytest -n $(WORKERS) --dist loadfile

test-hard:  ## run them five times: random order; 1, 2 and 4 threads; this processor and the plainest
	@$(SETUP) test,simulate,cluster $(GIVEN)
	@$(RUN)/python -m tests.hard -q -n $(WORKERS) --dist loadfile

lint:  ## ruff: style and formatting
	@$(SETUP) dev $(GIVEN)
	@$(RUN)/python -m ruff check
	@$(RUN)/python -m ruff format --check

types:  ## mypy, strict
	@$(SETUP) dev $(GIVEN)
	@$(RUN)/python -m mypy

docs:  ## build the documentation into docs/_build/html, without warnings
	@$(SETUP) docs $(GIVEN)
	@$(RUN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "docs: docs/_build/html/index.html"

check: lint types test docs  ## lint, types, tests and docs

format:  ## let ruff tidy the code
	@$(SETUP) dev $(GIVEN)
	@$(RUN)/python -m ruff check --fix
	@$(RUN)/python -m ruff format

lock:  ## write constraints.txt anew from pyproject.toml
	@$(SETUP) dev $(GIVEN)
	@$(RUN)/uv pip compile -q --upgrade --universal --python-version 3.12 --all-extras --no-header --no-annotate pyproject.toml -o constraints.txt

clean:  ## remove the environment and everything built
	rm -rf "$(VENV)" build dist docs/_build docs/api demo_output .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
