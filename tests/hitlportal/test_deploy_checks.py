"""`check --deploy` finds every change of a guard, and the manifest is up to date."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from django.core.checks import CheckMessage
from django.db import connection, connections, transaction
from django.db.backends.postgresql.base import DatabaseWrapper
from pytest_django import Settings

from audit import schema as audit_schema
from audit import sqlfile
from hitlportal import database_manifest, deploy_checks, env
from remediation import schema
from tests import servers
from tests.database.attack import sql
from tests.database.logins import database
from tests.settings import login_url

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]


def found() -> list[CheckMessage]:
    """Return the check's messages about this transaction's database."""
    return list(
        deploy_checks.compare(
            database_manifest.manifest(), database_manifest.read(connections["default"])
        )
    )


def test_the_manifest_is_what_migrations_and_grants_make() -> None:
    """If this fails: `python -m hitlportal.development.manifest`, and read the diff."""
    read = database_manifest.read(connections["default"])
    assert list(deploy_checks.compare(database_manifest.manifest(), read)) == []
    assert database_manifest.MANIFEST.read_text(encoding="utf-8") == database_manifest.dump(read)


def test_every_function_of_the_manifest_stands_in_a_file() -> None:
    """The hashes belong to the reviewed texts."""
    texts = re.compile(
        r"^CREATE FUNCTION (\w+\.\w+)\(.*?AS \$\$(.*?)\$\$", re.DOTALL | re.MULTILINE
    )
    written = {
        (name, sha256(text.encode()).hexdigest())
        for part in (audit_schema, schema)
        for name, text in texts.findall(sqlfile.read(part.SQL, part.FILES))
    }
    held = {
        (name.partition("(")[0], said["sha256"])
        for name, said in database_manifest.manifest()["functions"].items()
    }
    assert held == written


def test_every_guard_of_the_manifest_is_safe_by_the_rules() -> None:
    """Checks the manifest by the design rules for functions and triggers."""
    manifest = database_manifest.manifest()
    for name, said in manifest["functions"].items():
        assert "search_path=pg_catalog, pg_temp" in said["config"], name
        assert said["owner"] == "hitl_owner", name
        assert not any(grant.startswith("PUBLIC") for grant in said["grants"]), name
    for name, said in manifest["triggers"].items():
        assert said["enabled"] == "A", name
    for kind in ("relations", "columns", "schemas", "database"):
        for name, said in manifest[kind].items():
            assert not any(grant.startswith("PUBLIC") for grant in said["grants"]), name
    assert manifest["rules"] == {}


# ---- tampering ----------------------------------------------------------------------------------

FROZEN = "remediation.frozen_v1()"
NEVER_FROZEN = (
    "CREATE OR REPLACE FUNCTION remediation.frozen_v1() RETURNS boolean LANGUAGE sql STABLE"
    " SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT false $$"
)
REVIEW = "public.remediation_review"
TAMPERING = {
    "a guard's text": (NEVER_FROZEN, "E004", FROZEN),
    "a guard's search_path": (f"ALTER FUNCTION {FROZEN} RESET ALL", "E004", FROZEN),
    "a guard's rights": (f"ALTER FUNCTION {FROZEN} SECURITY INVOKER", "E004", FROZEN),
    "a guard's volatility": (f"ALTER FUNCTION {FROZEN} IMMUTABLE", "E004", FROZEN),
    "who may call a guard": (f"GRANT EXECUTE ON FUNCTION {FROZEN} TO PUBLIC", "E004", FROZEN),
    "a function besides": (
        "CREATE FUNCTION public.digest_v1() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "E004",
        "digest_v1",
    ),
    "a guard disabled": (f"ALTER TABLE {REVIEW} DISABLE TRIGGER guard", "E005", "guard on"),
    "a guard asleep in a replica": (
        f"ALTER TABLE {REVIEW} ENABLE TRIGGER guard",
        "E005",
        "guard on",
    ),
    "a guard dropped": (f"DROP TRIGGER append_only ON {REVIEW}", "E005", "append_only on"),
    "a guard exchanged": (
        f"DROP TRIGGER guard ON {REVIEW}; CREATE TRIGGER guard BEFORE INSERT ON {REVIEW}"
        " FOR EACH ROW EXECUTE FUNCTION remediation.clock_v1();"
        f" ALTER TABLE {REVIEW} ENABLE ALWAYS TRIGGER guard",
        "E005",
        "guard on",
    ),
    "a trigger besides": (
        f"CREATE TRIGGER z AFTER INSERT ON {REVIEW} EXECUTE FUNCTION remediation.clock_v1()",
        "E005",
        "z on",
    ),
    "a view": (
        "CREATE OR REPLACE VIEW remediation.agent_now AS SELECT DISTINCT ON (v.agent_id)"
        " v.agent_id, v.owner, true AS enabled FROM public.remediation_agentversion v",
        "E006",
        "agent_now",
    ),
    "a constraint dropped": (
        f"ALTER TABLE {REVIEW} DROP CONSTRAINT review_one_for_each_person",
        "E007",
        "review_one_for_each_person",
    ),
    "a constraint that says less": (
        "ALTER TABLE public.remediation_proposal DROP CONSTRAINT proposal_plan_size,"
        " ADD CONSTRAINT proposal_plan_size CHECK (octet_length(plan) <= 999999)",
        "E007",
        "proposal_plan_size",
    ),
    "a grant": (f"GRANT UPDATE ON {REVIEW} TO hitl_web", "E008", "remediation_review"),
    "a grant to everybody": (f"GRANT SELECT ON {REVIEW} TO PUBLIC", "E008", "remediation_review"),
    "a grant on a column": (
        "GRANT UPDATE (state) ON public.remediation_proposal TO hitl_web",
        "E008",
        "remediation_proposal.state",
    ),
    "a grant of grants": (
        "GRANT INSERT ON public.remediation_lease TO hitl_worker WITH GRANT OPTION",
        "E008",
        "remediation_lease",
    ),
    "a grant on a sequence": (
        "GRANT UPDATE ON SEQUENCE public.remediation_freeze_id_seq TO hitl_web",
        "E008",
        "remediation_freeze_id_seq",
    ),
    "a grant missing": (f"REVOKE SELECT ON {REVIEW} FROM hitl_auditor", "E008", "review"),
    "a table besides": ("CREATE TABLE remediation.x ()", "E008", "remediation.x"),
    "an owner": (
        "GRANT CREATE ON SCHEMA public TO hitl_web;"
        " ALTER TABLE public.remediation_lease OWNER TO hitl_web",
        "E008",
        "remediation_lease",
    ),
    "a schema's grants": ("GRANT CREATE ON SCHEMA public TO PUBLIC", "E009", "public"),
    "a schema besides": ("CREATE SCHEMA shadow", "E009", "shadow"),
    "temporary tables": ('GRANT TEMPORARY ON DATABASE "{database}" TO PUBLIC', "E010", "database"),
    "a rule": (
        f"CREATE RULE nothing AS ON INSERT TO {REVIEW} DO INSTEAD NOTHING",
        "E011",
        "nothing on",
    ),
    "a policy": (f"CREATE POLICY hidden ON {REVIEW} USING (false)", "E011", "policy hidden"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_the_check_finds_the_change(what: str) -> None:
    statement, number, name = TAMPERING[what]
    sql(statement.format(database=database()))
    messages = found()
    assert f"hitlportal.{number}" in {message.id for message in messages}
    assert any(name in message.msg for message in messages if message.id == f"hitlportal.{number}")


# ---- logins -------------------------------------------------------------------------------------


@contextmanager
def opened(url: str) -> Iterator[DatabaseWrapper]:
    """Open a separate connection, as the check does."""
    made = DatabaseWrapper({**connections.settings["default"], **env.postgres(url)}, "default")
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("process", ["web", "worker", "sequencer"])
def test_every_process_finds_its_database_in_order(process: str, settings: Settings) -> None:
    settings.PROCESS = process
    with opened(login_url(f"hitl_{process}", database())) as it:
        assert list(deploy_checks.check_connection(it, "default")) == []


@pytest.mark.parametrize(("process", "login"), [("web", "hitl_worker"), ("worker", "hitl_owner")])
def test_a_process_with_another_login_is_reported(
    process: str, login: str, settings: Settings
) -> None:
    settings.PROCESS = process
    with opened(login_url(login, database())) as it:
        messages = list(deploy_checks.check_connection(it, "default"))
    assert [message.id for message in messages] == ["hitlportal.E002"]
    assert f"{login}, not hitl_{process}" in messages[0].msg


def test_a_login_that_may_act_as_another_is_reported(settings: Settings) -> None:
    settings.PROCESS = "web"
    with opened(login_url("hitl_owner", database())) as it:
        with it.cursor() as cursor:
            cursor.execute("SET ROLE hitl_web")
        messages = list(deploy_checks.check_login(it, "default"))
    assert [message.id for message in messages] == ["hitlportal.E002"]


ROLES = {
    "ALTER ROLE hitl_web CREATEROLE": "hitl_web has CREATEROLE",
    "ALTER ROLE hitl_worker SUPERUSER": "hitl_worker has SUPERUSER",
    "ALTER ROLE hitl_owner BYPASSRLS": "hitl_owner has BYPASSRLS",
    "ALTER ROLE hitl_auditor REPLICATION CREATEDB": "hitl_auditor has CREATEDB, REPLICATION",
    "REVOKE hitl_web FROM hitl_owner; GRANT hitl_owner TO hitl_web": "hitl_web is a member of",
    "GRANT pg_write_all_data TO hitl_web": "hitl_web is a member of pg_write_all_data",
    "CREATE ROLE hitl_test_stranger IN ROLE hitl_worker": "hitl_worker can be played by",
    "ALTER ROLE hitl_eraser RENAME TO hitl_test_erased": "hitl_eraser does not exist",
}


def test_a_login_with_special_attributes_is_reported() -> None:
    """One test, since two ALTER ROLE at once fail; all is rolled back."""
    address = servers.addresses().portal.rsplit("/", 1)[0]
    with opened(f"{address}/{database()}") as it:
        for statement, said in ROLES.items():
            it.set_autocommit(False)
            with it.cursor() as cursor:
                cursor.execute(statement)
            messages = list(deploy_checks.check_roles(it))
            it.rollback()
            assert {message.id for message in messages} == {"hitlportal.E003"}
            assert any(said in message.msg for message in messages), messages
        assert list(deploy_checks.check_roles(it)) == []


def test_a_server_that_is_too_old_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy_checks, "OLDEST", 990_000)
    messages = list(deploy_checks.check_version(connections["default"]))
    assert [message.id for message in messages] == ["hitlportal.E012"]


# ---- the command --------------------------------------------------------------------------------


def command(url: str) -> subprocess.CompletedProcess[str]:
    """`manage.py check --deploy` as web, in a process of its own."""
    wanted = {
        "DJANGO_SETTINGS_MODULE": "hitlportal.settings",
        "HITL_PROCESS": "web",
        "HITL_DATABASE_URL": url,
        "HITL_AUDITOR_DATABASE_URL": login_url("hitl_auditor", database()),
        "HITL_SECRET_KEY": "k" * 60 + "0123456789",
        "HITL_ORIGIN": "https://portal.example",
    }
    # Browser tests set this in the process; a deployment does not have it.
    wanted_not = {*wanted, "DJANGO_ALLOW_ASYNC_UNSAFE"}
    kept = {name: value for name, value in os.environ.items() if name not in wanted_not}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "ERROR"],
        cwd=ROOT,
        env={**kept, **wanted},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_command_accepts_a_correct_database() -> None:
    done = command(login_url("hitl_web", database()))
    assert done.returncode == 0, done.stderr
    assert "hitlportal.E" not in done.stderr


def test_the_command_fails_when_it_cannot_connect() -> None:
    """Port 1 is never listened on; the other connection is still checked."""
    done = command("postgresql://hitl_web:x@127.0.0.1:1/nothing")
    assert done.returncode == 1
    assert "hitlportal.E001" in done.stderr
    assert "default: the database cannot be asked" in done.stderr


def test_the_command_fails_on_an_empty_database() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_proc WHERE pronamespace = 'remediation'::regnamespace"
        )
        guards = cursor.fetchone()[0]
    sql("DROP SCHEMA remediation CASCADE")
    missing = [m for m in found() if m.id == "hitlportal.E004" and "is missing" in m.msg]
    assert len(missing) >= guards
