# Two commands: `make demo` trains, judges and exports a model; `make test` passes the tests.
# `make docs` builds the pages of docs/ into build/site. `make soak` kills runs of every method a
# hundred times, `make fuzz` tries thousands of damaged files and settings.
PYTHON ?= python3
BIN := .venv/bin
BUILDIFIER := npx --yes @bazel/buildifier@8.2.1

.PHONY: demo test soak fuzz lint docs clean

demo: .venv/ready
	$(BIN)/python -m tf_shortrun.main --gin_file=reproduce/demo.gin

# In three parts: workers keep what they compiled, and would grow to six GiB each.
FIRST := tests/conformance tests/end_to_end
SECOND := tests/export tests/reporting tests/tools
PYTEST := $(BIN)/python -m pytest -n auto --dist loadgroup --durations=20
test: .venv/ready-dev
	$(PYTEST) $(FIRST)
	$(PYTEST) $(SECOND)
	$(PYTEST) tests $(FIRST:%=--ignore=%) $(SECOND:%=--ignore=%)

soak: .venv/ready
	$(BIN)/python -m tools.soak

fuzz: .venv/ready-dev
	$(BIN)/python -m pytest -n auto --hypothesis-profile=many $(wildcard tests/*/test_fuzzed_*.py)

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if $(BUILDIFIER) --version >/dev/null 2>&1; then $(BUILDIFIER) --mode=check --lint=warn BUILD MODULE.bazel; \
	else echo "BUILD not linted: npx cannot get buildifier"; fi

docs: .venv/ready-docs
	$(BIN)/python -m tools.gallery
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "the pages are in build/site"

.venv/ready: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/ready-dev: .venv/ready requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

.venv/ready-docs: .venv/ready requirements-docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	touch $@

clean:
	rm -rf .venv runs build *.egg-info
