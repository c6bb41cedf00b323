# Everything runs in .venv, made on first use. VENV=/other/place and PYTHON=python3.12 override.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The product alone, as fits and scans of this machine need it (the extra `fit`).
PRODUCT := $(VENV)/.product
# And what the demo looks into: two public face generators, photographs.
DEMO := $(VENV)/.demo
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# pip compiles on one core, and packages' own tests too.
INSTALL := $(PIP) install --no-compile
COMPILE = $(BIN)/python -m compileall -q -j 0 -x '/tests?/' $$($(BIN)/python -c \
	"import sysconfig; print(sysconfig.get_path('purelib'))") > /dev/null || true

# Waiting threads sleep instead of spinning, so that tests with several processes share the cores.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: demo test test-fast coverage lint types format docs lock sbom clean

demo: $(DEMO)  ## the main job, from nothing, on embedded defaults
	$(BIN)/flipadops demo $(ARGS)

test: $(STAMP)  ## lint, types and every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: $(STAMP)  ## tests of less than half a second
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --fast

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

$(STAMP): pyproject.toml constraints-cpu.txt requirements-cpu.lock requirements-foreign.lock \
		requirements-demo.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --no-deps -c constraints-cpu.txt torch
	$(INSTALL) --no-deps --require-hashes -r requirements-cpu.lock
	# Generators of others, for tests and benchmarks; their own dependencies are not needed.
	$(INSTALL) --no-deps --require-hashes -r requirements-foreign.lock
	$(INSTALL) --no-deps --require-hashes -r requirements-demo.lock
	$(INSTALL) --no-deps --no-build-isolation -e .
	$(COMPILE)
	touch $(PRODUCT) $(DEMO) $(STAMP)

$(PRODUCT): pyproject.toml constraints-cpu.txt requirements-product.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --no-deps -c constraints-cpu.txt torch
	$(INSTALL) --no-deps --require-hashes -r requirements-product.lock
	$(INSTALL) --no-deps --no-build-isolation -e .
	$(COMPILE)
	touch $(PRODUCT)

# Apart from the product: nothing of it needs these, and they need little of what they ask for.
$(DEMO): $(PRODUCT) requirements-demo.lock
	$(INSTALL) --no-deps --require-hashes -r requirements-demo.lock
	touch $(DEMO)

lock: $(STAMP)  ## the lock files again, after a change of pyproject.toml or constraints-cpu.txt
	$(BIN)/uv pip compile --quiet --extra test --extra dev -c constraints-cpu.txt \
		pyproject.toml -o requirements-cpu.lock
	# hatchling, editables: what the editable install is built with.
	printf 'hatchling\neditables\n' | $(BIN)/uv pip compile --quiet --extra fit -c requirements-cpu.lock \
		-c constraints-cpu.txt \
		pyproject.toml - -o requirements-product.lock
	echo 'pythae==0.1.2' | $(BIN)/uv pip compile --quiet --no-deps - -o requirements-foreign.lock
	printf 'gan_face_generate==1.1.1\ngenerateme==0.1.2\nscikit-image==0.26.0\n' | \
		$(BIN)/uv pip compile --quiet --no-deps - -o requirements-demo.lock

sbom: $(STAMP)  ## sbom.cdx.json: what an installation is made of (CycloneDX)
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file sbom.cdx.json $(BIN)/python

clean:
	rm -rf site sbom.cdx.json flipadops-demo mlruns mlartifacts mlflow.db .pytest_cache .mypy_cache .ruff_cache
