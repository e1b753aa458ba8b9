"""Places by service follow the queue's places; only triggers write them."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from remediation import models as m
from remediation.domain.states import ProposalState
from tests import factories
from tests.database.attack import APPEND_ONLY, DENIED, refused, sql
from tests.database.logins import connect
from tests.database.test_queue import rows
from tests.every import every

pytestmark = pytest.mark.django_db

TABLE = "remediation_queueservice"
# With more services than this, a proposal has no place by service (sql/queue.sql).
WIDE = 100
LOGINS = ("web", "worker", "auditor", "sequencer", "eraser")


def stale() -> list[Any]:
    """Return rows by service that differ from the queue's places, in either direction."""
    now = (
        "SELECT t.id, q.place FROM remediation_queueentry q, unnest(q.touched) AS t(id)"
        f" WHERE cardinality(q.touched) <= {WIDE}"
    )
    return rows(f"({now} EXCEPT TABLE {TABLE}) UNION ALL (TABLE {TABLE} EXCEPT {now})")


def held(place: str) -> set[int]:
    return set(m.QueueService.objects.filter(place=place).values_list("service", flat=True))


def place_of(proposal: m.Proposal) -> str:
    return m.QueueEntry.objects.get(pk=proposal.pk).place


@every("state", [state.value for state in ProposalState], undo=True)
def test_each_service_has_the_place_once_in_every_state(state: str) -> None:
    made = factories.proposal_at(state, slots=("any", "security"))
    entry = m.QueueEntry.objects.get(pk=made.pk)
    assert held(entry.place) == set(entry.touched)
    assert (m.QueueService.objects.count(), stale()) == (len(entry.touched), [])


def test_a_proposal_without_services_has_no_place_by_service_until_one_is_known() -> None:
    made = factories.proposal()
    first = place_of(made)
    assert held(first) == {m.NO_SERVICE}
    factories.assess(made)
    assert (held(first), m.NO_SERVICE in held(place_of(made))) == (set(), False)
    assert held(place_of(made))


@every("login", LOGINS, undo=True)
def test_a43_no_login_writes_a_place_by_service(login: str) -> None:
    with connect(f"hitl_{login}", options="-c default_transaction_read_only=off") as it:
        for statement in (
            f"INSERT INTO {TABLE} (service, place) VALUES (1, '1')",
            f"UPDATE {TABLE} SET place = '1'",
            f"DELETE FROM {TABLE}",
        ):
            with refused(DENIED):
                it.execute(statement)
            it.rollback()


@pytest.mark.parametrize("login", ["worker", "auditor", "sequencer", "eraser"])
def test_a43_only_web_may_read_the_first_places(login: str) -> None:
    with connect(f"hitl_{login}") as it, refused(DENIED):
        it.execute("SELECT remediation.queue_ahead_v1('{1}', '1', '2', 9)")


def test_not_even_the_owner_writes_a_place_by_hand() -> None:
    factories.proposal()
    for statement in (
        f"INSERT INTO {TABLE} (service, place) VALUES (1, '1')",
        f"UPDATE {TABLE} SET place = '1'",
        f"DELETE FROM {TABLE}",
        f"TRUNCATE {TABLE}",
    ):
        with refused(APPEND_ONLY), transaction.atomic():
            sql(statement)
