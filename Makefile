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

# By uv, which takes seconds; where it cannot (it reads no pip.conf), by pip, which takes a minute or two.
define install
@echo "Installing patchgap's locked requirements into $(VENV) (once) …"
@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements-install.lock && \
  $(BIN)/uv pip install -q --system-certs --python $(BIN)/python --no-deps --require-hashes --compile-bytecode -r $(1) || \
  $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r $(1)
@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
endef

$(VENV)/.run: requirements.lock requirements-install.lock pyproject.toml | $(VENV)/bin/python
	$(call install,requirements.lock)
	@touch $@

$(VENV)/.dev: requirements-dev.lock requirements-install.lock pyproject.toml | $(VENV)/bin/python
	$(call install,requirements-dev.lock)
	@touch $@ $(VENV)/.run

lock:  ## resolve the requirements again (needs uv)
	uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-header -q -o requirements.lock
	uv pip compile pyproject.toml --group build --group dev --universal --python-version 3.11 --generate-hashes --no-header -q -o requirements-dev.lock
	uv pip compile --group install --universal --python-version 3.11 --generate-hashes --no-header -q -o requirements-install.lock

clean:
	rm -rf $(VENV)
