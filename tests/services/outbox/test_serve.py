"""A worker works for its own environments only, whatever message wakes it (A72)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.core.cache import cache
from django.db import connection
from pytest_django import Settings

from hitlportal import watchdog
from remediation import models as m
from remediation import queues, tasks
from remediation.domain import plan
from remediation.domain.errors import NotServed
from remediation.services.execution import lease, look, reconcile
from remediation.services.outbox import dispatch, serve
from tests import factories
from tests.factories import WORKER
from tests.flows.world import WORKER_ACTOR, World, acts

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    cache.clear()
    return World(tmp_path, settings, ("t1",), "production")


def serve_only(world: World, *environments: str) -> None:
    world.settings.ENVIRONMENTS = environments


def test_a72_a_worker_of_staging_neither_takes_nor_claims_work_of_production(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "close", lambda: None)  # it is the test's own
    proposal_id = world.approved()
    for row in m.OutboxMessage.objects.all():
        factories.backdate(row, seconds=100)
    serve_only(world, "staging")
    with acts(WORKER):
        tasks.execute.run()
        assert watchdog.youngest(["execute"]) is None
        assert [row.environment for row in dispatch.due(["execute"])] == ["production"]
    assert not world.refusals(proposal_id)
    # As if it had the message and the row all the same.
    world.execute(proposal_id)
    assert (world.state_of(proposal_id), world.calls()) == ("approved", [])
    assert world.refusals(proposal_id) == ["not_served"]
    with acts(WORKER), pytest.raises(NotServed):
        lease.claim(["test.target:t1"], worker="worker:staging", proposal=proposal_id)
    assert not m.Lease.objects.exists()
    cache.clear()
    serve_only(world, "production")
    with acts(WORKER):
        age = watchdog.youngest(["execute"])
        tasks.execute.run()
    assert age is not None and age >= 100
    assert world.state_of(proposal_id) == "succeeded"


def test_a72_control_without_the_check_it_would_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal_id = world.approved()
    serve_only(world, "staging")
    monkeypatch.setattr(serve, "check", lambda _: None)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"


def test_what_the_targets_file_says_counts_against_the_plan(world: World) -> None:
    """An agent chose the plan's environment; the operator of the host wrote the file."""
    world.environment = "staging"
    proposal_id = world.approved()
    file = world.directory / "targets.toml"
    serve_only(world, "staging")
    serve.check(proposal_id)
    file.write_text(f'{file.read_text()}\nenvironment = "production"\n')
    with pytest.raises(NotServed, match="production; staging served"):
        serve.check(proposal_id)


def test_runs_and_looks_of_other_environments_are_left_alone(world: World) -> None:
    proposal_id = world.approved()
    serve_only(world, "staging")
    assert serve.own_proposals([proposal_id]) == []
    assert serve.own_identities({"test.target:t1", "test.target:unknown"}) == set()
    assert look._own([world.get(proposal_id).incident_id]) == []
    with acts(WORKER):
        assert reconcile.reconcile(actor=WORKER_ACTOR) == 0
    serve_only(world, "production")
    assert serve.own_proposals([proposal_id]) == [proposal_id]
    assert serve.own_identities({"test.target:unknown"}) == {"test.target:unknown"}
    assert look._own([world.get(proposal_id).incident_id]) != []


def test_a_message_goes_to_the_queue_of_its_environment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def send(task: str, *, queue: str, **_: Any) -> None:
        sent.append(queue)

    world.environment = "staging"
    proposal_id = world.approved()
    monkeypatch.setattr(current_app, "send_task", send)
    dispatch.wake("execute", proposal_id)
    serve_only(world, "staging")
    dispatch.wake_live()
    assert sent == ["execute.staging", "live.staging"]


def test_the_environments_are_those_of_a_plan() -> None:
    assert queues.ENVIRONMENTS == plan.ENVIRONMENTS
