# Two commands do all the set-up: make report, make test.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do command -v $$p && break; done)
BIN := .venv/bin
SHIPPED := transition_aid prison_work_program per_se_laws drug_court joint_task_force naloxone_access
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCKS := run test dev bench spark

.PHONY: report test lint bench calibrate endure lock clean

report: .venv/installed-run ## run every shipped study and render every report
	$(BIN)/evaluation examples
	$(BIN)/evaluation run $(SHIPPED)

test: .venv/installed-test ## the whole test suite
	$(BIN)/python -m pytest -n 2

lint: .venv/installed-dev ## style, types, import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv-bench/installed ## speed and memory beside other programs; writes docs/benchmarks.md
	.venv-bench/bin/python benchmarks/speed.py
	.venv-bench/bin/python benchmarks/speed_cohorts.py
	.venv-bench/bin/python benchmarks/validation.py

calibrate: .venv/installed-test ## bias and coverage by simulation; writes docs/calibration*.md
	$(BIN)/python benchmarks/calibrate.py
	$(BIN)/python benchmarks/calibrate_panels.py
	$(BIN)/python benchmarks/calibrate_cohorts.py

endure: .venv/installed-test ## submissions killed at random moments, and files fuzzed, for longer than the tests do
	$(BIN)/python -m tests.stopped moments .endure/moments 500
	$(BIN)/python -m tests.stopped writers .endure/writers 500
	FUZZ=20000 $(BIN)/python -m pytest tests/intake/test_fuzz.py
	rm -rf .endure

lock: .venv/installed-dev ## renew requirements/*.txt from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	for name in $(LOCKS); do requirements/lock $$name; done

clean: ## remove everything made, the virtual environment included
	rm -rf .venv .venv-bench .endure build dist outputs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.venv-bench/installed: requirements/bench.txt pyproject.toml # apart: some of the programs compared are GPL
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/bench.txt
	.venv-bench/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: set PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; found $$($(PYTHON) --version). Set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv .venv

# Every set holds the one before it, so that a narrower target never takes packages away.
.venv/installed-%: requirements/%.txt pyproject.toml | .venv/bin/python
	@echo "Installing the locked packages of requirements/$*.txt (the first time takes a few minutes) ..."
	$(PIP) install --require-hashes -r requirements/$*.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
