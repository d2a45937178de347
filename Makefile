# `make demo` and `make test` work on a bare machine: Python 3.11+, make and a C compiler.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What running needs, and what testing and comparing need besides: the program does not wait for it.
RUN := $(VENV)/.stamp-run
ALL := $(VENV)/.stamp-requirements

# The byte code of the libraries is compiled when it is first imported and read by every process
# after: without it each start of Python takes four seconds of a core, and tests start dozens.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-slow check bench lock wheel clean

demo: $(RUN)
	$(BIN)/jinghu demo

test: $(ALL)
	$(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile \
		--no-loadscope-reorder

test-slow: $(ALL)
	$(BIN)/python -m pytest -m slow

check: $(ALL)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py tests/test_layout.py

bench: $(ALL)
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

# Debian keeps pip out of a bare python3: the script says how it got one, or what to install.
$(RUN): requirements-run.lock pyproject.toml scripts/make-venv
	PYTHON=$(PYTHON) sh scripts/make-venv $(VENV) requirements-run.lock
	touch $@

$(ALL): requirements.lock $(RUN)
	PYTHON=$(PYTHON) sh scripts/make-venv $(VENV) requirements.lock
	touch $@

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header

lock:
	$(BIN)/python -m pip install -q uv
	$(LOCK) --extra interop --extra dev pyproject.toml -o requirements.lock
	echo 'setuptools>=80' | $(LOCK) -c requirements.lock pyproject.toml - -o requirements-run.lock

wheel: $(ALL)
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build dist *.egg-info src/*.egg-info
