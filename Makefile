# Demur's commands. Each sets up what it needs, once: `make demo` and `make test` work on a fresh Debian or Ubuntu.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/done
PHOTOS ?=
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test journey bench lint types sure migrate lock setup setup-dev chromium java

help: ## Say what each command does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile
	@echo "  make demo PHOTOS=folder shows your own pictures instead of Debian's."

demo: setup ## Run the whole portal with demo pictures at http://127.0.0.1:8000
	@$(BIN)/python app.py $(if $(PHOTOS),--photos "$(PHOTOS)")

test: setup-dev chromium java ## Run the whole test suite: both databases, a real broker, a real browser
	@$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

journey: setup ## Walk one opt-out's whole way headless; the last line is JSON
	@$(BIN)/python -m demo.journey

bench: setup-dev ## Run every benchmark small
	@set -e; for file in bench/[a-z]*.py; do name=$$(basename "$$file" .py); echo "bench.$$name"; $(BIN)/python -m "bench.$$name" --small --json; done

lint: setup-dev ## Check style, format and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: setup-dev ## Check types
	@$(BIN)/mypy

sure: lint types test ## All that CI runs

migrate: setup ## Bring the database to the newest tables
	@$(BIN)/flask --app app db upgrade

lock: setup-dev ## Pin requirements*.in again, with hashes
	@$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 -o requirements.txt requirements.in
	@$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 --override requirements-train-overrides.txt -o requirements-train.txt requirements-train.in
	@$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 -o requirements-dev.txt requirements-dev.in
	@$(BIN)/uv pip compile --quiet --no-deps --generate-hashes --python-version 3.11 -o requirements-adapters.txt requirements-adapters.in

# --- Set-up. A file in .venv/done stands for each step taken, so that a second `make` does nothing. ---

setup: $(DONE)/requirements $(DONE)/requirements-train $(DONE)/requirements-torch $(DONE)/demur
setup-dev: setup $(DONE)/requirements-dev $(DONE)/requirements-adapters

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Demur needs Python 3.11 or newer, and $(PYTHON) is %d.%d. Name another one: make PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(DONE): | $(BIN)/python
	@mkdir -p $@

# The pinned files are complete, so pip has nothing to resolve; demur's own command is the library in ./demur.
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install

$(DONE)/requirements $(DONE)/requirements-train $(DONE)/requirements-dev $(DONE)/requirements-adapters: $(DONE)/%: %.txt | $(DONE)
	@echo "Installing $<"
	@$(PIP) --no-deps --require-hashes -r $<
	@touch $@

$(DONE)/requirements-torch: requirements-torch.txt $(DONE)/requirements-train
	@echo "Installing $<"
	@$(PIP) -r $<
	@touch $@

$(DONE)/demur: demur/pyproject.toml $(DONE)/requirements
	@$(PIP) --no-deps --no-build-isolation -e ./demur
	@touch $@

# What tests need of Debian: $(call debian,package,what for)
debian = if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing $(1)" && apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y $(1) >/dev/null; \
	  else \
	    echo "$(2). On Debian and Ubuntu: sudo apt install $(1)" >&2; exit 1; \
	  fi

chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { $(call debian,chromium,The browser tests need Chromium); }

java:
	@command -v java >/dev/null || { $(call debian,openjdk-17-jre-headless,The test of the Spark job needs Java 17); }
