# All that a newcomer needs: `make help`. Works with GNU make, git and Python 3.11 or newer.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
unexport PYTHONPATH

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INTEGRATION := $(VENV)/integration
CLIENTS := $(VENV)/clients
# Two workers: the whole suite is bound by child processes, and the smallest machine has two cores.
# A file goes to one worker: what its tests share is made once; tests/conftest.py says which begin.
WORKERS ?= 2
# Minutes that `make bench-loop` may take.
BUDGET ?= 60
# Folders too: their time changes when a file goes away.
SOURCES := pyproject.toml README.md LICENSE \
  $(shell find src -not -name '*.pyc' -not -name __pycache__ 2>/dev/null)

.PHONY: help install demo test check bench bench-loop bench-serve test-integration picture docs lock clean

help: ## say what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort \
	  | awk -F'\t' '{printf "  make %-18s %s\n", $$1, $$2}'

install: $(VENV)/.wheel ## make .venv with the locked dependencies and the built wheel
	@$(BIN)/python -c 'from tamid.adapters.engines.kernel import prebuild; print(prebuild())'
	@echo "Installed. Try: $(BIN)/tamid --help"

demo: $(VENV)/.wheel ## play one year of a telecom operator (ARGS="--seed 3")
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/tamid demo $(ARGS)

test: $(VENV)/.wheel ## run the tests against the installed wheel (ARGS="-k ledger")
	OMP_NUM_THREADS=1 $(BIN)/pytest tests --pyargs tamid.core --doctest-modules \
	  -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/.deps ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=src $(BIN)/lint-imports --no-cache

# Evidently lives in an environment of its own, made once in the user's cache; where it cannot be
# installed, that comparison is skipped with the reason.
# Status 5 is pytest's word for "nothing carries this marker".
bench: $(VENV)/.wheel ## measure time and memory
	$(BIN)/pytest tests -m bench -p no:randomly -s $(ARGS) || test $$? -eq 5

# River (BSD-3-Clause) is only the streaming row of the comparison; without it that row is left out.
bench-loop: $(VENV)/.wheel ## measure the closed loop on a folder of data sets (DATA=folder BUDGET=60)
	@test -n "$(DATA)" || { echo "Say on which folder: make bench-loop DATA=folder [BUDGET=minutes]"; exit 2; }
	@$(PIP) install -q --group bench 2> /dev/null || $(PIP) install -q "river>=0.22" 2> /dev/null \
	  || echo "River cannot be installed here: the row of the adaptive random forest is left out" >&2
	@OMP_NUM_THREADS=1 $(BIN)/python -m tamid.loopbench "$(DATA)" --minutes $(BUDGET) $(ARGS)

# Peers live in environments of their own under out/bench-serve, made once and only by this target.
bench-serve: $(VENV)/.wheel ## serve one pipeline with Tamid and with its peers, and compare (ARGS="--quick --peers fastapi")
	@OMP_NUM_THREADS=1 PYTHONPATH=bench $(BIN)/python -m serve $(ARGS)

# Against real servers and clients, in environments of their own: they bring hundreds of packages that
# nothing else may lean on. What cannot be installed is said, and its tests are skipped with the reason.
# Images need podman (Debian: apt install podman runc).
test-integration: $(INTEGRATION)/.ready $(CLIENTS)/.ready ## the long and destructive tests, and those against real servers
	OMP_NUM_THREADS=1 TAMID_CLIENTS=$${TAMID_CLIENTS:-$(CURDIR)/$(CLIENTS)/bin/python} \
	  $(INTEGRATION)/bin/pytest tests -m integration --timeout 1800 \
	  -n $(WORKERS) --dist worksteal $(ARGS) || test $$? -eq 5

picture: $(VENV)/.wheel ## draw docs/img/year.svg from a year played for it
	rm -rf $(VENV)/picture
	$(BIN)/tamid demo --dir $(VENV)/picture
	mkdir -p docs/img
	cp $(VENV)/picture/year.svg docs/img/year.svg

docs: $(VENV)/.wheel ## write the generated pages of docs/
	$(BIN)/python scripts/reference.py

lock: $(VENV)/.deps ## pin the newest versions that fit pyproject.toml
	$(PIP) install -q uv
	$(BIN)/uv pip compile -q pyproject.toml --extra loop --extra serve --extra grpc --extra objects \
	  --extra xgboost --group dev --universal \
	  --python-version 3.11 --upgrade --generate-hashes --no-header --no-annotate \
	  --output-file requirements.lock

clean: ## remove the environment and all caches
	rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python:
	@command -v $(PYTHON) > /dev/null \
	  || { echo "Python 3.11 is missing. On Debian or Ubuntu: sudo apt install python3.11 python3.11-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is older than 3.11. On Debian or Ubuntu: sudo apt install python3.11 python3.11-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null \
	  || { $(PYTHON) -c 'import sys; v = "python%d.%d" % sys.version_info[:2]; \
	       print("The module venv is missing. On Debian or Ubuntu: sudo apt install " + v + "-venv")'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.deps: $(VENV)/.python requirements.lock
	$(PIP) install -q -r requirements.lock
	@touch $@

$(VENV)/.wheel: $(VENV)/.deps $(SOURCES)
	rm -rf $(VENV)/dist
	$(BIN)/python -m build --wheel --no-isolation --outdir $(VENV)/dist . > $(VENV)/build.log \
	  || { cat $(VENV)/build.log; exit 1; }
	$(PIP) install -q --force-reinstall --no-deps $(VENV)/dist/*.whl
	@touch $@

$(INTEGRATION)/.ready: $(VENV)/.wheel
	test -x $(INTEGRATION)/bin/python || $(PYTHON) -m venv $(INTEGRATION)
	$(INTEGRATION)/bin/python -m pip -q --disable-pip-version-check install --upgrade "pip>=25.1"
	$(INTEGRATION)/bin/python -m pip -q install -r requirements.lock
	$(INTEGRATION)/bin/python -m pip -q install --force-reinstall --no-deps $(VENV)/dist/*.whl
	@$(INTEGRATION)/bin/python -m pip -q install --group integration && touch $@ \
	  || echo "MLflow, DVC or the S3 server cannot be installed here: their tests are skipped" >&2

$(CLIENTS)/.ready: pyproject.toml
	test -x $(CLIENTS)/bin/python || $(PYTHON) -m venv $(CLIENTS)
	@$(CLIENTS)/bin/python -m pip -q --disable-pip-version-check install --upgrade "pip>=25.1" \
	  && $(CLIENTS)/bin/python -m pip -q install --group clients && touch $@ \
	  || echo "The clients of KServe and Triton cannot be installed here: their tests are skipped" >&2
