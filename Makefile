# `make run` and `make test` are all it takes on a machine with git, make and Python 3.11 or newer.
# What they set up lies in .venv/ and .run/; `make clean` removes both.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
PORT ?= 8080
T ?= tests

.PHONY: help run test check lint types bench micro soak hostile fuzz clean
.DEFAULT_GOAL := help

help:
	@echo "make run     three uWSGI nodes and lbproxy in front of them, until Ctrl-C (PORT=8080)"
	@echo "make test    the tests (T=tests/wire for a part of them)"
	@echo "make check   ruff, mypy, the tests"
	@echo "make bench   beside nginx, HAProxy and Python proxies in 5 minutes (ARGS=--all: in 30; ARGS='--case http')"
	@echo "make micro   what the pure functions of a request cost"
	@echo "make soak    a mixed load while nodes die and lbproxy is reloaded: none may fail (ARGS='--minutes 10')"
	@echo "make hostile attackers and broken servers beside good requests (ARGS='--minutes 30', ARGS=--deadlines)"
	@echo "make fuzz    hostile octets for codecs and configurations, 60 s for each (SECONDS=600 for all; ARGS='host url')"
	@echo "make clean   remove what was set up here"

run: $(STAMP)
	@$(BIN)/python conf/demo/run.py --port $(PORT)

test: $(STAMP)
	@$(BIN)/python -m pytest -q $(T)

check: lint types test

lint: $(STAMP)
	@$(BIN)/ruff check

types: $(STAMP)
	@$(BIN)/mypy

bench: $(STAMP) $(VENV)/benching
	@$(BIN)/python -m benchmarks.macro $(ARGS)

micro: $(STAMP)
	@$(BIN)/python -m benchmarks.micro

soak: $(STAMP)
	@$(BIN)/python -m benchmarks.soak $(ARGS)

hostile: $(STAMP)
	@$(BIN)/python -m benchmarks.hostile $(ARGS)

fuzz: $(STAMP) $(VENV)/fuzzing
	@$(BIN)/python -m tests.fuzz $(if $(SECONDS),--total $(SECONDS)) $(ARGS)

docs: $(STAMP)
	@$(BIN)/python -m lbproxy.tools.directives > docs/directives.md

clean:
	rm -rf $(VENV) .run .fuzz dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A python3.x on PATH may be a shim that only prints an error, or lack venv (Debian splits it off): each is tried out.
$(STAMP): pyproject.toml
	@for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	    if $$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        found=$$python; break; \
	    fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "lbproxy needs Python 3.11 or newer with its venv module, and found none on PATH." >&2; \
	    echo "On Debian or Ubuntu: apt-get install python3 python3-venv" >&2; \
	    exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$($$found --version); the next time takes a second."; \
	[ -x $(BIN)/python ] && $(BIN)/python -c '' 2>/dev/null || $$found -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --prefer-binary --editable '.[test,demo]'
	@touch $@

# Python proxies to compare with; without them it is the same but for their rows.
$(VENV)/benching: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --prefer-binary --editable '.[bench]' \
	    && touch $@ || echo "The Python proxies could not be installed."

# Apart from the others, for atheris has wheels for few platforms.
$(VENV)/fuzzing: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary atheris --editable '.[fuzz]'
	@touch $@
