"""Waking the worker never raises and never waits; the outbox rows decide what is done."""

from __future__ import annotations

from uuid import uuid4

import pytest
from celery import current_app
from django.core.cache import cache

from remediation import models as m
from remediation import tasks
from remediation.services.outbox import dispatch, pause
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


@pytest.mark.parametrize("message", ["", "not an id", "'; DROP TABLE x", None, 7, {"id": 1}])
def test_a41_a_message_that_holds_no_id_does_nothing(message: object) -> None:
    for task in (tasks.execute, tasks.assess, tasks.settle):
        task.run(message)
    assert not m.Execution.objects.exists()


def test_a41_a_message_for_an_id_that_does_not_exist_does_nothing() -> None:
    with acts(factories.WORKER):
        tasks.execute.run(str(uuid4()))
        tasks.assess.run(str(uuid4()))
        tasks.settle.run(str(uuid4()))


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
