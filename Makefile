# Everything runs in .venv, made on first use. VENV=/other/place and PYTHON=python3.12 override.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# Waiting threads sleep instead of spinning, so that tests with several processes share the cores.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: demo test coverage lint types format docs lock sbom clean

demo: $(STAMP)  ## the main job, from nothing, on embedded defaults
	$(BIN)/flipadops demo $(ARGS)

test: $(STAMP)  ## lint, types and every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

coverage: $(STAMP)  ## every test, and the lines they run, in child processes too
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term \
		--cov-fail-under=90

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

docs: $(STAMP)  ## the docs site, into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(STAMP): pyproject.toml constraints-cpu.txt requirements-cpu.lock requirements-foreign.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --no-deps -c constraints-cpu.txt torch
	$(PIP) install --no-deps --require-hashes -r requirements-cpu.lock
	# Generators of others, for tests and benchmarks; their own dependencies are not needed.
	$(PIP) install --no-deps --require-hashes -r requirements-foreign.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $(STAMP)

lock: $(STAMP)  ## both lock files again, after a change of pyproject.toml or constraints-cpu.txt
	$(BIN)/uv pip compile --quiet --extra test --extra dev -c constraints-cpu.txt \
		pyproject.toml -o requirements-cpu.lock
	printf 'gan_face_generate==1.1.1\npythae==0.1.2\n' | $(BIN)/uv pip compile --quiet --no-deps \
		- -o requirements-foreign.lock

sbom: $(STAMP)  ## sbom.cdx.json: what an installation is made of (CycloneDX)
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file sbom.cdx.json $(BIN)/python

clean:
	rm -rf site sbom.cdx.json flipadops-demo mlruns mlartifacts mlflow.db .pytest_cache .mypy_cache .ruff_cache
