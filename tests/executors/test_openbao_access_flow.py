"""A misused entity of OpenBao is disabled at a real server, and comes back by a reversal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from remediation.services.execution import reverse_run
from tests.executors.flow import Rotation
from tests.executors.openbao import Place
from tests.executors.openbao_access import AccessWorld
from tests.factories import WEB
from tests.flows.world import acts

WHY = "The entity belongs to the nightly deployment."


class SwitchedOff(Rotation):
    """One step: the entity disabled."""

    bao: AccessWorld

    def begin(self, bao: AccessWorld) -> None:
        self.bao, self.order, self.identity = bao, "none", bao.target
        path = bao.directory / "targets.toml"
        path.write_text(bao.toml(), encoding="utf-8")
        self.steps = [{"action": bao.action, "target": bao.target, "parameters": {}}]
        self.at(path, bao.target, consumers=["deployment"])


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    bao_place: Place,
    django_capture_on_commit_callbacks: object,
) -> Iterator[SwitchedOff]:
    (tmp_path / "bao").mkdir()
    bao = AccessWorld("openbao.entity.disable", tmp_path / "bao", bao_place)
    made = SwitchedOff(tmp_path, settings, (bao.entity,), "production")
    made.begin(bao)
    made.approve_keys_of("alice", "bob", "mallory")
    yield made
    bao.close()


def test_a_misused_entity_is_disabled_after_people_decided_and_enabled_by_a_second_decision(
    world: SwitchedOff,
) -> None:
    bao, token = world.bao, str(world.bao.signed_in["client_token"])
    first = world.in_review()
    assert bao.changes() == 0 and bao.place.is_valid(token)
    world.decide("alice", first)
    world.decide("bob", first)
    world.execute(first)
    assert world.state_of(first) == "succeeded", world.phases(first)
    assert not bao.place.is_valid(token) and not bao.can_sign_in()
    assert bao.changes() == 1, "the server's own log has one change by the operator"

    with acts(WEB):
        new = reverse_run.propose(actor=world.people["alice"].user, proposal_id=first, reason=WHY)
    world.assess(new)
    for name in ("mallory", "bob"):
        assert not bao.place.is_valid(token)
        world.decide(name, new)
    world.execute(new)
    assert world.state_of(new) == "succeeded", world.phases(new)
    assert bao.place.is_valid(token) and bao.can_sign_in(), "the old token is back, as declared"
    assert bao.changes() == 2
