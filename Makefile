# Everything a visitor, a maintainer or a machine does here. Needs Python 3.11 or newer, make and git; nothing else.
#
#   make demo     a hub and four stations on this machine, playing an exercise; stays up for a visitor (Ctrl-C ends it)
#   make test     all checks, then all tests; what could not run here is named in pytest's summary
#   make check    the checks only: style, types, layers
#   make bench    how fast the slow parts are; BENCH_ARGS="--json FILE --plot FILE" keeps the figures

# The newest suitable interpreter, unless PYTHON names one.
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$each" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$each" && break; \
	done)
BIN := .venv/bin
READY := .venv/.ready

# Tests start some hundred processes of the project's own: each would compile it all again.
unexport PYTHONDONTWRITEBYTECODE

# Tests wait more than they work: two workers a core (tests/conftest.py), a file at a time. `make test PYTEST_ARGS="-n0 FILE"`
# or "-p no:xdist FILE" runs without; PYTEST_XDIST_AUTO_NUM_WORKERS in the environment names another number.
SIDE_BY_SIDE = $(if $(findstring no:xdist,$(PYTEST_ARGS)),,-n auto --dist loadfile --no-loadscope-reorder)

.PHONY: demo test check bench clean
.DEFAULT_GOAL := help

.PHONY: help
help:
	@sed -n 's/^#   //p' Makefile

# Built anew when the pinned requirements or the project's own metadata change.
$(READY): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (on Debian: apt-get install python3 python3-venv)." >&2; exit 1; }
	@test -x $(BIN)/python && $(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { rm -rf .venv && $(PYTHON) -m venv .venv; }
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)
	@$(BIN)/hotline demo

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The last line of `make test` is pytest's summary; the lines before it (-ra) name what was skipped, and why.
test: check
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(PYTEST_ARGS)

bench: $(READY)
	@for each in mls ladder trail; do echo "== $$each"; $(BIN)/python -m benchmarks.$$each || exit 1; done
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build demo-data
