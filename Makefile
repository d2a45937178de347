# `make demo` and `make test` work on a bare machine: Python 3.11+, make and a C compiler.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp-requirements

.PHONY: demo test test-slow check bench lock wheel clean

demo: $(STAMP)
	$(BIN)/jinghu demo

test: $(STAMP)
	$(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py tests/test_layout.py

bench: $(STAMP)
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

# Debian keeps pip out of a bare python3: the script says how it got one, or what to install.
$(STAMP): requirements.lock pyproject.toml scripts/make-venv
	PYTHON=$(PYTHON) sh scripts/make-venv $(VENV)
	touch $@

lock:
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra interop --extra dev \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		pyproject.toml -o requirements.lock

wheel: $(STAMP)
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build dist *.egg-info src/*.egg-info
