"""An instance is isolated after people decided, and gets its network back by a reversal.

The portal's own run, and AWS simulated by moto.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from remediation.services.execution import reverse_run
from tests.executors import moto
from tests.executors.aws_instances import InstanceWorld
from tests.executors.flow import Rotation
from tests.factories import WEB
from tests.flows.world import acts

ISOLATE = "aws.instance.isolate"


class Isolated(Rotation):
    """One step: the instance isolated."""

    aws: InstanceWorld

    def begin(self, aws: InstanceWorld) -> None:
        self.aws, self.order = aws, "none"
        path = aws.directory / "targets.toml"
        path.write_text(aws.toml(), encoding="utf-8")
        self.identity = aws.target
        self.steps = [{"action": ISOLATE, "target": aws.target, "parameters": aws.parameters}]
        self.at(path, aws.target, consumers=["billing"])


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    simulator: moto.Moto,
    django_capture_on_commit_callbacks: object,
) -> Isolated:
    (tmp_path / "aws").mkdir()
    aws = InstanceWorld(ISOLATE, tmp_path / "aws", simulator)
    made = Isolated(tmp_path, settings, (aws.name,), "production")
    made.begin(aws)
    return made


def test_an_instance_is_isolated_and_restored_by_a_second_approval(world: Isolated) -> None:
    aws = world.aws
    first = world.in_review()
    world.decide("alice", first)
    world.execute(first)
    assert aws.groups() == {aws.interface: aws.earlier} and aws.held() == [aws.profile]
    world.decide("bob", first)
    world.execute(first)
    assert world.state_of(first) == "succeeded", world.phases(first)
    assert aws.groups() == {aws.interface: [aws.isolation]} and aws.held() == []
    with acts(WEB):
        why = "The instance was cleaned and is needed."
        new = reverse_run.propose(actor=world.people["alice"].user, proposal_id=first, reason=why)
    world.assess(new)
    world.approve_keys_of("alice", "bob", "mallory")
    world.decide("mallory", new)
    assert aws.held() == []
    world.decide("bob", new)
    world.execute(new)
    assert world.state_of(new) == "succeeded", world.phases(new)
    assert aws.groups() == {aws.interface: aws.earlier} and aws.held() == [aws.profile]
    assert [line["call"] for line in aws.lines()] == [
        "ec2:ModifyNetworkInterfaceAttribute",
        "ec2:DisassociateIamInstanceProfile",
        "ec2:ModifyNetworkInterfaceAttribute",
        "ec2:AssociateIamInstanceProfile",
    ]
