"""Attack the functions on the target with real logins, on PostgreSQL 18 and 15."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege, UndefinedObject

from remediation.executors.postgres import INSTALL_SQL
from tests.executors import install
from tests.executors.conftest import Cluster
from tests.needs import system_postgres

CHANGING = ("disable", "enable", "terminate")
ADMIN_ROLES = ("SUPERUSER", "CREATEROLE", "REPLICATION", "BYPASSRLS")
VERIFIER = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$" + "A" * 43 + "=:" + "B" * 43 + "="


@pytest.fixture
def logins(cluster: Cluster) -> install.Logins:
    return install.install(cluster.superuser)


@pytest.fixture
def superuser(
    cluster: Cluster, logins: install.Logins
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(cluster.superuser, autocommit=True) as connection:
        yield connection


@pytest.fixture
def operator(logins: install.Logins) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(logins.operate, autocommit=True) as connection:
        yield connection


@pytest.fixture
def observer(logins: install.Logins) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(logins.observe, autocommit=True) as connection:
        yield connection


Connection = psycopg.Connection[tuple[object, ...]]


def fresh(prefix: str = "app") -> str:
    return f"{prefix}_{uuid4().hex[:12]}"


def make(cluster: Cluster, options: str = "LOGIN", managed: bool = True) -> str:
    name = fresh()
    install.make_role(cluster.superuser, name, options, managed)
    return name


def can_login(superuser: Connection, role: str) -> object:
    row = superuser.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [role])
    found = row.fetchone()
    return found and found[0]


def refused_by_all(operator: Connection, role: str) -> None:
    for name in CHANGING:
        with pytest.raises(InsufficientPrivilege):
            operator.execute(f"SELECT hitl_ops.{name}(%s)".encode(), [role])


def install_statements() -> bytes:
    """Return the installation without its transaction, to run it in another one."""
    text = INSTALL_SQL.read_text()
    return re.sub(r"^(BEGIN|COMMIT);$", "", text, flags=re.MULTILINE).encode()


# --- Which roles -------------------------------------------------------------------------------


def test_the_portals_logins_the_clusters_own_and_the_superuser_are_refused(
    operator: Connection, superuser: Connection
) -> None:
    for role in (
        "hitl_operator", "hitl_observer", "hitl_ticket", "hitl_managed", "hitl_ops_owner",
        "postgres", "pg_monitor",
    ):  # fmt: skip
        before = can_login(superuser, role)
        refused_by_all(operator, role)
        assert can_login(superuser, role) == before


@pytest.mark.parametrize("attribute", ADMIN_ROLES)
def test_a_role_that_administers_is_refused_though_enrolled(
    attribute: str, cluster: Cluster, operator: Connection, superuser: Connection
) -> None:
    role = make(cluster)  # enrolled first: hitl_ops.manage would refuse it afterwards
    superuser.execute(sql.SQL("ALTER ROLE {} " + attribute).format(sql.Identifier(role)))
    refused_by_all(operator, role)
    assert can_login(superuser, role) is True
    with pytest.raises(InsufficientPrivilege):
        superuser.execute("SELECT hitl_ops.manage(%s)", [role])
    superuser.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_a_role_that_is_not_enrolled_or_only_through_a_group_is_refused(
    cluster: Cluster, operator: Connection, superuser: Connection
) -> None:
    group, through_group, free = (
        make(cluster),
        make(cluster, managed=False),
        make(cluster, managed=False),
    )
    superuser.execute(
        sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(through_group))
    )
    for role in (through_group, free):
        refused_by_all(operator, role)
        assert can_login(superuser, role) is True


def test_a_role_that_does_not_exist_is_named_and_long_names_are_not_cut_to_another(
    cluster: Cluster, operator: Connection, superuser: Connection
) -> None:
    role = make(cluster)
    superuser.execute(
        sql.SQL("ALTER ROLE {} RENAME TO {}").format(
            sql.Identifier(role), sql.Identifier(role.ljust(63, "x"))
        )
    )
    for name in (fresh("none"), role.ljust(64, "x"), role.upper(), ""):
        with pytest.raises(UndefinedObject):
            operator.execute("SELECT hitl_ops.disable(%s)", [name])
    assert can_login(superuser, role.ljust(63, "x")) is True


def test_an_enrolled_role_can_be_taken_out_again(
    cluster: Cluster, operator: Connection, superuser: Connection
) -> None:
    role = make(cluster)
    superuser.execute("SELECT hitl_ops.unmanage(%s)", [role])
    refused_by_all(operator, role)


def test_a_role_cannot_be_made_to_run_statements_by_its_name(
    cluster: Cluster, operator: Connection, superuser: Connection
) -> None:
    victim = make(cluster, managed=False)
    nasty = f'{fresh()}" NOLOGIN; ALTER ROLE "{victim[:20]}'[:63]
    install.make_role(cluster.superuser, nasty)
    operator.execute("SELECT hitl_ops.disable(%s)", [nasty])
    assert (can_login(superuser, nasty), can_login(superuser, victim)) == (False, True)


# --- What the operator's login can do by itself ------------------------------------------------


def test_the_operator_can_alter_no_role_and_grant_nothing(
    cluster: Cluster, operator: Connection
) -> None:
    role = make(cluster)
    for statement in (
        f"ALTER ROLE {role} NOLOGIN",
        f"ALTER ROLE {role} PASSWORD 'x'",
        "ALTER ROLE hitl_operator CREATEROLE",
        "ALTER ROLE hitl_operator SUPERUSER",
        "ALTER ROLE postgres NOLOGIN",
        f"DROP ROLE {role}",
        "CREATE ROLE intruder",
        f"GRANT hitl_managed TO {role}",
        "GRANT hitl_ops_owner TO hitl_operator",
        "SET ROLE hitl_ops_owner",
        f"SET ROLE {role}",
        f"SELECT hitl_ops.manage('{role}')",
        f"SELECT hitl_ops.managed_role('{role}')",
        f"SELECT hitl_ops.set_verifier('{role}', '{role}'::regrole, '{VERIFIER}', 'v')",
        f"SELECT hitl_ops.create_twin('{role}2', '{role}', '{role}'::regrole, '{VERIFIER}', 'v')",
        f"SELECT hitl_ops.issue('set_verifier', '{role}', '{role}'::regrole, 60, NULL)",
        f"SELECT hitl_ops.redeem('set_verifier', '{role}', '{role}'::regrole, '{VERIFIER}')",
        "INSERT INTO hitl_ops.ticket DEFAULT VALUES",
        "SELECT * FROM hitl_ops.ticket",
        "CREATE FUNCTION hitl_ops.disable(name) RETURNS void LANGUAGE sql AS ''",
        "ALTER FUNCTION hitl_ops.disable(text) SECURITY INVOKER",
        "SELECT rolpassword FROM pg_authid",
    ):
        with pytest.raises(InsufficientPrivilege):
            operator.execute(statement.encode())


def test_the_observer_changes_nothing_and_reads_neither_passwords_nor_queries(
    cluster: Cluster, observer: Connection
) -> None:
    role = make(cluster)
    for statement in (
        *(f"SELECT hitl_ops.{name}('{role}')" for name in CHANGING),
        f"SELECT hitl_ops.set_verifier('{role}', '{role}'::regrole, '{VERIFIER}', 'v')",
        f"SELECT hitl_ops.issue('set_verifier', '{role}', '{role}'::regrole, 60, NULL)",
        f"SELECT hitl_ops.end_sessions('{role}', '{role}'::regrole, 0)",
        "SELECT rolpassword FROM pg_authid",
        "SET ROLE hitl_operator",
    ):
        with pytest.raises(InsufficientPrivilege):
            observer.execute(statement.encode())
    with psycopg.connect(install.login(cluster.superuser, role)) as session:
        session.execute("SELECT 'secret of the application'")
        seen = observer.execute(
            "SELECT query FROM pg_stat_activity WHERE usename = %s", [role]
        ).fetchall()
        counted = observer.execute(
            "SELECT (hitl_ops.sessions(oid)).sessions FROM pg_roles WHERE rolname = %s", [role]
        ).fetchone()
    assert seen == [("<insufficient privilege>",)]
    assert counted == (1,)


# --- Shadowing ---------------------------------------------------------------------------------

SHADOWS = """
CREATE TEMP TABLE pg_roles AS
    SELECT oid, rolname, false AS rolsuper, false AS rolcreaterole, false AS rolreplication,
           false AS rolbypassrls FROM pg_catalog.pg_roles;
