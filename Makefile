# make serve — set everything up and serve on 127.0.0.1:8000     make demo — the same with a demo office
# make test  — the tests
# make check — format, lint, types, arrows                       make bench — the measurements
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
LOCKS  := requirements/runtime.txt requirements/dev.txt

.PHONY: serve demo test coverage check format model bench lock clean
.DELETE_ON_ERROR:

serve: $(VENV)/.runtime models/ACTIVE
	$(BIN)/fenban serve

demo: $(VENV)/.runtime models/ACTIVE
	$(BIN)/fenban serve --demo

# There is a worker for each core: threads of BLAS besides would only wait for one another, and twice as long.
test: $(VENV)/.dev models/ACTIVE
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

# The same with the lines that no test reaches: a quarter slower.
coverage: ARGS += --cov --cov-report=term:skip-covered
coverage: test

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

model: models/ACTIVE

bench: $(VENV)/.dev models/ACTIVE
	$(BIN)/python -m bench.throughput
	$(BIN)/python -m bench.category
	$(BIN)/python -m bench.latency

# The day-one model is built from corpora/ when there is none; `fenban train` makes later ones.
models/ACTIVE: | $(VENV)/.runtime
	$(BIN)/fenban train --promote

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# New versions of everything, with hashes and without index lines.
lock: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --allow-unsafe --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --no-annotate --extra postgres --output-file requirements/runtime.txt pyproject.toml requirements/build.in
	$(BIN)/pip-compile --quiet --upgrade --no-strip-extras --allow-unsafe --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --no-annotate --constraint requirements/runtime.txt --output-file requirements/dev.txt requirements/dev.in

clean:
	rm -rf $(VENV) models data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
