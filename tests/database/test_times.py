"""Rules read only times of the database, and deadlines only come earlier."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models, transaction

from remediation import models as m
from remediation.domain.policy import Ruling
from remediation.models.base import Fact
from tests import factories
from tests.database.attack import refused
from tests.every import every
from tests.factories import WEB, WORKER, acting, entry

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
DATED = [
    model._meta.db_table
    for model in apps.get_app_config("remediation").get_models()
    if any(field.name == "recorded_at" for field in model._meta.fields)
]


def now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found


# The first trigger of a table, and its function. The one of tellings stamps the login, too.
CLOCKS = {"a_fact": "fact_v1", "a_clock": "clock_v1"}
OWN_CLOCKS = {"remediation_telling": {"a_writer": "telling_v1"}}


def clocks(table: str) -> dict[str, str]:
    return OWN_CLOCKS.get(table, CLOCKS)


@every("table", DATED, undo=True)
def test_every_dated_table_takes_the_time_from_the_database(table: str) -> None:
    """BEFORE INSERT, FOR EACH ROW (7 = row, before, insert), also for a replica."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.tgname, t.tgtype, t.tgenabled, p.proname FROM pg_trigger t"
            "  JOIN pg_proc p ON p.oid = t.tgfoid"
            " WHERE t.tgrelid = %s::regclass AND t.tgname = ANY(%s)",
            [table, list(clocks(table))],
        )
        assert cursor.fetchall() in [[(name, 7, "A", run)] for name, run in clocks(table).items()]


def test_every_fact_is_dated_and_has_an_entry() -> None:
    facts = [model for model in apps.get_app_config("remediation").get_models()]
    for model in facts:
        if not issubclass(model, Fact):
            continue
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_trigger WHERE tgrelid = %s::regclass"
                "   AND tgname IN ('a_fact', 'append_only') AND tgenabled = 'A'",
                [model._meta.db_table],
            )
            assert cursor.fetchone()[0] == 2, model


def test_the_first_trigger_of_a_table_is_the_clock() -> None:
    """Triggers fire by name; an earlier guard would read the caller's time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, min(tgname) FROM pg_trigger"
            " WHERE NOT tgisinternal AND tgtype = 7 AND tgrelid::regclass::text = ANY(%s)"
            " GROUP BY 1",
            [DATED],
        )
        first = dict(cursor.fetchall())
    assert set(first) == set(DATED)
    assert {table: name for table, name in first.items() if name not in clocks(table)} == {}


def insert(row: models.Model, login: str = WEB) -> Any:
    for name in ("actor", "created_by"):
        if hasattr(row, name):
            setattr(row, name, factories.actor_of(login))
    actor = row.agent.actor if isinstance(row, m.Incident) else factories.actor_of(login)
    with acting(login):
        if isinstance(row, Fact):
            row.entry = entry("worker:notice:sent", actor, "x")
        row.save(force_insert=True)
    row.refresh_from_db()
    return row


@pytest.mark.parametrize("then", [LONG_AGO, datetime(2100, 1, 1, tzinfo=UTC)])
def test_a43_a_time_from_the_caller_is_ignored(then: datetime) -> None:
    agent = factories.agent()
    proposal = factories.proposal_at("in_review")
    rows = [
        insert(m.Service(name="x", recorded_at=then)),
        insert(m.Incident(agent=agent, detected_at=then, recorded_at=then)),
        insert(m.Refusal(proposal=proposal, recorded_at=then)),
        insert(m.Freeze(frozen=False, recorded_at=then), WORKER),
        insert(m.Notice(proposal=proposal, round=1, recorded_at=then), WORKER),
    ]
    for row in rows:
        assert abs(row.recorded_at - now()) < timedelta(minutes=1)


def test_a43_the_control_without_the_clock_keeps_the_callers_time() -> None:
    with factories.unguarded("remediation_freeze", "a_fact"):
        assert insert(m.Freeze(frozen=False, recorded_at=LONG_AGO), WORKER).recorded_at == LONG_AGO


def telling(**said: Any) -> m.Telling:
    person = factories.person().id
    return m.Telling(kind="test", once=f"test:{factories.number()}", person=person, **said)


def test_a43_a_telling_takes_time_and_login_from_the_database() -> None:
    """Its key holds the login: else web could use the worker's key, and nobody would be told."""
    said = {"recorded_at": LONG_AGO, "writer": "hitl_worker"}
    made = insert(telling(**said))
    assert abs(made.recorded_at - now()) < timedelta(minutes=1)
    assert made.writer == "hitl_web"
    with factories.unguarded("remediation_telling", "a_writer"):
        made = insert(telling(**said))
    assert (made.recorded_at, made.writer) == (LONG_AGO, "hitl_worker")


