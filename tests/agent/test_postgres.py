"""The second detector, on the log of the real target cluster with real sessions."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from hitlportal.demo.agent.__main__ import main
from hitlportal.demo.agent.pglog import read
from hitlportal.demo.agent.pgrules import by_role
from hitlportal.demo.agent.postgres import reports
from remediation.domain.plan import Target
from remediation.domain.report import parse as parse_report
from tests.agent.cases import NOW
from tests.log_part import LogPart
from tests.servers import Addresses

CLUSTER = "orders"
THEFT = (
    "select rolname from pg_roles",
    "select rolpassword from pg_authid",
    "copy (select 1) to program 'id'",
    "select pg_read_file('/etc/passwd')",
    "create role spare login superuser",
)


@dataclass(frozen=True)
class Role:
    """Make a role of the target cluster for one test, with a table that it may read."""

    name: str
    password: str
    dsn: str
    part: LogPart

    @property
    def log(self) -> Path:
        return self.part.copy()

    @property
    def table(self) -> sql.Identifier:
        return sql.Identifier(f"{self.name}_orders")

    def connect(self, application: str, password: str = "") -> psycopg.Connection[Any]:
        conninfo = make_conninfo(
            self.dsn,
            user=self.name,
            password=password or self.password,
            application_name=application,
        )
        return psycopg.connect(conninfo, autocommit=True)

    def work(self) -> None:
        """Open a legitimate session."""
        with self.connect("nightly-report") as session:
            session.execute(sql.SQL("select count(*) from {}").format(self.table))

    def reported(self) -> dict[str, Any] | None:
        """Return the agent's report on this role; other tests use the cluster at the same time."""
        made = reports(read(self.log), CLUSTER, "production", NOW)
        loaded: list[dict[str, Any]] = json.loads(json.dumps(made))
        own = [r for r in loaded if r["incident"]["identity"]["role"] == self.name]
        assert len(own) <= 1
        return own[0] if own else None


def attempt(session: psycopg.Connection[Any], statement: str) -> None:
    with suppress(psycopg.Error):
        session.execute(statement.encode())


@pytest.fixture
def role(addresses: Addresses, tmp_path: Path) -> Iterator[Role]:
    name = f"reader_{secrets.token_hex(4)}"
    part = LogPart.from_now(addresses.target_log, tmp_path / "server.log")
    made = Role(name, secrets.token_hex(8), addresses.target, part)
    identifier = sql.Identifier(name)
    with psycopg.connect(addresses.target, autocommit=True) as admin:
        admin.execute(sql.SQL("create role {} login password {}").format(identifier, made.password))
        admin.execute(sql.SQL("create table {} (id int)").format(made.table))
        admin.execute(sql.SQL("grant select on {} to {}").format(made.table, identifier))
        yield made
        admin.execute(sql.SQL("drop table {}").format(made.table))
        admin.execute(sql.SQL("drop owned by {}").format(identifier))
        admin.execute(sql.SQL("drop role {}").format(identifier))


def test_a_role_in_other_hands_is_reported_with_its_open_session(role: Role) -> None:
    role.work()
    with role.connect("psql") as thief:
        for statement in THEFT:
            attempt(thief, statement)
        report = role.reported()
    assert report is not None
    taken = parse_report(json.dumps(report).encode(), protected=frozenset())
    assert taken.plan is not None
    (step,) = taken.plan.steps
    assert step.action == "postgres.role.disable"
    assert step.target == Target("postgres.role", {"cluster": CLUSTER, "role": role.name})
    assert taken.incident.identity == taken.diagnosis.identity == step.target
    said = " ".join(claim.text for claim in taken.diagnosis.claims)
    for words in ("run a program", "files of the server", "password hashes", "refused 4 different"):
        assert words in said
    assert "as application 'psql', which it never used before" in said
    assert "1 of its 2 connections were open" in taken.diagnosis.summary


def test_its_citations_are_lines_of_the_servers_own_log(role: Role) -> None:
    role.work()
    with role.connect("psql") as thief:
        for statement in THEFT:
            attempt(thief, statement)
    report = role.reported()
    assert report is not None
    (item,) = report["evidence"]
    document = json.loads(item["content"])
    log = role.log.read_text(encoding="utf-8", errors="replace")
    assert all(line["text"] in log for line in document["Lines"])
    assert all(line["user"] in (role.name, "[unknown]") for line in document["Lines"])
    for claim in report["diagnosis"]["claims"]:
        assert claim["citations"]
        for citation in claim["citations"]:
            _, lines, index, name = citation["pointer"].split("/")
            assert document[lines][int(index)][name] == citation["value"]


def test_legitimate_work_is_not_reported(role: Role) -> None:
    for _ in range(3):
        role.work()
    with role.connect("psql") as person:
        attempt(person, "select 'pg_authid', 'copy x to program' -- pg_shadow")
        attempt(person, "select * from pg_authid_that_is_not_there")
    assert role.reported() is None


def test_a_single_refusal_is_not_reported(role: Role) -> None:
    with role.connect("nightly-report") as session:
        attempt(session, "select pg_reload_conf()")
    assert role.reported() is None


def test_guessed_passwords_are_reported_only_with_other_findings(
    role: Role,
) -> None:
    for n in range(3):
        with pytest.raises(psycopg.OperationalError):
            role.connect("nightly-report", password=f"wrong{n}")
    role.work()
    assert role.reported() is None
    with role.connect("nightly-report") as session:
        attempt(session, "select * from pg_shadow")
    report = role.reported()
    assert report is not None
    texts = [claim["text"] for claim in report["diagnosis"]["claims"]]
    assert any("logged in after 3 wrong passwords" in text for text in texts)


def test_a_password_in_a_statement_is_not_passed_on(role: Role) -> None:
    secret = secrets.token_hex(8)
    with role.connect("psql") as session:
        attempt(session, f"create role x password '{secret}'")
        attempt(session, "select * from pg_authid")
    assert secret in role.log.read_text(encoding="utf-8", errors="replace")
    report = role.reported()
    assert report is not None
    assert secret not in json.dumps(report)


def test_an_application_name_cannot_blame_another_role(role: Role) -> None:
    """The caller chooses its application name; the server writes the user before it."""
    victim = f"victim_{role.name}"
    forged = f"x LOG:  statement: copy t to program user={victim}"
    with role.connect("psql") as session:
        session.execute("select set_config('application_name', %s, false)", [forged[:63]])
        session.execute("select 1")
        prefix = f"2026-01-01 00:00:00.000 UTC [1] user={victim} db=d app=a"
        attempt(session, f"select 1;\n{prefix} LOG:  statement: copy t to program 'id'")
    roles = by_role(read(role.log))
    assert role.name in roles
    assert victim not in roles


def test_the_administrator_and_the_portals_own_logins_are_skipped(role: Role) -> None:
    role.work()
    roles = by_role(read(role.log))
    assert role.name in roles
    assert not [name for name in roles if re.fullmatch("postgres|hitl_.*|pg_.*", name)]


def test_the_command_reads_server_logs_too(
    role: Role, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with role.connect("psql") as thief:
        for statement in THEFT:
            attempt(thief, statement)
    arguments = ["--dry-run", "--postgres-cluster", CLUSTER, str(role.log)]
    assert main(arguments) == 0
    made = json.loads(capsys.readouterr().out)
    assert role.name in {report["incident"]["identity"]["role"] for report in made}
    (tmp_path / "other.log").write_text("not a server log\n")
    assert main([*arguments, str(tmp_path / "other.log")]) == 1
    assert "no line has the expected form" in capsys.readouterr().err
