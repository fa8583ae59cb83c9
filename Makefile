# Everything runs in .venv, from hash-locked requirements; nothing else is assumed than Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHONDONTWRITEBYTECODE =  # whatever the caller says: tests start some hundred processes that import patchgap

.PHONY: drill test coverage check up lock clean

drill: $(VENV)/.run  ## rehearse an incident from signal to closing, on a rehearsal cluster
	$(BIN)/patchgap drill

up: $(VENV)/.run  ## a Prefect server, a worker and the webhook receiver on this machine
	$(BIN)/patchgap up

test: check  ## every check and test
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations=15

coverage: $(VENV)/.dev  ## the tests again, watched line by line: takes three times as long
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered

check: $(VENV)/.dev  ## style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/patchgap playbook check

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "patchgap needs Python 3.11 or later; name one with PYTHON=python3.x")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing patchgap's locked requirements into $(VENV) (a minute or two, once) …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing patchgap's locked development requirements into $(VENV) (a minute or two, once) …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

lock:  ## resolve the requirements again (needs uv)
	uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-header -q -o requirements.lock
	uv pip compile pyproject.toml --group build --group dev --universal --python-version 3.11 --generate-hashes --no-header -q -o requirements-dev.lock

clean:
	rm -rf $(VENV)
