.DEFAULT_GOAL := help
BIN := .venv/bin
SOURCES := serialfix tests benchmarks
# Two hundred VMs and two workers need the machine for themselves.
ALONE := tests/e2e/test_fleet_killed.py
# Some tests take as long as a hundred others: who has nothing left to do takes from the others.
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: help
help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.ready: pyproject.toml .ci/venv
	.ci/venv

.PHONY: venv
venv: .venv/.ready ## Make the virtual environment (every target does when it is needed)

.PHONY: demo
demo: .venv/.ready ## Repair a simulated VM, as a user would
	@PATH="$(CURDIR)/$(BIN):$$PATH" docs/demo.sh

.PHONY: test
test: .venv/.ready ## Run all tests, with the system packages that they look for
	.ci/packages
	first=0; .ci/test-python || first=$$?; \
	$(BIN)/python -m pytest -q $(ALONE) || first=$$?; \
	$(PYTEST) --ignore=$(ALONE) && exit $$first

.PHONY: test-python
test-python: ## Run the fleet's tests with a second Python (PYTHON=python3.13); make test does, too
	.ci/test-python $(PYTHON)

SEEDS ?= 10000
.PHONY: soak
soak: .venv/.ready ## Play the fault matrix on all cores (SEEDS=10000) from where it last ended, then all of test_mixed, then fleets that are killed
	$(BIN)/python -m tests.support.soak --seeds $(SEEDS)
	MIXED_EVERY=1 $(PYTEST) -q tests/remediation/test_mixed.py
	FLEET_SEEDS=10 $(BIN)/python -m pytest -q $(ALONE)

.PHONY: check
check: .venv/.ready ## Lint, format, types, tests; what a change must pass
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/python -m pytest -q $(ALONE)
	$(PYTEST) --ignore=$(ALONE)

.PHONY: format
format: .venv/.ready ## Format the code and repair what ruff can
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

.PHONY: schema
schema: .venv/.ready ## Write playbooks/schema from the models
	$(BIN)/serialfix playbook schema > playbooks/schema/playbook-v1.json

.PHONY: pages
pages: .venv/.ready ## Write docs/playbooks from the playbooks
	SERIALFIX_PLAYBOOK_PATH= $(BIN)/serialfix playbook docs docs/playbooks

.PHONY: recordings
recordings: .venv/.ready ## Make recordings/ anew in the lab, after a change of what is typed
	$(BIN)/python -m tests.support.make_recordings recordings

.PHONY: bench
bench: .venv/.ready ## Measure; one JSON line per figure
	@for each in benchmarks/[a-z]*.py; do \
		$(BIN)/python -m "benchmarks.$$(basename "$$each" .py)" || exit 1; done
