"""A login of the worker that is taken over: what tickets let it change, on PostgreSQL 18 and 15."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import (
    DependentObjectsStillExist,
    DuplicateObject,
    InsufficientPrivilege,
    InvalidName,
    InvalidParameterValue,
    ObjectInUse,
    ObjectNotInPrerequisiteState,
)

from tests.executors import install
from tests.executors.conftest import Cluster
from tests.executors.test_hitl_ops import fresh, make

VERIFIER = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$" + "A" * 43 + "=:" + "B" * 43 + "="
OTHER = VERIFIER.replace("A" * 43, "C" * 43)
SET = "SELECT hitl_ops.set_verifier(%s, %s::oid, %s, 'hitl-0123456789ab-0')"
TWIN = "SELECT hitl_ops.create_twin(%s, %s, %s::oid, %s, 'hitl-0123456789ab-0')"
ISSUE = "SELECT hitl_ops.issue(%s, %s, %s::oid, %s, %s)"
NO_TICKET = "no ticket is open"


class Logins:
    """Sessions of each login at one cluster, and a role that is enrolled."""

    def __init__(self, cluster: Cluster) -> None:
        found = install.install(cluster.superuser)
        self.cluster = cluster
        self.superuser, self.operator, self.ticket, self.observer = (
            psycopg.connect(dsn, autocommit=True)
            for dsn in (cluster.superuser, found.operate, found.ticket, found.observe)
        )
        self.role = make(cluster)
        self.oid = self.oid_of(self.role)

    def oid_of(self, role: str) -> int:
        row = self.superuser.execute("SELECT oid FROM pg_roles WHERE rolname = %s", [role])
        found = row.fetchone()
        assert found is not None
        return int(str(found[0]))

    def issue(
        self, action: str = "set_verifier", target: str = "", verifier: str = VERIFIER
    ) -> None:
        digest = hashlib.sha256(verifier.encode()).hexdigest()
        self.ticket.execute(ISSUE, [action, target or self.role, self.oid, 60, digest])

    def set(self, verifier: str = VERIFIER, role: str = "", oid: int = 0) -> str:
        row = self.operator.execute(SET, [role or self.role, oid or self.oid, verifier]).fetchone()
        return str(row and row[0])

    def twin(self, name: str, verifier: str = VERIFIER) -> None:
        self.operator.execute(TWIN, [name, self.role, self.oid, verifier])

    def stored(self, role: str = "") -> object:
        row = self.superuser.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname = %s", [role or self.role]
        ).fetchone()
        return row and row[0]


@pytest.fixture
def logins(cluster: Cluster) -> Iterator[Logins]:
    found = Logins(cluster)
    yield found
    for connection in (found.superuser, found.operator, found.ticket, found.observer):
        connection.close()


def refused(logins: Logins, verifier: str = VERIFIER, role: str = "", oid: int = 0) -> None:
    before = logins.stored(role)
    with pytest.raises(InsufficientPrivilege, match=NO_TICKET):
        logins.set(verifier, role, oid)
    assert logins.stored(role) == before


def test_without_a_ticket_the_operator_sets_nothing_and_makes_nothing(logins: Logins) -> None:
    refused(logins)
    with pytest.raises(InsufficientPrivilege, match=NO_TICKET):
        logins.twin(fresh())


def test_a_ticket_is_for_one_verifier_of_one_role_and_works_once(logins: Logins) -> None:
    other = make(logins.cluster)
    logins.issue()
    refused(logins, OTHER)
    refused(logins, role=other, oid=logins.oid_of(other))
    with pytest.raises(InsufficientPrivilege, match=NO_TICKET):
        logins.twin(fresh())
    assert len(logins.set()) == 32
    assert logins.stored() == VERIFIER
    refused(logins)
    used = logins.observer.execute(
        "SELECT * FROM hitl_ops.tickets() WHERE name = %s", [logins.role]
    ).fetchone()
    assert used is not None
    assert used[:3] == ("set_verifier", logins.role, "hitl_ticket") and used[5] is not None


def test_a_ticket_that_is_renewed_or_over_opens_nothing(logins: Logins) -> None:
    logins.issue()
    logins.issue(verifier=OTHER)
    refused(logins)
    logins.superuser.execute(
        "UPDATE hitl_ops.ticket SET ends = clock_timestamp() WHERE name = %s", [logins.role]
    )
    refused(logins, OTHER)


def test_one_ticket_and_two_callers_at_the_same_time(logins: Logins) -> None:
    logins.issue()
    dsn = install.login(logins.cluster.superuser, "hitl_operator")

    def call(_: int) -> str:
        with psycopg.connect(dsn, autocommit=True) as connection:
            try:
                connection.execute(SET, [logins.role, logins.oid, VERIFIER])
            except psycopg.Error as error:
                return type(error).__name__
        return "set"

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(call, range(4)))
    assert results.count("set") == 1


def test_the_ticket_login_opens_only_narrow_tickets_and_changes_nothing(logins: Logins) -> None:
    digest = hashlib.sha256(VERIFIER.encode()).hexdigest()
    for wrong in ([60, None], [61, digest]):
        with pytest.raises(InsufficientPrivilege):
            logins.ticket.execute(ISSUE, ["set_verifier", logins.role, logins.oid, *wrong])
    for wrong in ([60, "x"], [0, digest]):
        with pytest.raises(InvalidParameterValue):
            logins.ticket.execute(ISSUE, ["set_verifier", logins.role, logins.oid, *wrong])
    free = make(logins.cluster, managed=False)
    for action in ("set_verifier", "create_twin"):
        with pytest.raises(InsufficientPrivilege):
            logins.ticket.execute(ISSUE, [action, free, logins.oid_of(free), 60, digest])
    with pytest.raises(ObjectNotInPrerequisiteState, match="another role"):
        other = logins.oid_of(make(logins.cluster))
        logins.ticket.execute(ISSUE, ["set_verifier", logins.role, other, 60, digest])
    for statement in (
        f"SELECT hitl_ops.set_verifier('{logins.role}', {logins.oid}, '{VERIFIER}', 'v')",
        f"SELECT hitl_ops.disable('{logins.role}')",
        "SELECT * FROM hitl_ops.ticket",
        "SELECT rolpassword FROM pg_authid",
        "SET ROLE hitl_operator",
    ):
        with pytest.raises(InsufficientPrivilege):
            logins.ticket.execute(statement.encode())


def test_an_administrator_opens_a_ticket_by_hand_for_any_verifier(logins: Logins) -> None:
    logins.superuser.execute(
        "SELECT hitl_ops.issue('set_verifier', %s, %s::oid, 600)", [logins.role, logins.oid]
    )
    logins.set(OTHER)
    assert logins.stored() == OTHER
    refused(logins)


def test_only_a_verifier_and_no_role_that_leads_further_up(logins: Logins) -> None:
    climber = make(logins.cluster)
    logins.superuser.execute(
        sql.SQL("GRANT pg_execute_server_program TO {}").format(sql.Identifier(climber))
    )
    with pytest.raises(InvalidParameterValue):
        logins.set("a plain password")
    with pytest.raises(InsufficientPrivilege, match="administers the cluster"):
        logins.set(role=climber, oid=logins.oid_of(climber))


def test_a_name_that_means_another_role_now_keeps_its_password(logins: Logins) -> None:
    logins.issue()
    for statement in ("ALTER ROLE {0} RENAME TO {1}", "CREATE ROLE {0} LOGIN"):
        logins.superuser.execute(statement.format(logins.role, f"{logins.role}_was").encode())
    logins.superuser.execute("SELECT hitl_ops.manage(%s)", [logins.role])
    with pytest.raises(ObjectNotInPrerequisiteState, match="another role"):
        logins.set()


# --- What the observer sees of a password --------------------------------------------------------


def state(logins: Logins, role: str = "") -> tuple[object, ...]:
    row = logins.observer.execute(
        "SELECT kind, id, version, first FROM hitl_ops.password_state(%s::oid)",
        [logins.oid_of(role) if role else logins.oid],
    ).fetchone()
    assert row is not None
    return tuple(row)


def test_a_fingerprint_shows_each_change_and_who_made_the_one_in_force(logins: Logins) -> None:
    kind, first, version, _ = state(logins)
    assert (kind, version) == ("scram", "")
    logins.issue()
    made = logins.set()
    assert state(logins) == ("scram", made, "hitl-0123456789ab-0", None) and made != first
    logins.superuser.execute(
        sql.SQL("ALTER ROLE {} PASSWORD 'by hand'").format(sql.Identifier(logins.role))
    )
    kind, third, version, _ = state(logins)
    assert (kind, version) == ("scram", "") and third not in (first, made)
    assert state(logins, make(logins.cluster, managed=False)) == ("not_enrolled", None, "", None)


# --- Twins ---------------------------------------------------------------------------------------


def test_a_twin_has_the_first_ones_rights_settings_and_limits(logins: Logins) -> None:
    name, role = f'{fresh()} "odd"', logins.role
    for statement in (
        f'CREATE SCHEMA "{role}"',
        f'CREATE TABLE "{role}".t (id int)',
        f'INSERT INTO "{role}".t VALUES (7)',
        f'GRANT USAGE ON SCHEMA "{role}" TO {role}',
        f'GRANT SELECT ON "{role}".t TO {role}',
        f"""ALTER ROLE {role} SET search_path TO "$user", 'My "Schema', Mixed, '{role}'""",
        f"ALTER ROLE {role} SET work_mem = '7MB'",
        f"ALTER ROLE {role} SET application_name = 'it''s; DROP ROLE x'",
        f"ALTER ROLE {role} IN DATABASE postgres SET statement_timeout = '91s'",
        f"ALTER ROLE {role} CONNECTION LIMIT 9 VALID UNTIL '2030-01-01 00:00:00+00'",
    ):
        logins.superuser.execute(statement.encode())
    logins.issue("create_twin", name)
    logins.twin(name)
    one, two = (
        logins.superuser.execute(
            "SELECT rolcanlogin, rolsuper, rolcreaterole, rolinherit, rolconnlimit, rolvaliduntil,"
            " ARRAY(SELECT c FROM pg_db_role_setting s, unnest(s.setconfig) c"
            "        WHERE s.setrole = r.oid ORDER BY s.setdatabase, 1)"
            " FROM pg_roles r WHERE rolname = %s", [each],
        ).fetchone()
        for each in (role, name)
    )  # fmt: skip
    assert one == two
    assert state(logins, name)[3] == role
    logins.superuser.execute(sql.SQL("ALTER ROLE {} PASSWORD 'x'").format(sql.Identifier(name)))
    with psycopg.connect(logins.cluster.superuser, user=name, password="x") as session:
        assert session.execute(f'SELECT id FROM "{role}".t'.encode()).fetchone() == (7,)
        assert session.execute("SHOW statement_timeout").fetchone() == ("91s",)


def test_names_that_no_twin_may_have(logins: Logins) -> None:
    for name in ("hitl_x", "pg_x", "", "none", "public", "x" * 64):
        logins.issue("create_twin", name or " ")
        with pytest.raises(InvalidName):
            logins.twin(name)
    with pytest.raises(DuplicateObject):
        logins.twin(make(logins.cluster, managed=False))


@pytest.mark.parametrize("setting", ["log_statement", "app.tenant"])
def test_a_setting_that_only_an_administrator_may_give_stops_the_twin_and_is_named(
    logins: Logins, setting: str
) -> None:
    logins.superuser.execute(f"ALTER ROLE {logins.role} SET {setting} = 'none'".encode())
    name = fresh()
    logins.issue("create_twin", name)
    with pytest.raises(InsufficientPrivilege, match=setting):
        logins.twin(name)
    row = logins.superuser.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    assert row is None


def test_a_twin_is_dropped_only_off_without_sessions_and_no_other_role_is(logins: Logins) -> None:
    name = fresh()
    logins.issue("create_twin", name)
    logins.twin(name)
    oid, drop = logins.oid_of(name), "SELECT hitl_ops.drop_twin(%s, %s::oid)"
    with pytest.raises(ObjectInUse):
        logins.operator.execute(drop, [name, oid])
    with pytest.raises(InsufficientPrivilege, match="was not made here"):
        logins.operator.execute(drop, [logins.role, logins.oid])
    logins.operator.execute("SELECT hitl_ops.disable(%s, %s::oid)", [name, oid])
    logins.operator.execute(drop, [name, oid])
    row = logins.superuser.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    assert row is None


def test_a_twin_can_be_taken_out_and_then_nothing_works_on_it(logins: Logins) -> None:
    name = fresh()
    logins.issue("create_twin", name)
    logins.twin(name)
    logins.superuser.execute("SELECT hitl_ops.unmanage(%s)", [name])
    with pytest.raises(InsufficientPrivilege, match="not a member of hitl_managed"):
        logins.operator.execute("SELECT hitl_ops.disable(%s)", [name])


def test_sessions_that_began_before_end_and_younger_ones_stay(logins: Logins) -> None:
    dsn = install.login(logins.cluster.superuser, logins.role)
    mine = [logins.role, logins.oid]
    with psycopg.connect(dsn, autocommit=True) as old:
        # Compiled before, so that no time passes between the age and the look at the sessions.
        end = "SELECT hitl_ops.end_sessions(%s, %s::oid, {})"
        never = end.format("86400")
        assert logins.operator.execute(never.encode(), mine).fetchone() == (0,)
        begun = old.execute(
            "SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        ).fetchone()
        old.execute("SELECT pg_sleep(0.6)")
        with psycopg.connect(dsn, autocommit=True) as young:
            # The server computes the age: how long this process waits does not count.
            since = "extract(epoch FROM clock_timestamp() - %s::timestamptz)::float8 - 0.001"
            ended = logins.operator.execute(
                end.format(since).encode(), [*mine, *(begun or ())]
            ).fetchone()
            assert ended == (1,)
            young.execute("SELECT 1")
            with pytest.raises(psycopg.OperationalError):
                old.execute("SELECT 1")


def test_a_first_role_is_not_taken_out_under_its_twin(logins: Logins) -> None:
    name = fresh()
    logins.issue("create_twin", name)
    logins.twin(name)
    if logins.superuser.info.server_version >= 160000:
        with pytest.raises(DependentObjectsStillExist):
            logins.superuser.execute("SELECT hitl_ops.unmanage(%s)", [logins.role])
        first, second = sql.Identifier(logins.role), sql.Identifier(name)
        logins.superuser.execute(sql.SQL("GRANT {} TO {}").format(first, second))
        logins.superuser.execute(
            sql.SQL("REVOKE {} FROM {} GRANTED BY hitl_ops_owner").format(first, second)
        )
    logins.superuser.execute("SELECT hitl_ops.unmanage(%s)", [logins.role])
    row = logins.superuser.execute("SELECT pg_has_role(%s, %s, 'USAGE')", [name, logins.role])
    assert row.fetchone() == (True,)