CREATE TEMP TABLE pg_auth_members AS
    SELECT (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = 'hitl_managed') AS roleid,
           (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = '{role}') AS member;
CREATE TEMP TABLE pg_stat_activity AS
    SELECT (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = '{role}') AS usesysid,
           pid FROM pg_catalog.pg_stat_activity;
GRANT SELECT ON pg_temp.pg_roles, pg_temp.pg_auth_members, pg_temp.pg_stat_activity TO PUBLIC;
CREATE FUNCTION pg_temp.format(text, text) RETURNS text LANGUAGE sql
    AS $$ SELECT 'ALTER ROLE {role} NOLOGIN' $$;
"""


def shadow(operator: Connection, role: str) -> None:
    """Create temporary objects that pretend that the role is enrolled."""
    operator.execute(SHADOWS.format(role=role).encode())


def test_a43_temporary_objects_shadow_nothing_that_the_functions_read(
    cluster: Cluster, operator: Connection, superuser: Connection
) -> None:
    role, enrolled = make(cluster, managed=False), make(cluster)
    shadow(operator, role)
    refused_by_all(operator, role)
    assert can_login(superuser, role) is True
    operator.execute("SELECT hitl_ops.disable(%s)", [enrolled])
    assert (can_login(superuser, enrolled), can_login(superuser, role)) == (False, True)


def test_a43_control_without_the_pinned_names_the_shadows_would_rule(
    cluster: Cluster, operator: Connection, superuser: Connection
) -> None:
    schema, role = fresh("hitl_control"), make(cluster, managed=False)
    unpinned = INSTALL_SQL.read_text().replace(" SET search_path = pg_catalog, pg_temp AS", " AS")
    unpinned = re.sub(r"hitl_ops(?!_owner)", schema, unpinned.replace("pg_catalog.pg_", "pg_"))
    with psycopg.connect(cluster.superuser, autocommit=True) as connection:
        # It alters the logins of the installation that other tests make at the same time.
        connection.execute("SELECT pg_advisory_lock(%s)", [install.LOCK])
        connection.execute(unpinned.encode())
    shadow(operator, role)
    disable = f"SELECT {schema}.disable(%s)".encode()
    if superuser.info.server_version < 160000:
        operator.execute(disable, [role])
        assert can_login(superuser, role) is False
    else:  # there the functions' owner has ADMIN on the enrolled roles only
        with pytest.raises(InsufficientPrivilege, match="ADMIN option"):
            operator.execute(disable, [role])
    superuser.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))


# --- The installation --------------------------------------------------------------------------


def test_who_owns_the_functions_who_may_call_them_and_how_they_resolve_names(
    superuser: Connection,
) -> None:
    rows = superuser.execute(
        "SELECT proname::text, prosecdef, proconfig, proowner::regrole::text,"
        " ARRAY(SELECT a.grantee::regrole::text FROM aclexplode(proacl) a ORDER BY 1)"
        " FROM pg_proc WHERE pronamespace = 'hitl_ops'::regnamespace ORDER BY 1"
    ).fetchall()
    pinned, owner = ["search_path=pg_catalog, pg_temp"], "hitl_ops_owner"
    operator, observer, both = (
        ["hitl_operator"],
        ["hitl_observer"],
        ["hitl_observer", "hitl_operator"],
    )
    assert rows == [
        ("adopt_membership", True, pinned, owner, [owner]),
        ("challenge", False, pinned, owner, [owner]),
        ("check_membership", False, pinned, owner, [owner]),
        ("check_verifier", False, pinned, owner, [owner]),
        ("create_twin", True, pinned, owner, [*operator, owner]),
        ("disable", True, pinned, owner, [*operator, owner]),
        ("disable", True, pinned, owner, [*operator, owner]),
        ("drop_twin", True, pinned, owner, [*operator, owner]),
        ("enable", True, pinned, owner, [*operator, owner]),
        ("enable", True, pinned, owner, [*operator, owner]),
        ("end_sessions", True, pinned, owner, [*operator, owner]),
        ("enrolled_membership", False, pinned, owner, [owner]),
        ("forget_membership", True, pinned, owner, [owner]),
        ("give_membership", False, pinned, owner, [owner]),
        ("grant_membership", True, pinned, owner, [*operator, owner]),
        ("issue", True, pinned, owner, [owner, "hitl_ticket"]),
        ("manage", False, pinned, owner, [owner]),
        ("manage_membership", False, pinned, owner, [owner]),
        ("managed_role", False, pinned, owner, [owner]),
        ("managed_role", False, pinned, owner, [owner]),
        ("members", True, pinned, owner, [*observer, owner]),
        ("membership_rows", False, pinned, owner, [owner]),
        ("membership_state", True, pinned, owner, [*observer, owner]),
        ("note_password", False, pinned, owner, [owner]),
        ("password_id", False, pinned, owner, [owner]),
        ("password_state", True, pinned, owner, [*observer, owner]),
        ("redeem", False, pinned, owner, [owner]),
        ("refuse_powerful", False, pinned, owner, [owner]),
        ("replicas", True, pinned, owner, [*observer, owner]),
        ("revoke_membership", True, pinned, owner, [*operator, owner]),
        ("secret_challenge", True, pinned, owner, [*observer, owner]),
        ("secret_in_force", True, pinned, owner, [*observer, owner]),
        ("session_details", True, pinned, owner, [*observer, owner]),
        ("session_list", True, pinned, owner, [*observer, owner]),
        ("session_origins", True, pinned, owner, [*observer, owner]),
        ("session_places", True, pinned, owner, [*observer, owner]),
        ("session_queries", True, pinned, owner, [owner]),
        ("sessions", True, pinned, owner, [*both, owner]),
        ("set_verifier", True, pinned, owner, [*operator, owner]),
        ("setting_value", False, pinned, owner, [owner]),
        ("starting", True, pinned, owner, [*both, owner]),
        ("take_out", True, pinned, owner, [owner]),
        ("terminate", True, pinned, owner, [*operator, owner]),
        ("terminate", True, pinned, owner, [*operator, owner]),
        ("tickets", True, pinned, owner, [*observer, owner]),
        ("turned_off_as", True, pinned, owner, [*both, owner]),
        ("unmanage", False, pinned, owner, [owner]),
        ("unmanage_membership", False, pinned, owner, [owner]),
        ("verifier", False, pinned, owner, [owner]),
        ("version", False, pinned, owner, ["hitl_observer", "hitl_operator", owner, "hitl_ticket"]),
    ]


def test_the_owner_of_the_functions_cannot_log_in_and_nobody_can_become_it(
    cluster: Cluster, superuser: Connection
) -> None:
    role = make(cluster)
    row = superuser.execute(
        "SELECT rolcanlogin, rolsuper, rolreplication, rolbypassrls,"
        " (SELECT count(*) FROM pg_auth_members m WHERE m.roleid = r.oid)"
        " FROM pg_roles r WHERE rolname = 'hitl_ops_owner'"
    ).fetchone()
    assert row == (False, False, False, False, 0)
    # Enrolling allows the owner to alter the role (16 and later), never to become it.
    row = superuser.execute("SELECT pg_has_role('hitl_ops_owner', %s, 'USAGE')", [role]).fetchone()
    assert row == (False,)


def test_installing_is_refused_where_a_login_would_inherit_power(
    cluster: Cluster, superuser: Connection
) -> None:
    # In a transaction that is rolled back, because other tests use this cluster.
    with psycopg.connect(cluster.superuser) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [install.LOCK])
        connection.execute("GRANT pg_read_all_data TO hitl_operator")
        with pytest.raises(psycopg.errors.CheckViolation, match="members of no role"):
            connection.execute(install_statements())
        connection.rollback()


def test_b24_installing_is_refused_where_somebody_can_become_a_login(cluster: Cluster) -> None:
    """A role that can become hitl_operator can give access back (hitl_ops.enable)."""
    mole = make(cluster, managed=False)
    for role in ("hitl_operator", "hitl_observer", "hitl_ticket", "hitl_ops_owner"):
        with psycopg.connect(cluster.superuser) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [install.LOCK])
            connection.execute(f"GRANT {role} TO {mole}".encode())
            with pytest.raises(psycopg.errors.CheckViolation, match="must have none"):
                connection.execute(install_statements())
            connection.rollback()


def test_b14_rights_that_somebody_was_given_on_the_schema_go_with_an_installation(
    cluster: Cluster, logins: install.Logins
) -> None:
    mole = make(cluster, managed=False)
    asked = (
        "SELECT has_schema_privilege(%s, 'hitl_ops', 'USAGE'),"
        " has_table_privilege(%s, 'hitl_ops.turned_off', 'SELECT'),"
        " has_function_privilege(%s, 'hitl_ops.disable(text, oid)', 'EXECUTE')"
    )
    # In a transaction that is rolled back, because other tests use this cluster.
    with psycopg.connect(cluster.superuser) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [install.LOCK])
        for right in (
            "SCHEMA hitl_ops", "FUNCTION hitl_ops.disable(text, oid)", "TABLE hitl_ops.turned_off",
        ):  # fmt: skip
            connection.execute(f"GRANT ALL ON {right} TO {mole}".encode())
        assert connection.execute(asked, [mole, mole, mole]).fetchone() == (True, True, True)
        connection.execute(install_statements())
        kept = connection.execute(asked, [mole, mole, mole]).fetchone()
        connection.rollback()
    assert kept == (False, False, False)


def test_the_operator_changes_only_the_oid_that_it_names(
    cluster: Cluster, operator: Connection, superuser: Connection
) -> None:
    role, other = make(cluster), make(cluster)
    row = superuser.execute("SELECT oid FROM pg_roles WHERE rolname = %s", [other]).fetchone()
    assert row is not None
    for name in CHANGING:
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="another role now"):
            operator.execute(f"SELECT hitl_ops.{name}(%s, {row[0]}::oid)".encode(), [role])
    assert can_login(superuser, role) is True


def test_the_file_runs_in_psql_and_again_on_an_installation(cluster: Cluster) -> None:
    psql: list[str | Path] = [
        system_postgres(15) / "psql",
        "--no-psqlrc",
        "--set",
        "ON_ERROR_STOP=1",
    ]
    with psycopg.connect(cluster.superuser, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [install.LOCK])
        subprocess.run([*psql, "--file", INSTALL_SQL, cluster.superuser], check=True)
    install.install(cluster.superuser)
