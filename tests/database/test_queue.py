"""Places in the lists follow the facts, in order of urgency; only triggers write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from remediation import models as m
from remediation.domain.ruling import Risk
from remediation.domain.states import FINAL, ProposalState
from tests import factories
from tests.database.attack import APPEND_ONLY, DENIED, refused, sql
from tests.database.logins import connect
from tests.every import every

pytestmark = pytest.mark.django_db

PROJECTIONS = {
    "remediation_queueentry": ("queue_now_v1", "remediation_proposal"),
    "remediation_incidententry": ("incident_now_v1", "remediation_incident"),
}


def rows(statement: str, *values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def stale() -> list[Any]:
    """Return rows that differ from the facts, in either direction."""
    found = []
    for table, (function, facts) in PROJECTIONS.items():
        now = f"SELECT n.* FROM {facts} f, LATERAL remediation.{function}(f.id) n"
        found += rows(f"(TABLE {table} EXCEPT {now}) UNION ALL ({now} EXCEPT TABLE {table})")
    return found


@every("state", [state.value for state in ProposalState], undo=True)
def test_the_place_follows_the_facts_in_every_state(state: str) -> None:
    made = factories.proposal_at(state, slots=("any", "security"))
    entry = m.QueueEntry.objects.get(pk=made.pk)
    assert stale() == []
    assert (entry.state, entry.agent_id, entry.incident_id) == (
        state, made.agent_id, made.incident_id,
    )  # fmt: skip
    assert (entry.place >= "9") == (state in FINAL)


def test_a_review_takes_its_slot_out_of_the_place() -> None:
    alice = factories.person(roles=["security"])
    made = factories.proposal_at("in_review", slots=("any", "security"))
    factories.review(made, alice, slot="security")
    entry = m.QueueEntry.objects.get(pk=made.pk)
    assert (entry.open_slots, entry.decided) == (["any"], [alice.id])
    factories.assess(made, slots=("security",))
    entry.refresh_from_db()
    assert (entry.open_slots, entry.decided, stale()) == (["security"], [], [])


def test_services_of_every_round_give_view_and_of_this_round_decision() -> None:
    made = factories.proposal("twice")
    factories.assess(made)
    old = m.Service.objects.get()
    edge = m.Dependency.objects.get()
    factories.dependency_version(edge, present=False)
    with factories.acting("hitl_web"):
        new = factories.service()
        factories.dependency(new, m.Identity.objects.get())
    factories.assess(made)
    entry = m.QueueEntry.objects.get(pk=made.pk)
    assert set(entry.touched) >= {old.pk, new.pk}
    assert new.pk in entry.direct
    assert m.IncidentEntry.objects.get(pk=made.incident_id).touched == entry.touched
    assert stale() == []


def test_the_incident_follows_its_own_transitions() -> None:
    made = factories.proposal_at("succeeded")
    factories.incident_move(made.incident, "contained")
    assert m.IncidentEntry.objects.get(pk=made.incident_id).state == "contained"
    factories.incident_move(made.incident, "open", source="contained", reason="access was found")
    assert m.IncidentEntry.objects.get(pk=made.incident_id).state == "open"
    assert stale() == []


def place(**said: Any) -> str:
    now = datetime(2026, 11, 26, tzinfo=UTC)
    usual = {
        "state": "in_review", "risk": "high", "due": now, "detected": now, "moved": now,
        "id": "00000000-0000-4000-8000-000000000000",
    }  # fmt: skip
    values = {**usual, **said}
    return str(
        rows(
            "SELECT remediation.urgency_v1(%s, %s, %s, %s, %s, %s::uuid)",
            *(values[key] for key in usual),
        )[0][0]
    )


def test_a34_the_order_is_risk_then_deadline_then_age() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    by_risk = [place(risk=risk.value, due=late) for risk in reversed(Risk)]
    assert by_risk == sorted(by_risk)
    assert len(set(place_[1] for place_ in by_risk)) == len(Risk)
    # The highest risk with the latest deadline comes before the next risk with the earliest.
    assert place(risk="critical", due=late) < place(risk="high", due=early, detected=early)
    assert place(due=early, detected=late) < place(due=late, detected=early) < place(due=None)
    assert place(detected=early) < place(detected=late)
    # An unassessed proposal cannot come before an assessed one.
    assert place(state="in_review", risk="low") < place(state="submitted", risk="", due=early)


def test_ended_proposals_come_last_newest_first() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    for state in FINAL:
        assert place(state="executing") < place(state=state, moved=late)
        assert place(state=state, moved=late) < place(state=state, moved=early)


@pytest.mark.parametrize("detected", ["-infinity", "infinity", "0001-01-01", "9999-12-31"])
def test_an_extreme_detection_time_breaks_no_place(detected: str) -> None:
    """An agent may give any detection time."""
    found = rows(
        "SELECT length(remediation.urgency_v1('in_review', 'low', now(), %s::timestamptz, now(),"
        " gen_random_uuid()))",
        detected,
    )
    assert found == [(70,)]


@every("login", ["web", "worker", "auditor"])
@every("table", PROJECTIONS, undo=True)
def test_a43_no_login_writes_a_place(login: str, table: str) -> None:
    with connect(f"hitl_{login}", options="-c default_transaction_read_only=off") as it:
        for statement in (
            f"INSERT INTO {table} SELECT * FROM {table}",
            f"UPDATE {table} SET state = 'in_review'",
            f"DELETE FROM {table}",
        ):
            with refused(DENIED):
                it.execute(statement)
            it.rollback()


@pytest.mark.parametrize("function", ["queue_v1", "list_incident_v1", "queue_now_v1"])
def test_a43_no_login_calls_the_functions_that_write_places(function: str) -> None:
    for login in ("hitl_web", "hitl_worker"):
        with connect(login) as it, refused(DENIED):
            it.execute(f"SELECT remediation.{function}(gen_random_uuid())")


@pytest.mark.parametrize("table", PROJECTIONS)
def test_not_even_the_owner_writes_a_place_by_hand(table: str) -> None:
    factories.proposal()
    for statement in (
        f"INSERT INTO {table} SELECT * FROM {table} WHERE false",
        f"UPDATE {table} SET state = 'in_review'",
    ):
        with refused(APPEND_ONLY), transaction.atomic():
            sql(statement)


def test_functions_that_write_places_cannot_be_shadowed() -> None:
    """As guards: a fixed search_path, and every relation by its schema (A43)."""
    found = rows(
        "SELECT p.proname, p.prosecdef, p.proconfig, p.prosrc FROM pg_proc p"
        " WHERE p.pronamespace = 'remediation'::regnamespace"
        "   AND p.proname ~ '^(queue|list|incident_now|place|digits|words|asked|asks)'"
    )
    assert len(found) >= 10
    for name, _, config, source in found:
        assert "search_path=pg_catalog, pg_temp" in config, name
        assert not re.search(r"(?:FROM|JOIN|INTO|UPDATE)\s+remediation_", source), name


@every(
    ("asked", "found"),
    [
        ("misused", True),
        ("MIS key", True),
        ("billing", True),
        ("aws t-1", False),
        ("test.target:billing-1", True),
        ("ключ", True),
        ("' & | ! :* <-> \\", False),
        ("misused' | 'x", False),
        ("", False),
    ],
    undo=True,
)
def test_a_search_text_is_read_as_words_only(asked: str, found: bool) -> None:
    agent = factories.agent(name="Watch Dog")
    incident = factories.incident(agent, "test.target:billing-1", title="Key misused: Ключ")
    made = factories.proposal("billing-1", agent=agent, incident=incident)
    hits = m.QueueEntry.objects.filter(words__said=asked)
    assert [entry.pk for entry in hits] == ([made.pk] if found else [])


def test_the_names_of_saved_views_are_their_persons_own() -> None:
    """The record and the row name the same person (A43)."""
    someone, other = factories.person(), factories.person()
    with refused("entry_names"), factories.acting("hitl_web"):
        m.SavedView.objects.create(
            person=other.id,
            name="x",
            query="risk=high",
            entry=factories.entry("person:view:saved", someone.actor, someone.actor),
        )


def test_a_place_has_the_time_of_its_transition() -> None:
    made = factories.proposal_at("withdrawn")
    moved = made.transitions.get().recorded_at
    micros = (moved - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    entry = m.QueueEntry.objects.get(pk=made.pk)
    assert entry.place == f"9{9_999_999_999_999_999 - micros}{made.pk}"
