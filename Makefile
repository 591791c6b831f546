# Needs python3 (3.11 or newer) and make; everything else is set up on first use.
PYTHON ?= python3
VENV := .venv/bin
UV_COMPILE := $(VENV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header pyproject.toml

# Compiled modules are kept even where the machine says otherwise: the tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
DECIDING := src/provender/core/policy.py,src/provender/core/audit.py,src/provender/catalog/access.py
SIZED = $(shell grep -rl --include="test_*.py" tests.stress tests) tests/contract tests/feast_plugin/test_killed_delta.py tests/online/test_embedded.py
DECIDED := $(patsubst %,tests/core/test_%.py,audit trail policy verdicts filters effects effects_of_rules) $(patsubst %,tests/catalog/test_%.py,access audit grants naming testimony told)
.PHONY: help setup demo test stress mutants branches check bench up down lock clean

help:  ## what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

setup:  ## .venv with every dependency, and the demo's data (a no-op when nothing changed)
	@$(PYTHON) tools/setup.py

demo: setup  ## the whole story on real flights: publish, train, serve, find, ask
	$(VENV)/python -m demo

test: setup  ## all tests; installs the browser that some need, where it can
	@$(PYTHON) tools/chromium.py
	$(VENV)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
stress: setup  ## the tests that do something many times, at ten times their numbers
	STRESS=10 $(VENV)/python -m pytest $(SIZED)

mutants: setup  ## mutation tests of the policy: no survivor without a reason
	$(VENV)/python -m pip install --quiet --require-hashes --requirement requirements/mutants.lock
	$(VENV)/python tools/mutants.py
branches: setup  ## every branch of what decides and what is written down of it is taken by tests
	$(VENV)/python -m pip install --quiet --require-hashes --requirement requirements/mutants.lock
	$(VENV)/python -m coverage run --branch --data-file=.pytest_cache/branches --include=$(DECIDING) -m pytest -q -n 0 $(DECIDED)
	$(VENV)/python -m coverage report --data-file=.pytest_cache/branches --show-missing --fail-under=100

check: setup  ## format, lint, types, import contracts, dependencies, and whether every test can be collected
	$(VENV)/ruff format --check && $(VENV)/ruff check
	@mkdir -p .pytest_cache; $(VENV)/python -m pytest --collect-only -qq -n 0 >.pytest_cache/collected 2>&1 & collects=$$!; $(VENV)/mypy; typed=$$?; \
		wait $$collects || { tail -n 40 .pytest_cache/collected; exit 1; }; exit $$typed
	$(VENV)/lint-imports && $(VENV)/deptry src
bench: setup  ## the benchmarks, or one: make bench NAME=…
	$(VENV)/python -m benchmarks $(if $(NAME),run $(NAME),list)

up: setup  ## the web page and the online server, until make down
	$(VENV)/provender up
down: setup  ## stop what make up started
	$(VENV)/provender down

lock: setup  ## requirements/*.lock from pyproject.toml; versions move only where they must
	$(VENV)/python -m pip install --quiet "uv>=0.9"
	$(UV_COMPILE) --all-extras --group dev --group bench --output-file requirements/dev.lock
	$(UV_COMPILE) --all-extras --constraint requirements/dev.lock --output-file requirements/runtime.lock
	$(UV_COMPILE:pyproject.toml=) --group mutants --constraint requirements/dev.lock --output-file requirements/mutants.lock
	$(UV_COMPILE:pyproject.toml=) --group build --constraint requirements/dev.lock --output-file requirements/build.lock

clean:  ## what can be made again: caches, .venv and the downloaded data; not .provender
	rm -rf .venv .data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find src tests demo benchmarks feature_repo tools -name __pycache__ -prune -exec rm -rf {} +
