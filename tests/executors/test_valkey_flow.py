"""A misused Valkey user from the report to its end at a real server, and back by a reversal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from tests.executors.flow import Rotation
from tests.executors.valkey import ValkeyPlace, ValkeyWorld


class SwitchedOff(Rotation):
    """One step: the user off, and its connections ended."""

    valkey: ValkeyWorld

    def begin(self, valkey: ValkeyWorld) -> None:
        self.valkey, self.order = valkey, "none"
        path = valkey.directory / "targets.toml"
        path.write_text(valkey.toml(), encoding="utf-8")
        self.identity = valkey.target
        self.steps = [
            {
                "action": "valkey.user.disable",
                "target": valkey.target,
                "parameters": {"end_connections": True},
            }
        ]
        self.at(path, valkey.target, consumers=["cart"])


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    valkey_place: ValkeyPlace,
    django_capture_on_commit_callbacks: object,
) -> Iterator[SwitchedOff]:
    (tmp_path / "valkey").mkdir()
    valkey = ValkeyWorld("valkey.user.disable", tmp_path / "valkey", valkey_place)
    made = SwitchedOff(tmp_path, settings, (valkey.user,), "production")
    made.begin(valkey)
    yield made
    valkey.close()


def test_a_misused_user_is_switched_off_after_people_decided(world: SwitchedOff) -> None:
    valkey = world.valkey
    proposal_id = world.in_review()
    assert valkey.changes() == 0 and valkey.held.ping()
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    with pytest.raises(redis.ConnectionError):
        valkey.held.ping()
    with pytest.raises(redis.AuthenticationError):
        valkey.connect().ping()
    assert " off " in valkey.place.listed(valkey.user)


def test_old_connections_are_ended_after_people_decided_and_the_user_stays_on(
    world: SwitchedOff,
) -> None:
    valkey = world.valkey
    world.steps = [
        {
            "action": "valkey.user.end_connections",
            "target": valkey.target,
            "parameters": {"begun_before": valkey.cut},
        }
    ]
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    assert valkey.held.ping()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    with pytest.raises(redis.ConnectionError):
        valkey.held.ping()
    assert valkey.connect().ping() and " on " in valkey.place.listed(valkey.user)
