# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
#
# `make run` serves the digits example, `make test` runs every check. Both need only python3 (3.11
# or newer, with venv) and make; what they install goes into .venv.

PYTHON ?= python3
VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 5000
ROUNDS ?= 5
CALLS ?= 200000
FUZZ_S ?= 600
# What pip installs for the example and the callback that need it: large, so not by default.
TORCH ?=

BIN := $(VENV)/bin
# Editable installs warn about folders named like packages; that is how they work.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip --disable-pip-version-check --quiet
# An environment is set up again when one of these changes.
CORE_META := setup.cfg pyproject.toml deepaas/__init__.py
EXAMPLES_META := $(wildcard examples/*/setup.cfg examples/*/pyproject.toml)
LOCK := tests/requirements.txt
PEERS_LOCK := tests/peers/requirements.txt
PEERS_VENV := tests/peers/.venv

.PHONY: help run test lint types docs audit lock peers sample bench soak clean
.DELETE_ON_ERROR:

help:
	@echo "make run     serve the digits example at http://$(HOST):$(PORT) (HOST=, PORT= change it)"
	@echo "make test    install what the checks need and run all of them (TORCH=torch adds PyTorch)"
	@echo "make lint | types | docs | audit    one of the checks"
	@echo "make lock    choose anew what the checks are run with ($(LOCK))"
	@echo "make sample  write etc/deepaas.conf.sample anew from the declared options"
	@echo "make bench   measure beside the limits and the peers (PEERS=, ONLY=, ROUNDS= change it)"
	@echo "make soak    build the example's image, run it in a container and on a cluster; send 200,000"
	@echo "             mixed calls to a server and see what it keeps (CALLS=); then ten minutes of"
	@echo "             requests that are nearly HTTP (FUZZ_S=)"
	@echo "make clean   remove what was built, the environment too"

run: $(VENV)/.installed-run
	@exec $(BIN)/deepaas-run --model-name digits --listen-ip $(HOST) --listen-port $(PORT)

test: $(VENV)/.installed-test $(VENV)/.installed-peers $(if $(TORCH),$(VENV)/.installed-torch)
	@sh tests/system-packages.sh
	@exec $(BIN)/python tests/check.py

lint types docs audit: $(VENV)/.installed-test
	@exec $(BIN)/python tests/check.py $@

peers: $(VENV)/.installed-peers

sample: $(VENV)/.installed-run
	@exec $(BIN)/oslo-config-generator --namespace deepaas --wrap-width 79 \
	    --output-file etc/deepaas.conf.sample

# Names of the project's own packages: what is in the tree needs no hash.
OWN := deepaas deepaas-example-minimal deepaas-example-digits deepaas-example-legacy

lock: $(VENV)/.uv
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
	    $(OWN:%=--no-emit-package %) --output-file $(LOCK) tests/requirements.in
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
	    --output-file $(PEERS_LOCK) tests/peers/requirements.in

# The table that the documentation includes is written only by a whole run.
BENCH_OPTIONS := --rounds $(ROUNDS) \
    $(if $(filter undefined,$(origin PEERS)),,--peers '$(PEERS)') \
    $(if $(ONLY),--only '$(ONLY)',)
BENCH_TABLE := $(if $(filter undefined,$(origin PEERS)),$(if $(ONLY),,yes))

bench: $(VENV)/.installed-test
	@$(BIN)/python -m benchmarks $(BENCH_OPTIONS) \
	    $(if $(BENCH_TABLE),--table doc/source/discussion/performance-table.txt)
	@$(BIN)/python -m benchmarks.tokens

soak: $(VENV)/.installed-test $(PEERS_VENV)/.installed
	@sh tests/system-packages.sh deployment
	@$(BIN)/python -m pytest -q tests/deployment
	@$(BIN)/python -m benchmarks.soak --calls $(CALLS)
	@DEEPAAS_TEST_FUZZ_S=$(FUZZ_S) exec $(BIN)/python -m pytest -q tests/integration/test_fuzzed_bytes.py

clean:
	rm -rf $(VENV) build dist doc/build .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov
	rm -rf benchmarks/.envs benchmarks/results tests/peers/node_modules $(PEERS_VENV)
	rm -rf .coverage .coverage.* deepaas.egg-info examples/*/*.egg-info examples/*/build
	find deepaas benchmarks tests examples doc -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Python 3.11 or newer is needed; name one with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	    || { echo "$(PYTHON) cannot make an environment; on Debian: apt install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.installed-run: $(VENV)/.created $(CORE_META) $(EXAMPLES_META)
	@echo "Installing deepaas and the digits example into $(VENV) …"
	@$(PIP) install --editable . --editable examples/digits
	@touch $@

$(VENV)/.uv: $(VENV)/.created
	@$(PIP) install 'uv>=0.9' && touch $@

# Installs a lock, $(2), into an environment, $(1): by uv in seconds; where that finds no registry by pip,
# whose settings are others.
install_locked = $(BIN)/uv pip install --quiet --python $(1)/bin/python --require-hashes --requirement $(2) \
    || PYTHONWARNINGS=ignore $(1)/bin/python -m pip --disable-pip-version-check --quiet install \
        --no-compile --require-hashes --requirement $(2)

# What the checks run with is locked, with hashes; `make lock` resolves it anew.
$(VENV)/.installed-test: $(CORE_META) $(EXAMPLES_META) $(LOCK) | $(VENV)/.uv
	@echo "Installing what the checks need into $(VENV) …"
	@$(call install_locked,$(VENV),$(LOCK))
	@$(PIP) install --no-deps --no-build-isolation --editable . --editable examples/digits \
	    --editable examples/minimal --editable examples/legacy
	@touch $(VENV)/.installed-run $@

# Programs of others that tests talk to: issuers of tokens (the lock names no registry: npm takes its
# own, and checks the hashes), stores, clouds and checkers of files, whose needs are not ours. Without
# npm it is tried again the next time, and those tests say why they are skipped.
$(VENV)/.installed-peers: tests/peers/package.json tests/peers/package-lock.json $(PEERS_VENV)/.installed
	@sh tests/system-packages.sh
	@if command -v npm >/dev/null 2>&1; then \
	    echo "Installing the issuers of the tests into tests/peers/node_modules …"; \
	    npm ci --prefix tests/peers --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null \
	        && touch $@; \
	fi

$(PEERS_VENV)/.installed: $(PEERS_LOCK) | $(VENV)/.uv
	@echo "Installing the programs that tests talk to into $(PEERS_VENV) …"
	@$(BIN)/python -m venv $(PEERS_VENV)
	@$(call install_locked,$(PEERS_VENV),$(PEERS_LOCK))
	@touch $@

$(VENV)/.installed-torch: $(VENV)/.installed-test
	@echo "Installing $(TORCH) and Keras into $(VENV) …"
	@$(PIP) install '$(TORCH)' keras --editable examples/torch_cnn
	@touch $@
