"""A worker that consumes nothing while work waits ends, and only then (A72)."""

from __future__ import annotations

import pytest

from hitlportal.celery import app
from hitlportal.watchdog import KINDS, STALLED_S, is_stalled, kinds_of, youngest
from remediation.models import OutboxMessage
from remediation.services.outbox import dispatch
from tests import factories
from tests.flows.world import World, acts

LIMIT = 300.0


@pytest.mark.parametrize(
    ("silence", "waits", "busy", "stalled"),
    [
        (10_000, None, False, False),  # nothing to do
        (STALLED_S, STALLED_S, False, False),  # a message may still come
        (STALLED_S + 16, STALLED_S, False, True),
        (STALLED_S + 50, 600, False, False),  # the sweeper sends once a minute
        (STALLED_S + 61, 600, False, True),
        (STALLED_S + 61, 600, True, False),  # a task runs
        (STALLED_S + 61 + LIMIT, 600, True, True),  # longer than any may
    ],
)
def test_a72_a_silence_is_judged_by_what_waits(
    silence: float, waits: float | None, busy: bool, stalled: bool
) -> None:
    assert is_stalled(silence, waits, busy=busy, time_limit=LIMIT) is stalled


def test_every_kind_of_due_work_is_watched_where_its_messages_come() -> None:
    for kind, task in dispatch.TASKS.items():
        queue = app.conf.task_routes[task]["queue"]
        assert kind in kinds_of([queue])
        assert kind in KINDS["sweep"]
    assert kinds_of(["record", "live"]) == []


@pytest.mark.django_db
def test_what_waits_is_read_from_the_outbox(tmp_path, settings, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from django.db import connection

    monkeypatch.setattr(connection, "close", lambda: None)  # it is the test's own
    World(tmp_path, settings).approved()
    with acts(factories.WORKER):
        assert youngest(["execute"]) is None
    for row in OutboxMessage.objects.all():
        factories.backdate(row, seconds=100)
    with acts(factories.WORKER):
        assert youngest(["assess"]) is None
        age = youngest(["execute"])
    assert age is not None and 100 <= age < 200
