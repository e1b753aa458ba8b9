"""What each login may do: the grants are exactly this list, tested with real logins."""

from __future__ import annotations

import contextlib

import psycopg
import pytest
from django.db import connection

from tests import factories
from tests.database.attack import DENIED, refused
from tests.database.logins import LOGINS, connect, database, superuser
from tests.every import every

pytestmark = pytest.mark.django_db

# ---- the list -----------------------------------------------------------------------------------

INVENTORY = {
    "service", "serviceversion", "identity", "identityversion", "dependency", "dependencyversion",
    "ownerteam", "environmentname",
}  # fmt: skip
SUBMISSIONS = {
    "incident", "incidenttransition", "incidentreport", "evidence", "evidenceblob", "diagnosis",
    "proposal", "proposaltarget", "transition", "observationrequest", "refusal", "halt",
    "incidentlookrequest", "incidentassignment", "incidentcomment", "telling", "liverequest",
    "narrowing", "outcomeanswer", "choice",
}  # fmt: skip
FINDINGS = {
    "assessment", "assessmentservice", "notice", "execution", "steprecord", "lateresult", "freeze",
    "haltverdict", "incidentlook", "incidentnotice", "delivery", "noticechannel",
    "liveobservation", "secretcheck", "outcomequestion", "approverkey",
    "wait", "waitlook", "waitoverdue", "resumption", "seenagain",
}  # fmt: skip
AGENTS = {"agent", "agentversion"}
# Read by web alone: tokens, codes, review sessions, answers.
SECRETS = {
    "agenttoken", "agenttokenrevocation", "invitation", "invitationuse", "reviewsession",
    "idempotencyrecord", "savedview", "haltsession",
}  # fmt: skip
ACCOUNTS = {"user", "user_groups", "user_user_permissions"}
SIGN_IN = {
    "auth_group", "auth_group_permissions", "guardian_userobjectpermission",
    "guardian_groupobjectpermission", "account_emailaddress", "mfa_authenticator",
}  # fmt: skip


def facts(*groups: set[str]) -> set[str]:
    return {f"remediation_{name}" for group in groups for name in group}


READ_BY_ALL = facts(
    INVENTORY,
    SUBMISSIONS,
    FINDINGS,
    AGENTS,
    {"review", "outboxmessage", "lease"},
    {"passkeyenrolment", "evidencescan", "evidenceerasure", "noticechoice"},
) | {
    "django_migrations",
    "remediation.agent_now",
    "remediation.edge",
    "remediation.target_kind",
    "audit.author",
}

# Places in the queue and in the list of incidents: only triggers write them.
LISTS = facts({"queueentry", "queueservice", "incidententry"})

TREE = {f"audit.{name}" for name in ("leaf", "node", "checkpoint", "cosignature", "search")}

# What operators' commands write of groups and rights.
PEOPLE = {"auth_group", "guardian_userobjectpermission", "guardian_groupobjectpermission"}

