# Two commands matter: `make demo` and `make test`. Both set up `.venv` first, once per change of the pins.

PYTHON ?= python3
BIN := .venv/bin
DEMO := build/demo

.PHONY: demo test screenshot check bench clean

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"earwitness needs Python 3.11 to 3.13, and {sys.executable} is {v[0]}.{v[1]}: run make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bundled,sounds,dev]'
	@touch $@

demo: .venv/.installed
	@rm -rf $(DEMO)
	@BIN=$(BIN) DATA=$(DEMO) sh tests/footage/demo.sh

test: .venv/.installed
	@sh tests/install-chromium.sh
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

screenshot: .venv/.installed
	@sh tests/install-chromium.sh
	EARWITNESS_SCREENSHOT=docs/page.png $(BIN)/python -m pytest tests/test_page.py

check: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# make bench CORPUS=DIR [REPORT=FILE.json] [BENCH="--limit 1 --stress-minutes 1"]
CORPUS ?= $(EARWITNESS_CORPUS)
REPORT ?= benchmarks/results/system.json
bench: .venv/.installed
	$(BIN)/python -m benchmarks.system --corpus "$(CORPUS)" --report "$(REPORT)" $(BENCH)

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
