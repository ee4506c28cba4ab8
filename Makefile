# The only things a machine needs: Python >= 3.11 and make. With uv on the PATH, uv does the installing.

PYTHON ?= python3
VENV     := .venv
BIN      := $(VENV)/bin
STAMP    := $(VENV)/.installed
UV       := $(shell command -v uv 2>/dev/null)
RESOLVER := $(or $(UV),.uv-venv/bin/uv)

# More arguments for pytest: make test PYTEST_ARGS="-k conflict -x"
PYTEST_ARGS ?=
# How long the long runs are: full, or short (a tenth of the rounds).
PROOF ?= full
# make lock UPGRADE=1 moves every pin to the newest version that fits.
UPGRADE ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check proof bench lock oldest clean

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## run the main job on a third of a million real records
	$(BIN)/recordroom demo

test: $(STAMP) ## run the tests, on SQLite and PostgreSQL
	$(BIN)/python -m pytest tests -n auto --dist worksteal $(PYTEST_ARGS)

check: $(STAMP) ## lint, format, types, layers, examples in the documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -p no:randomly --doctest-modules src README.md docs

proof: $(STAMP) ## run the long tests: kill -9, model-based, fuzz (PROOF=short for a tenth)
	$(BIN)/python -m pytest tests/proof -m proof --proof=$(PROOF) $(if $(filter short,$(PROOF)),-n auto --dist worksteal) $(PYTEST_ARGS)

bench: $(STAMP) ## measure against the raw drivers and an ORM, side by side
	$(BIN)/python -m benchmarks --write

# A virtual environment from the lock file, with this project in it as an editable install.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "recordroom needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make PYTHON=python3.12" >&2; exit 1; }
ifneq ($(UV),)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Making $(VENV) with uv"; \
	    "$(UV)" venv --quiet --clear --python "$$(command -v $(PYTHON))" $(VENV); }
	@echo "Installing from requirements.lock"
	@"$(UV)" pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@"$(UV)" pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --offline -e .
else
	@$(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Making $(VENV)"; \
	    $(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }; }
	@echo "Installing from requirements.lock (a minute or two the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
endif
	@touch $@

# Only these two need uv, and fetch it when it is missing.
lock: $(RESOLVER) ## resolve requirements.lock again from pyproject.toml (UPGRADE=1 for the newest versions)
	$(RESOLVER) pip compile pyproject.toml --quiet --universal --python-version 3.11 --all-extras --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	    $(if $(UPGRADE),--upgrade) --output-file requirements.lock

oldest: $(RESOLVER) ## run the tests with the oldest versions that pyproject.toml allows
	$(RESOLVER) venv --quiet --clear --python "$$(command -v $(PYTHON))" .oldest-venv
	$(RESOLVER) pip install --quiet --python .oldest-venv/bin/python --resolution lowest-direct -e '.[dev]'
	.oldest-venv/bin/python -m pytest tests $(PYTEST_ARGS)

.uv-venv/bin/uv:
	$(PYTHON) -m venv --clear .uv-venv
	.uv-venv/bin/python -m pip install --quiet --disable-pip-version-check uv

clean: ## remove the virtual environment and everything generated
	rm -rf $(VENV) .oldest-venv .uv-venv build dist htmlcov .coverage .coverage.* .hypothesis
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
