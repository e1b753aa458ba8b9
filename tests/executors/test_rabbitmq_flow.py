"""A misused RabbitMQ user from the report to its end at a real server, and back by a reversal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import amqp
import pytest
from pytest_django import Settings

from remediation.services.execution import reverse_run
from tests.executors.flow import Rotation
from tests.executors.rabbitmq import RabbitPlace, RabbitWorld
from tests.factories import WEB
from tests.flows.world import acts


class SwitchedOff(Rotation):
    """One step: the user off, and its connections ended."""

    rabbit: RabbitWorld

    def begin(self, rabbit: RabbitWorld) -> None:
        self.rabbit, self.order = rabbit, "none"
        path = rabbit.directory / "targets.toml"
        path.write_text(rabbit.toml(), encoding="utf-8")
        self.identity = rabbit.target
        self.steps = [
            {
                "action": "rabbitmq.user.disable",
                "target": rabbit.target,
                "parameters": {"end_connections": True},
            }
        ]
        self.at(path, rabbit.target, consumers=["cart"])


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    rabbit_place: RabbitPlace,
    django_capture_on_commit_callbacks: object,
) -> Iterator[SwitchedOff]:
    (tmp_path / "rabbitmq").mkdir()
    rabbit = RabbitWorld("rabbitmq.user.disable", tmp_path / "rabbitmq", rabbit_place)
    made = SwitchedOff(tmp_path, settings, (rabbit.user,), "production")
    made.begin(rabbit)
    made.approve_keys_of("alice", "bob", "mallory")
    yield made
    rabbit.close()


def test_a_misused_user_is_switched_off_and_on_after_people_decided(world: SwitchedOff) -> None:
    rabbit = world.rabbit
    first = world.in_review()
    assert rabbit.changes() == 0 and rabbit.held.open
    world.decide("alice", first)
    world.decide("bob", first)
    world.execute(first)
    assert world.state_of(first) == "succeeded", world.phases(first)
    assert rabbit.held.ended()
    with pytest.raises(amqp.NotAllowed):
        rabbit.connect()
    log = rabbit.place.changing(rabbit._begins)
    assert log == [
        f"PUT /api/user-limits/{rabbit.user}/max-connections",
        f"DELETE /api/connections/username/{rabbit.user}",
    ]

    with acts(WEB):
        new = reverse_run.propose(
            actor=world.people["alice"].user, proposal_id=first, reason="It is the nightly backup."
        )
    world.assess(new)
    assert (rabbit.place.limit(rabbit.user), rabbit.changes()) == (0, 2)
    world.decide("mallory", new)
    world.decide("bob", new)
    world.execute(new)
    assert world.state_of(new) == "succeeded", world.phases(new)
    assert rabbit.place.limit(rabbit.user) is None
    assert rabbit.connect().open