ALLOWED: dict[str, dict[str, set[str]]] = {
    "hitl_web": {
        "SELECT": READ_BY_ALL | facts(SECRETS, ACCOUNTS) | SIGN_IN | {
            "audit.entry(id)", "auth_permission", "django_content_type", "django_admin_log",
            "account_emailconfirmation", "remediation.account", "remediation.entitlement",
            "remediation.service_right", "remediation.administrator",
        } | LISTS,
        "INSERT": facts(INVENTORY, SUBMISSIONS, AGENTS, SECRETS, ACCOUNTS) | SIGN_IN
        | facts({"review", "passkeyenrolment", "evidencescan", "noticechoice"})
        | {"audit.entry(body)", "audit.secret", "django_admin_log"}
        | {"remediation.step_up(act, entry, expires_at, nonce, object, person)"},
        "UPDATE": {"remediation_user", "auth_group", "account_emailaddress", "mfa_authenticator"},
        "DELETE": {
            "remediation_user_groups", "remediation_user_user_permissions",
        } | (SIGN_IN - {"auth_group"}),
    },
    "hitl_worker": {
        "SELECT": READ_BY_ALL | TREE | {
            "audit.entry(id, body)", "audit.secret", "remediation.entitlement",
            "remediation.service_right", "remediation.mailbox", "remediation.account",
            "remediation_incidententry",
        },
        "INSERT": facts(FINDINGS, {"transition", "incidenttransition", "refusal", "lease"})
        | facts({"telling"}) | {"audit.entry(body)", "audit.secret"},
        "UPDATE": {"remediation_lease"},
    },
    "hitl_sequencer": {"SELECT": TREE | {"audit.entry", "audit.author"}, "INSERT": TREE},
    "hitl_auditor": {
        "SELECT": READ_BY_ALL | TREE | LISTS | {"audit.entry", "audit.trail", "audit.secret"},
    },
    "hitl_operator": {
        "SELECT": PEOPLE | facts({"user", "user_groups", "invitation", "service", "serviceversion"})
        | facts({"ownerteam", "environmentname"})
        | {
            "audit.entry(id)", "audit.author", "auth_permission", "django_content_type",
            "mfa_authenticator",
        },
        "INSERT": PEOPLE | facts({"user", "user_groups", "invitation"})
        | facts({"ownerteam", "environmentname"}) | {"audit.entry(body)", "audit.secret"},
        "UPDATE": {"remediation_user"},
        "DELETE": (PEOPLE - {"auth_group"}) | {"remediation_user_groups", "mfa_authenticator"},
    },
    "hitl_eraser": {
        "SELECT": {
            "audit.entry(id)", "audit.author", "audit.secret(commitment)",
            "remediation_evidenceblob(sha256)",
            "remediation_evidence(sha256, incident_id)", "remediation_evidenceerasure",
        },
        "INSERT": {"audit.entry(body)", "remediation_evidenceerasure"},
        "DELETE": {"audit.secret", "remediation_evidenceblob"},
    },
}  # fmt: skip

CALLED = {
    "refuse_v1", "digest_v1", "edge_v1", "incident_edge_v1", "lock_proposal_v1", "excluded_v1",
    "frozen_v1", "run_deadline_v1", "open_slots_v1", "scope_v1", "token_revoked_v1",
    "look_asked_v1",
    "lock_incident_v1", "incident_excluded_v1", "look_holds_v1", "viewers_v1",
    "taken_v1", "wait_deadline_v1",
}  # fmt: skip

# Makes a line of the list from an entry; called by fsck and the auditors' pages.
SAID = {"instant_v1", "words_v1", "said_v1"}
# Turns a search text into a query of the queue's index.
ASKED = {"asked_v1", "words_v1"}
# The token under which a person plans.
PLANNED = {"diagnosis_token_v1"}
CALLABLE = {
    "hitl_web": CALLED | ASKED | PLANNED | {"hmac_v1", "queue_ahead_v1"},
    # The worker ends the alternatives that people declined, and knows how long a run waited.
    "hitl_worker": CALLED | SAID | {"hmac_v1", "declined_v1", "waited_v1"},
    "hitl_sequencer": SAID | {"search_v1"},
    "hitl_auditor": SAID | ASKED,
    "hitl_eraser": set(),
    "hitl_operator": {"refuse_v1", "hmac_v1"},
}

PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


def plain(name: str) -> str:
    """`audit.entry(body)` → `audit.entry`."""
    return name.partition("(")[0]


# ---- the grants are the list --------------------------------------------------------------------


@every("login", LOGINS, undo=True)
def test_the_grants_are_the_allow_list(login: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT privilege_type, table_schema, table_name, column_name"
            "  FROM information_schema.column_privileges WHERE grantee = %s"
            " UNION SELECT privilege_type, table_schema, table_name, NULL"
            "  FROM information_schema.table_privileges WHERE grantee = %s",
            [login, login],
        )
        found: dict[str, set[str]] = {}
        for privilege, schema, table, _ in cursor.fetchall():
            found.setdefault(privilege, set()).add(qualified(schema, table))
    listed = ALLOWED[login].items()
    assert found == {privilege: {plain(name) for name in names} for privilege, names in listed}


