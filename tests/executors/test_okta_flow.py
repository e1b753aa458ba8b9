"""From the report to the effect at a simulated Okta, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from remediation import models as m
from remediation.services.execution import reverse_run
from tests.executors.flow import Rotation
from tests.executors.okta import OPERATE, OktaPlace, OktaWorld
from tests.factories import WEB
from tests.flows.world import acts

SUSPEND, CLEAR = "okta.user.suspend", "okta.user.clear_sessions"


class Contained(Rotation):
    """One step at Okta."""

    okta: OktaWorld

    def begin(self, okta: OktaWorld) -> None:
        self.okta, self.order = okta, "none"
        path = okta.directory / "targets.toml"
        path.write_text(okta.toml(), encoding="utf-8")
        self.identity = okta.target
        parameters = okta.parameters
        self.steps = [{"action": okta.action, "target": okta.target, "parameters": parameters}]
        self.at(path, okta.target, consumers=["payments"])
        self.approve_keys_of("alice", "bob", "mallory")


@pytest.fixture
def world(
    request: pytest.FixtureRequest,
    db: None,
    tmp_path: Path,
    settings: Settings,
    okta_place: OktaPlace,
    django_capture_on_commit_callbacks: object,
) -> Iterator[Contained]:
    (tmp_path / "okta").mkdir()
    okta = OktaWorld(request.param, tmp_path / "okta", okta_place)
    made = Contained(tmp_path, settings, (okta.user.id,), "production")
    made.begin(okta)
    yield made
    okta.close()


@pytest.mark.parametrize("world", [SUSPEND], indirect=True)
def test_a_taken_over_user_is_suspended_after_people_decided_and_let_in_again(
    world: Contained,
) -> None:
    okta = world.okta
    proposal_id = world.in_review()
    assert okta.changes() == 0
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert okta.log() == [("user.lifecycle.suspend", OPERATE)]
    # Nothing says that a suspension ends them.
    assert (okta.user.status, okta.user.sessions) == ("SUSPENDED", 1)

    with acts(WEB):
        back = reverse_run.propose(
            actor=world.people["alice"].user, proposal_id=proposal_id, reason="It was a false alarm"
        )
    world.assess(back)
    assert okta.user.status == "SUSPENDED"
    world.decide("bob", back)
    world.decide("mallory", back)
    world.execute(back)
    assert world.state_of(back) == "succeeded", world.phases(back)
    assert okta.log()[1:] == [("user.lifecycle.unsuspend", OPERATE)]
    records = repr(list(m.StepRecord.objects.values()))
    assert "eyJ" not in records and "PRIVATE KEY" not in records


@pytest.mark.parametrize("world", [CLEAR], indirect=True)
def test_sessions_are_cleared_after_people_decided(world: Contained) -> None:
    okta = world.okta
    proposal_id = world.in_review()
    assert okta.changes() == 0
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert (okta.user.sessions, okta.user.oauth_tokens, okta.changes()) == (0, 0, 1)
    assert okta.log() == [("user.session.clear", OPERATE)]