def test_an_invitation_is_valid_for_fifteen_minutes_whatever_was_sent() -> None:
    someone = factories.person()
    made = insert(m.Invitation(person=someone.id, expires_at=datetime(2100, 1, 1, tzinfo=UTC)), WEB)
    assert timedelta(minutes=14) < made.expires_at - now() <= timedelta(minutes=15)
    factories.use(made)


def test_columns_that_rules_read_come_from_the_ruling() -> None:
    """Even if the worker sends other values beside the bytes that people sign."""
    proposal = factories.proposal()
    with transaction.atomic():
        made = factories.insert_assessment(
            proposal,
            pin_digest="x",
            scope_digest="x",
            checks_digest="x",
            ruling_digest="x",
            risk="x",
            run_within_s=77,
        )
    ruling = Ruling.parse(bytes(made.ruling))
    assert made.ruling_digest == ruling.digest
    assert (tuple(made.slots), made.risk) == (ruling.slots, ruling.risk)
    assert (made.decide_by, made.run_within_s) == (ruling.decide_by, 77)
    assert "x" not in (made.pin_digest, made.scope_digest, made.checks_digest)


def test_a_deadline_only_comes_earlier() -> None:
    proposal = factories.proposal_at("in_review")
    was = proposal.assessments.get().decide_by
    assert was is not None
    factories.assess(proposal, decide_by=was - timedelta(minutes=5))
    with refused("assessment_deadline"), transaction.atomic():
        factories.insert_assessment(proposal, decide_by=was)
    factories.assess(proposal, decide_by=was - timedelta(minutes=5))
    assert proposal.round == 3


def test_an_assessment_can_be_signed_for_ten_minutes() -> None:
    proposal = factories.proposal_at("in_review", slots=["any", "any"])
    assessment = proposal.assessments.get()
    factories.backdate(assessment, minutes=9, seconds=50)
    factories.review(proposal, factories.person(roles=["security"]))
    factories.backdate(assessment, seconds=10)
    with refused("review_fresh"), transaction.atomic():
        factories.review(proposal, factories.person(roles=["security"]))


def test_a_statement_can_be_signed_for_five_minutes() -> None:
    proposal, alice = factories.proposal_at("in_review"), factories.person(roles=["security"])
    session = factories.session(proposal, alice)
    factories.backdate(session, "expires_at", minutes=4, seconds=50)
    factories.sign(session, alice)


def test_a30_an_approval_can_run_until_its_deadline() -> None:
    proposal = factories.proposal_at("approved")
    approval = proposal.transitions.get(to_state="approved")
    run_within = proposal.assessments.get().run_within_s
    factories.backdate(approval, seconds=run_within - 10)
    with refused("transition_early"), transaction.atomic():
        factories.move(proposal, "expired")
    factories.backdate(approval, seconds=10)
    with refused("deadline"), transaction.atomic():
        factories.execute(proposal)
    factories.move(proposal, "expired")


def test_the_time_to_run_counts_from_the_newest_approval() -> None:
    proposal = factories.proposal_at("approved")
    factories.backdate(proposal.transitions.get(to_state="approved"), days=1)
    factories.assess(proposal, slots=["any"])
    factories.approve(proposal)
    factories.execute(proposal)
    assert proposal.transitions.filter(to_state="executing").exists()


def test_an_unknown_deadline_runs_nothing_and_expires_nothing() -> None:
    """Fail closed: a comparison with NULL is not true."""
    proposal = factories.proposal_at("approved")
    with factories.unguarded("remediation_assessment"):
        proposal.assessments.update(round=9)
    with refused("deadline"), transaction.atomic():
        factories.execute(proposal)
    with refused("transition_early"), transaction.atomic():
        factories.move(proposal, "expired")
