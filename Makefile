# Gatewright: `make help` lists the targets.

PYTHON ?= python3
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BIN := .venv/bin
DEPENDENCIES := .venv/.dependencies
INSTALLED := .venv/.installed
SOURCES := pyproject.toml CMakeLists.txt $(wildcard cpp/*)
TOOLS := clang graphviz berkeley-abc g++-aarch64-linux-gnu qemu-user gcc-arm-none-eabi qemu-system-arm
PROCESSES ?= $(shell n=$$(nproc 2>/dev/null || echo 1); echo $$((n < 4 ? n : 4)))
APT := $(shell command -v apt-get)
ROOT := $(shell [ "$$(id -u)" = 0 ] && echo yes)

ifneq ($(wildcard ../shared/data),)
export GATEWRIGHT_DATA ?= $(abspath ../shared/data)
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install demo test lint format docs bench tools lock clean

help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  \1\t\2/p' Makefile | expand -t 12

install: $(INSTALLED) ## make .venv with everything, the native core included

demo: $(INSTALLED) ## learn Life, prove it, compile it, run it: runs/life
	$(BIN)/gatewright life --out runs/life

test: lint ## lint, then every test, in PROCESSES at a time
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile

lint: $(INSTALLED) ## ruff, basedpyright (strict) and clang-format, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/clang-format --dry-run -Werror cpp/* tests/cpp/*

format: $(INSTALLED) ## rewrite the sources in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i cpp/* tests/cpp/*

docs: $(INSTALLED) ## the guide, as HTML in build/docs; warnings are errors
	$(BIN)/sphinx-build -W --keep-going -n -q -b html docs build/docs
	@echo "the guide is build/docs/index.html"

bench: $(INSTALLED) ## run every benchmark, quickly, with results in runs/bench
	mkdir -p runs/bench
	for file in benchmarks/*.py; do \
	  name=$$(basename "$$file" .py); echo "== $$name"; \
	  $(BIN)/python "$$file" --quick --json "runs/bench/$$name.json"; \
	done

tools: ## install the programs that only some tests use (Debian, Ubuntu)
	@missing=(); for package in $(TOOLS); do \
	  dpkg-query -W -f='$${Status}' "$$package" 2>/dev/null | grep -q 'ok installed' \
	    || missing+=("$$package"); \
	done; \
	if [ $${#missing[@]} = 0 ]; then echo "make tools: $(TOOLS): all there"; exit 0; fi; \
	[ -n "$(APT)" ] || { echo "make tools: no apt-get; install these yourself: $${missing[*]}" >&2; exit 3; }; \
	sudo=$$([ -n "$(ROOT)" ] || echo sudo); \
	echo "make tools: $$sudo apt-get install --no-install-recommends $${missing[*]}"; \
	$$sudo apt-get update -q; \
	DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -qy --no-install-recommends "$${missing[@]}"

# Versions and hashes only: uv is asked for no addresses, and a check refuses any that slip through.
lock: ## make requirements.lock again, with the newest versions that fit
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/pip install -q uv
	.venv/lock/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --fork-strategy fewest --upgrade --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links -q -o requirements.lock
	! grep -n '://' requirements.lock

clean: ## remove what the other targets made, runs/ excepted
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis
	find src tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +

# A virtual environment needs ensurepip, the native core Python.h: Debian packs both apart. As root
# this installs them; otherwise it stops with the line to run, or goes on without the native core.
$(DEPENDENCIES): requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "make install: no $(PYTHON); say PYTHON=/path/to/python3.11" >&2; exit 3; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make install: $(PYTHON) is $$($(PYTHON) --version); 3.11 or newer is needed: PYTHON=/path/to/python3.11" >&2; exit 3; }
	@version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	apt_install() { \
	  [ -n "$(APT)" ] && [ -n "$(ROOT)" ] || return 1; \
	  echo "make install: apt-get install $$1"; apt-get update -q; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$$1"; \
	}; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || apt_install "python$$version-venv" || { \
	  echo "make install: $(PYTHON) cannot make a virtual environment." \
	    "Run: sudo apt-get install python$$version-venv python$$version-dev" >&2; exit 3; }; \
	[ -f "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] \
	  || apt_install "python$$version-dev" \
	  || echo "make install: no Python.h, so no native core (it is faster). To have it:" \
	    "sudo apt-get install python$$version-dev && make clean install" >&2
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --require-hashes -r requirements.lock
	@touch $@

$(INSTALLED): $(DEPENDENCIES) $(SOURCES)
	@mkdir -p build
	$(BIN)/python -m pip install -v --no-deps --no-build-isolation -e . > build/install.log 2>&1 \
	  || { cat build/install.log >&2; exit 1; }
	@grep -A1 'gatewright: .*;' build/install.log >&2 || true # why there is no native core
	@$(BIN)/python -c 'from gatewright import native; print("gatewright:", native.describe())'
	@touch $@
