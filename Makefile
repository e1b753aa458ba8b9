# make demo           run the whole system on this machine; Ctrl-C stops it, its data stay
# make demo AUTO=1    play the demo, verify what happened, stop
# make test           run all tests on servers of their own, and list the ten slowest
# make benchmark      measure speed on this machine against its aims, in under four minutes
# make mutants        change the rules that let something run, and list changes that no test notices
# make check          check style, types, import contracts, locks, migrations, deployment checks
# make messages       write locale/: the catalog of the pages' texts, for translators
# make manifest       write hitlportal/sql/manifest.json, after a change of the database
# make wheel          build dist/hitlportal-VERSION-py3-none-any.whl, for `pip install`
# make verifier       build dist/audit-verify.pyz: verifies a log with Python's standard library
# make lock           renew requirements.txt (production), -EXTRA.txt (a target's library), -dev and -mutation.txt
# make clean          remove everything that these commands made
#
# All but verifier and clean build .venv as needed. PYTHON=python3.12 chooses another Python (3.11 or newer).

PYTHON ?= python3
# For a machine with two cores: one more, since tests wait for browsers, timeouts and processes. Slow
# tests are next to each other, so idle workers take over tests of the others (worksteal).
WORKERS ?= 3
SLOWEST := --durations=10
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := hitlportal remediation audit tests
# The database tests run a second time on the machine's oldest PostgreSQL (14 or newer).
MACHINE_POSTGRES ?= $(firstword $(foreach major,14 15 16 17 18 19,$(if $(wildcard /usr/lib/postgresql/$(major)/bin/postgres),$(major))))
# These depend on the server: schema, grants, guards, locks, races, crashing processes, and the flows
# that use every trigger. Flows about proofs, keys and files do not.
DATABASE_TESTS := tests/database tests/hitlportal/test_deploy_checks.py \
	$(addprefix tests/audit/,sequencer/test_turns.py test_sequencer.py test_sequencer_processes.py \
	test_tamper.py test_export.py test_hostile_entries.py) \
	$(addprefix tests/flows/test_,approve_and_execute.py life.py crashes.py halt.py \
	halt_meets_trouble.py halt_processes.py halt_forged.py reversal.py breaks_gate.py \
	gate_refusals.py dissent.py failures.py waiting.py)

.PHONY: demo test test-embedded test-machine benchmark mutants check messages manifest wheel verifier lock clean
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

# Not in CI. RULES=remediation.domain.ruling.* runs the changes of one module; a second call goes on.
RULES ?=
MUTATION := .venv-mutation

mutants: $(MUTATION)/.installed
	$(MUTATION)/bin/mutmut run --max-children 1 $(RULES)
	$(MUTATION)/bin/mutmut results | sed '/: not checked$$/d'

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
	rm -rf build *.egg-info  # files left by an older tree would get into the wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

verifier:
	@$(PYTHON) -m audit.verifier dist/audit-verify.pyz
	@echo "dist/audit-verify.pyz"

FROM_LOCK := install --disable-pip-version-check --no-deps --no-compile --require-hashes -r
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --custom-compile-command "make lock"

# One lock for each extra that production may need; a worker's host installs those of its targets.
EXTRAS := ansible aws entra github kubernetes ldap oauth okta openbao rabbitmq ssh webhook

lock: $(STAMP)
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) $(addprefix --extra ,$(EXTRAS)) --extra demo --extra test -c requirements.txt pyproject.toml -o requirements-dev.txt
	$(foreach extra,$(EXTRAS),$(COMPILE) --extra $(extra) -c requirements-dev.txt pyproject.toml -o requirements-$(extra).txt &&) true
	$(COMPILE) --extra test --extra mutation -c requirements-dev.txt pyproject.toml -o requirements-mutation.txt

# Rebuilt when the lock changes; an interrupted installation leaves no stamp. The lock names all, so
# nothing is resolved. uv, itself from the lock, takes a sixth of pip's time; where it cannot reach
# what only pip's own configuration names (a mirror), pip installs.
$(STAMP): requirements-dev.txt
	@echo "== building $(VENV) (once; from the locked, hashed requirements)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' $< > $(VENV)/uv.txt
	$(BIN)/python -m pip $(FROM_LOCK) $(VENV)/uv.txt
	$(BIN)/uv pip install --quiet --no-config --python $(BIN)/python --no-deps --require-hashes -r $< \
		|| $(BIN)/python -m pip $(FROM_LOCK) $<
	@touch $@

# With the tests' packages, and with the tool, which nothing else needs.
$(MUTATION)/.installed: requirements-mutation.txt
	$(PYTHON) -m venv $(MUTATION)
	$(MUTATION)/bin/python -m pip install --disable-pip-version-check --require-hashes -r requirements-mutation.txt
	@touch $@

clean:
	rm -rf $(VENV) $(MUTATION) mutants dist build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis staticfiles
