"""Waking the worker never raises and never waits; the outbox rows decide what is done."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import current_app
from django.core.cache import cache

from remediation import models as m
from remediation import tasks
from remediation.services.outbox import dispatch, pause
from remediation.services.outbox.take import take
from tests import factories
from tests.flows.world import World, acts

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(tmp_path, settings):  # type: ignore[no-untyped-def]
    return World(tmp_path, settings)


def test_an_unreachable_broker_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_app.conf, "broker_url", "redis://127.0.0.1:1/0")
    with current_app.connection("redis://127.0.0.1:1/0") as dead:
        from functools import partial

        monkeypatch.setattr(
            current_app, "send_task", partial(current_app.send_task, connection=dead)
        )
        assert dispatch.wake("execute", uuid4()) is False


def test_an_unclaimed_message_is_sent_again_with_back_off(world: World) -> None:
    proposal_id = world.approved()
    for row in m.OutboxMessage.objects.all():
        factories.backdate(row, seconds=10)
    cache.clear()
    with acts(factories.WORKER):
        assert dispatch.sweep() == 1
        assert dispatch.sweep() == 0
    world.execute(proposal_id)
    cache.clear()
    with acts(factories.WORKER):
        assert dispatch.sweep() == 0


TAKERS = (tasks.execute, tasks.assess, tasks.settle, tasks.reconcile_one)


@pytest.mark.parametrize("task", TAKERS, ids=lambda task: task.name)
def test_a41_a_task_takes_no_id(task: Any) -> None:
    with pytest.raises(TypeError):
        task.run(str(uuid4()))


def test_a41_a_message_too_many_finds_nothing_to_do(world: World) -> None:
    world.in_review()
    with acts(factories.WORKER):
        for task in TAKERS:
            task.run()
    assert not m.Execution.objects.exists()
    assert m.Assessment.objects.count() == 1


def test_a_message_takes_what_is_due_of_its_kind_and_nothing_else(world: World) -> None:
    cache.clear()
    proposal_id = world.submit()
    with acts(factories.WORKER):
        tasks.execute.run()
        assert world.state_of(proposal_id) == "submitted"
        tasks.assess.run()
    assert world.state_of(proposal_id) == "in_review"


def test_what_fails_keeps_nothing_else_from_its_turn(world: World) -> None:
    cache.clear()
    world.approved()
    seen = []

    def fails(key: UUID) -> None:
        seen.append(key)
        raise RuntimeError("a target that nobody can read")

    with acts(factories.WORKER):
        assert take("execute", work=fails) == 1
        # Marked as tried: the next message goes on with other rows, until the mark is over.
        assert take("execute", work=fails) == 0
        cache.clear()
        assert take("execute", work=fails) == 1
    assert len(seen) == 2


@pytest.mark.parametrize("state", ["submitted", "in_review"])
def test_a41_a_message_for_an_unapproved_proposal_runs_nothing(world: World, state: str) -> None:
    proposal_id = world.submit() if state == "submitted" else world.in_review()
    world.execute(proposal_id)
    assert world.calls() == []
    assert world.state_of(proposal_id) == state


def test_an_assessment_message_that_comes_twice_opens_one_round(world: World) -> None:
    proposal_id = world.in_review()
    world.assess(proposal_id)
    assert world.get(proposal_id).round == 1


def test_an_unreachable_cache_stops_no_sweep(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from redis.exceptions import ConnectionError as CacheDown

    world.approved()
    for row in m.OutboxMessage.objects.all():
        factories.backdate(row, seconds=10)

    def down(*_: object, **__: object) -> bool:
        raise CacheDown("no route")

    monkeypatch.setattr(pause.cache, "add", down)
    with acts(factories.WORKER):
        assert dispatch.sweep() == 1