@every("login", LOGINS, undo=True)
def test_what_a_login_can_do_in_effect_is_the_allow_list(login: str) -> None:
    """Asks the server, so that PUBLIC and memberships count too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p, n.nspname, c.relname FROM pg_class c"
            "  JOIN pg_namespace n ON n.oid = c.relnamespace, unnest(%s::text[]) p"
            " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
            "   AND c.relkind IN ('r', 'v', 'm', 'p', 'f')"
            "   AND has_schema_privilege(%s, n.oid, 'USAGE')"
            "   AND CASE WHEN p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')"
            "            THEN has_any_column_privilege(%s, c.oid, p)"
            "            ELSE has_table_privilege(%s, c.oid, p) END",
            [list(PRIVILEGES), login, login, login],
        )
        found: dict[str, set[str]] = {}
        for privilege, schema, table in cursor.fetchall():
            found.setdefault(privilege, set()).add(qualified(schema, table))
    listed = ALLOWED[login].items()
    assert found == {privilege: {plain(name) for name in names} for privilege, names in listed}


def qualified(schema: str, table: str) -> str:
    return table if schema == "public" else f"{schema}.{table}"


@pytest.mark.parametrize("login", ["hitl_web", "hitl_worker"])
def test_no_login_sets_the_id_of_a_fact(login: str) -> None:
    """Rules read the newest row by id, so ids must come from the sequence."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE a.attidentity <> '' AND has_column_privilege(%s, c.oid, a.attnum, 'INSERT')"
            "   AND c.relname LIKE 'remediation\\_%%'",
            [login],
        )
        found = {row[0] for row in cursor.fetchall()}
    assert found <= facts(ACCOUNTS)


@pytest.mark.parametrize("login", ["hitl_web", "hitl_worker", "hitl_eraser", "hitl_operator"])
def test_logins_write_only_the_body_of_an_entry_and_read_only_its_id(login: str) -> None:
    """No login sets the id of an entry, or its transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT privilege_type || ' ' || column_name FROM information_schema.column_privileges"
            " WHERE grantee = %s AND table_schema = 'audit' AND table_name = 'entry'",
            [login],
        )
        found = {row[0] for row in cursor.fetchall()}
    # The worker compares the proven bytes with what it is about to run.
    proved = {"SELECT body"} if login == "hitl_worker" else set()
    assert found == {"INSERT body", "SELECT id"} | proved


@every("login", LOGINS, undo=True)
def test_logins_may_call_only_these_functions(login: str) -> None:
    """Guard functions run in triggers; no login may call them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            " WHERE n.nspname IN ('remediation', 'audit', 'public')"
            "   AND has_function_privilege(%s, p.oid, 'EXECUTE')",
            [login],
        )
        found = {row[0] for row in cursor.fetchall()}
    assert found == CALLABLE[login]


def test_public_has_nothing() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_schema, table_name, privilege_type"
            "  FROM information_schema.table_privileges"
            " WHERE grantee = 'PUBLIC' AND table_schema IN ('public', 'audit', 'remediation')"
        )
        assert cursor.fetchall() == []
        cursor.execute(
            "SELECT array_remove(array_agg(a.grantee = 0), false) FROM pg_database d,"
            " aclexplode(d.datacl) a WHERE d.datname = current_database()"
        )
        assert cursor.fetchone()[0] == []


# ---- attempts ------------------------------------------------------------------------------


@every(
    "table",
    [
        "remediation_user",
        "mfa_authenticator",
        "account_emailaddress",
        "remediation_agenttoken",
        "remediation_invitation",
        "remediation_reviewsession",
        "remediation_idempotencyrecord",
        "auth_group",
        "django_admin_log",
    ],
)
@every("login", ["hitl_worker", "hitl_auditor", "hitl_sequencer", "hitl_eraser"], undo=True)
def test_a47_a_read_login_opens_no_secrets(login: str, table: str) -> None:
    with connect(login, autocommit=True) as it:
        for what in ("*", "count(*)"):
            with refused(DENIED):
                it.execute(f"SELECT {what} FROM public.{table}")


