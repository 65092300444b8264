# Two commands on a fresh machine: `make demo` and `make test`. Each does all set-up it needs.
SHELL := /bin/sh
.DELETE_ON_ERROR:
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ROOMS  := base hashing vault ledger media catalog ingest exports commands verifier sample_media
SOURCES := $(shell find $(wildcard $(ROOMS)) -type f ! -name '*.pyc' 2>/dev/null) cli.py pyproject.toml README.md LICENSE NOTICE
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test test-long lint bench lock samples reference clean prerequisites

help:
	@echo 'make demo       set up and run the whole way once on the sample footage'
	@echo 'make test       set up and run the tests against the installed wheel'
	@echo 'make test-long  the slow campaigns as well'
	@echo 'make lint       ruff, mypy --strict, import contracts'
	@echo 'make bench      every claim of docs/performance.md, measured'
	@echo 'make samples    make sample_media/ again (needs ffmpeg)'
	@echo 'make reference  write the generated pages of docs/reference/ again'
	@echo 'make lock       renew the lock files (maintainers; needs uv)'

prerequisites:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'Python 3.11 or newer is needed. On Debian or Ubuntu:  sudo apt-get install -y git make python3 python3-venv'; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo 'The venv module of Python is missing. On Debian or Ubuntu:  sudo apt-get install -y python3-venv'; exit 1; }

# Set-up in three stamps: the environment, the locked libraries, our own wheel.
$(VENV)/.created: | prerequisites
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: requirements.lock $(VENV)/.created
	@echo 'Installing the locked libraries (once) ...'
	@$(PIP) install --require-hashes --only-binary :all: -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo 'Installing the locked test tools (once) ...'
	@$(PIP) install --require-hashes --only-binary :all: -r requirements-dev.lock
	@touch $@

$(VENV)/.fuzz: requirements-fuzz.lock $(VENV)/.created
	@echo 'Installing the locked fuzzer (once) ...'
	@$(PIP) install --require-hashes --only-binary :all: -r requirements-fuzz.lock
	@touch $@

# The wheel is what users get, so the wheel is what is run and tested: never an editable install.
$(VENV)/.installed: $(SOURCES) $(VENV)/.runtime
	@rm -rf build dist
	@$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .
	@$(PIP) install --no-deps --force-reinstall dist/strongroom-*.whl
	@touch $@

demo: $(VENV)/.installed
	@$(BIN)/strongroom demo

test: $(VENV)/.installed $(VENV)/.dev
	@$(BIN)/python -P -m pytest -m 'not long' $(ARGS)

test-long: $(VENV)/.installed $(VENV)/.dev $(VENV)/.fuzz
	@$(BIN)/python -P -m pytest $(ARGS)

lint: $(VENV)/.installed $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports

bench: $(VENV)/.installed $(VENV)/.dev
	@PYTHONPATH=bench $(BIN)/python -P bench/run_all.py $(ARGS)

samples: $(VENV)/.installed
	@$(BIN)/python -P sample_media/make_samples.py

reference: $(VENV)/.installed
	@$(BIN)/python -P docs/reference/generate.py
	@$(BIN)/python -P docs/reference/quote_help.py

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --group build pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --group build --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) build dist strongroom-demo
