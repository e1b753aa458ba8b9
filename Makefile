# make demo           the whole system on this machine; Ctrl-C ends it, a second start keeps its data
# make demo AUTO=1    the same, played through by itself, checked, ended
# make test           all tests, on servers of their own; says which ten were the slowest
# make benchmark      how fast it is here: ratios beside their aims, in under four minutes
# make check          style, types, import contracts, locks, migrations, deployment checks
# make messages       locale/: the catalog of everything that pages say, for translators
# make manifest       hitlportal/sql/manifest.json: what the database holds, after a change of it
# make wheel          dist/hitlportal-VERSION-py3-none-any.whl: what `pip install` takes
# make verifier       dist/audit-verify.pyz: checks a log with Python's standard library alone
# make lock           renew requirements.txt (production), -aws.txt (with AWS) and -dev.txt
# make clean          remove what these made
#
# All but verifier and clean build .venv as needed. PYTHON=python3.12 chooses another Python (3.11 or newer).

PYTHON ?= python3
# One more than the machine has cores: tests wait for browsers, timeouts and other processes. Slow
# ones stand together, so who has finished takes over what others still have (worksteal).
WORKERS ?= 3
SLOWEST := --durations=10
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := hitlportal remediation audit tests
# Besides the PostgreSQL of the wheel, the database tests run on the machine's oldest (14 or newer).
MACHINE_POSTGRES ?= $(firstword $(foreach major,14 15 16 17 18 19,$(if $(wildcard /usr/lib/postgresql/$(major)/bin/postgres),$(major))))
# On it runs what depends on the server: schema, grants, guards, locks, races, processes that crash,
# and the flows that walk every trigger. Flows about proofs, keys and files are the same on any.
DATABASE_TESTS := tests/database tests/hitlportal/test_deploy_checks.py \
	$(addprefix tests/audit/,sequencer/test_turns.py test_sequencer.py test_sequencer_processes.py \
	test_tamper.py test_export.py test_hostile_entries.py) \
	$(addprefix tests/flows/test_,approve_and_execute.py life.py crashes.py halt.py \
	halt_meets_trouble.py halt_processes.py halt_forged.py undo_success.py breaks_gate.py \
	gate_refusals.py dissent.py failures.py)

.PHONY: demo test test-embedded test-machine benchmark check messages manifest wheel verifier lock clean
.DELETE_ON_ERROR:

demo: $(STAMP)
	@$(BIN)/python manage.py demo $(if $(AUTO),--auto)

test: test-embedded test-machine

test-embedded: $(STAMP)
	@echo "== tests on the embedded PostgreSQL"
	HITL_TEST_POSTGRES=embedded $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(SLOWEST)

test-machine: test-embedded
ifneq ($(MACHINE_POSTGRES),)
	@echo "== database tests on the machine's PostgreSQL $(MACHINE_POSTGRES)"
	HITL_TEST_POSTGRES=$(MACHINE_POSTGRES) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(SLOWEST) $(DATABASE_TESTS)
else
	@echo "== SKIPPED: database tests on a second PostgreSQL: none in /usr/lib/postgresql"
	@test "$$CI" != true
endif

benchmark: $(STAMP)
	@$(BIN)/python -m tests.benchmarks

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m hitlportal.development.check_locks
	$(BIN)/python -m hitlportal.development.check_deploy

messages: $(STAMP)
	@$(BIN)/python -m hitlportal.development.messages

manifest: $(STAMP)
	$(BIN)/python -m hitlportal.development.manifest

wheel: $(STAMP)
	rm -rf build *.egg-info  # what an older tree left there would go into the wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

verifier:
	@$(PYTHON) -m audit.verifier dist/audit-verify.pyz
	@echo "dist/audit-verify.pyz"

COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --custom-compile-command "make lock"

lock: $(STAMP)
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) --extra aws --extra demo --extra test -c requirements.txt pyproject.toml -o requirements-dev.txt
	$(COMPILE) --extra aws -c requirements-dev.txt pyproject.toml -o requirements-aws.txt

# Made anew when the lock changes; half an installation leaves no stamp.
$(STAMP): requirements-dev.txt
	@echo "== building $(VENV) (once; from the locked, hashed requirements)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) dist build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis staticfiles