def test_a47_there_is_no_table_of_sessions_to_open() -> None:
    """Sessions are kept in the cache: a session key read from a table would open the admin."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_name LIKE '%session%'"
            "   AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        assert {row[0] for row in cursor.fetchall()} == {
            "remediation_haltsession",
            "remediation_reviewsession",
        }


def test_the_views_show_the_worker_no_password() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'remediation'"
            "   AND table_name IN ('entitlement', 'account', 'mailbox')"
        )
        shown = {row[0] for row in cursor.fetchall()}
    assert shown == {"user_id", "person", "active", "role", "username", "superuser", "email"}


WRITES = [
    "INSERT INTO audit.entry (body) VALUES ('{}')",
    "INSERT INTO remediation_freeze (frozen, reason, actor, entry, recorded_at)"
    " VALUES (true, '', '', 1, now())",
    "UPDATE remediation_lease SET holder = ''",
    "DELETE FROM remediation_user",
    "SELECT * FROM remediation_proposal FOR UPDATE",
]


@every("statement", WRITES)
@every("login", ["hitl_sequencer", "hitl_auditor"], undo=True)
def test_sequencer_and_auditor_write_nothing(login: str, statement: str) -> None:
    with connect(login, autocommit=True, options="-c default_transaction_read_only=off") as it:  # noqa: SIM117
        with refused(DENIED):
            it.execute(statement)


def test_the_auditor_begins_read_only() -> None:
    with connect("hitl_auditor", autocommit=True) as it:
        row = it.execute("SHOW transaction_read_only").fetchone()
    assert row == ("on",)


ESCAPES = {
    "a temporary table": "CREATE TEMPORARY TABLE x ()",
    "a temporary view": "CREATE TEMPORARY VIEW x AS SELECT 1",
    "a table": "CREATE TABLE public.x ()",
    "a table beside the guards": "CREATE TABLE remediation.x ()",
    "a function": "CREATE FUNCTION public.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a schema": "CREATE SCHEMA x",
    "an extension": "CREATE EXTENSION pg_trgm",
    "the guard is disabled": "ALTER TABLE remediation_review DISABLE TRIGGER guard",
    "all guards are disabled": "ALTER TABLE remediation_review DISABLE TRIGGER ALL",
    "a guard is dropped": "DROP TRIGGER guard ON remediation_review",
    "a constraint is dropped": "ALTER TABLE remediation_review DROP CONSTRAINT review_decision",
    "a column is added": "ALTER TABLE remediation_review ADD COLUMN x int",
    "a trigger is added": "CREATE TRIGGER x BEFORE INSERT ON remediation_review"
    " FOR EACH ROW EXECUTE FUNCTION audit.refuse_v1()",
    "a guard is rewritten": "CREATE OR REPLACE FUNCTION remediation.frozen_v1() RETURNS boolean"
    " LANGUAGE sql AS 'SELECT false'",
    "a guard loses its search_path": "ALTER FUNCTION remediation.frozen_v1() RESET ALL",
    "triggers are made to sleep": "SET session_replication_role = replica",
    "the owner is played": "SET ROLE hitl_owner",
    "the owner's session is taken": "SET SESSION AUTHORIZATION hitl_owner",
    "a file is read": "COPY remediation_freeze FROM '/etc/passwd'",
    "a program is run": "COPY (SELECT 1) TO PROGRAM 'true'",
    "a login is made": "CREATE ROLE x",
    "a password is set": "ALTER ROLE hitl_owner PASSWORD 'x'",
    "a login becomes another": "GRANT hitl_owner TO CURRENT_USER",
    "a setting of everybody": "ALTER DATABASE {database} SET search_path = pg_temp",
    "passwords are read": "SELECT rolpassword FROM pg_authid",
    "a large object": "SELECT lo_create(0)",
    "a large object of old": "SELECT lo_creat(-1)",
    "a large object of bytes": "SELECT lo_from_bytea(0, 'x')",
    "bytes of a large object": "SELECT lowrite(0, 'x')",
    "a lock on a whole table": "BEGIN; LOCK TABLE remediation_proposal IN ACCESS EXCLUSIVE MODE",
}  # fmt: skip
# How PostgreSQL words it, besides "permission denied".
WORDS = ("permission denied", "must be", "only roles with", "must have", "denied")


@every("escape", ESCAPES)
@every("login", LOGINS, undo=True)
def test_a43_no_login_gets_around_the_guards(login: str, escape: str) -> None:
    with connect(login, autocommit=True, options="-c default_transaction_read_only=off") as it:
        it.execute("SELECT 1")
        with pytest.raises(psycopg.Error) as caught:
            it.execute(ESCAPES[escape].format(database=database()))
    assert caught.value.sqlstate == "42501", caught.value
    assert any(word in str(caught.value) for word in WORDS)


@every("login", LOGINS, undo=True)
def test_a43_no_login_grants_itself_a_right(login: str) -> None:
    """Where a login holds some right, PostgreSQL only warns that it granted nothing."""
    asked = "SELECT has_table_privilege(current_user, 'public.remediation_proposal', 'UPDATE')"
    with connect(login, autocommit=True, options="-c default_transaction_read_only=off") as it:
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            it.execute("GRANT UPDATE ON public.remediation_proposal TO CURRENT_USER")
        assert it.execute(asked.replace("public.", "")).fetchone() == (False,)


@every("login", [*LOGINS, "hitl_owner"], undo=True)
def test_no_login_has_special_attributes(login: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin"
            "  FROM pg_roles WHERE rolname = %s",
            [login],
        )
        assert cursor.fetchone() == (False, False, False, False, True)


@every("login", LOGINS, undo=True)
def test_no_process_login_belongs_to_another_role(login: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid"
            " WHERE m.member = %s::regrole",
            [login],
        )
        assert cursor.fetchall() == []


def test_the_sign_in_tables_are_the_closed_list_of_what_may_change() -> None:
    """Only these tables allow UPDATE and DELETE."""
    changing = {
        (login, privilege): names
        for login, listed in ALLOWED.items()
        for privilege, names in listed.items()
        if privilege in ("UPDATE", "DELETE")
    }
    assert changing == {
        ("hitl_web", "UPDATE"): {
            "remediation_user", "auth_group", "account_emailaddress", "mfa_authenticator",
        },
        ("hitl_web", "DELETE"): {
            "remediation_user_groups", "remediation_user_user_permissions",
            "auth_group_permissions", "guardian_userobjectpermission",
            "guardian_groupobjectpermission", "account_emailaddress", "mfa_authenticator",
        },
        ("hitl_worker", "UPDATE"): {"remediation_lease"},
        ("hitl_eraser", "DELETE"): {"audit.secret", "remediation_evidenceblob"},
        ("hitl_operator", "UPDATE"): {"remediation_user"},
        ("hitl_operator", "DELETE"): {
            "remediation_user_groups", "guardian_userobjectpermission",
            "guardian_groupobjectpermission", "mfa_authenticator",
        },
    }  # fmt: skip


def test_rights_on_services_are_read_beside_keys_that_are_not_numbers() -> None:
    """Otherwise one bad guardian row would make every query of rights fail."""
    someone = factories.person()
    service = factories.service()
    factories.grant(someone.user, "review_service", service)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO guardian_userobjectpermission"
            " (object_pk, user_id, permission_id, content_type_id)"
            " SELECT 'no number', user_id, permission_id, content_type_id"
            "   FROM guardian_userobjectpermission"
        )
        cursor.execute(
            "SELECT codename FROM remediation.service_right WHERE person = %s AND service_id = %s",
            [someone.id, service.pk],
        )
        assert cursor.fetchall() == [("review_service",)]


@every("login", sorted(set(LOGINS) - {"hitl_owner"}), undo=True)
def test_a89_temporary_files_end_at_a_limit_that_a_login_cannot_raise(login: str) -> None:
    with connect(login, autocommit=True) as it:
        assert it.execute("SHOW temp_file_limit").fetchone() == ("1GB",)
        with refused(DENIED):
            it.execute("SET temp_file_limit = -1")


def test_a89_no_login_stores_a_large_object_and_the_check_names_who_could() -> None:
    """The control gives back what PostgreSQL gives everybody, in a transaction that is undone."""
    from hitlportal import database_manifest

    expected = (database_manifest.SQL / "manifest.sql").read_text(encoding="utf-8")
    with superuser(database()) as it:
        it.execute("SET LOCAL search_path = pg_catalog")
        assert not large_objects(it.execute(expected.encode()).fetchall())
        it.execute("SAVEPOINT refused")
        it.execute("SET LOCAL ROLE hitl_web")
        with refused(DENIED):
            it.execute("SELECT lo_from_bytea(0, repeat('x', 1000)::bytea)")
        it.execute("ROLLBACK TO refused")
        it.execute("GRANT EXECUTE ON FUNCTION lo_from_bytea(oid, bytea) TO PUBLIC")
        assert large_objects(it.execute(expected.encode()).fetchall()) == [
            "lo_from_bytea(oid,bytea)"
        ]
        it.execute("SET LOCAL ROLE hitl_web")
        it.execute("SELECT lo_from_bytea(0, repeat('x', 1000)::bytea)")
        it.rollback()


def large_objects(found: list[tuple[object, ...]]) -> list[str]:
    return [str(name) for kind, name, _ in found if kind == "functions" and "lo" in str(name)[:2]]


def test_the_cluster_can_be_prepared_again() -> None:
    """install_roles runs on every upgrade, so it must be repeatable."""
    from hitlportal import roles

    with superuser("postgres") as it:
        it.execute("SELECT 1")
    roles.narrow_database(superuser_dsn(), database())


def superuser_dsn() -> str:
    from tests import servers

    return servers.addresses().portal.rsplit("/", 1)[0] + f"/{database()}"
