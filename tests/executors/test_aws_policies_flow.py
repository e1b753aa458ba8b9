"""A misused IAM user is denied everything after people decided, and let go on by a reversal.

The portal's own run, and AWS simulated by moto.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from pytest_django import Settings

from remediation.services.execution import reverse_run
from tests.executors import moto
from tests.executors.aws_policies import DeniedUserWorld
from tests.executors.flow import Rotation
from tests.factories import WEB
from tests.flows.world import acts

DENY = "aws.iam_user.deny_all"


class Denied(Rotation):
    """One step: the user denied."""

    aws: DeniedUserWorld

    def begin(self, aws: DeniedUserWorld) -> None:
        self.aws, self.order = aws, "none"
        path = aws.directory / "targets.toml"
        path.write_text(aws.toml(), encoding="utf-8")
        self.identity = aws.target
        self.steps = [{"action": DENY, "target": aws.target, "parameters": {}}]
        self.at(path, aws.target, consumers=["billing"])


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    simulator: moto.Moto,
    django_capture_on_commit_callbacks: object,
) -> Denied:
    (tmp_path / "aws").mkdir()
    aws = DeniedUserWorld(DENY, tmp_path / "aws", simulator)
    made = Denied(tmp_path, settings, (aws.name,), "production")
    made.begin(aws)
    return made


def test_a_misused_user_is_denied_and_let_go_on_by_a_second_approval(world: Denied) -> None:
    aws = world.aws
    first = world.in_review()
    aws.uses_key()
    world.decide("alice", first)
    world.execute(first)
    aws.uses_key()
    world.decide("bob", first)
    world.execute(first)
    assert world.state_of(first) == "succeeded", world.phases(first)
    with pytest.raises(ClientError, match="AccessDenied"):
        aws.uses_key()
    with acts(WEB):
        why = "The key belongs to the nightly backup."
        new = reverse_run.propose(actor=world.people["alice"].user, proposal_id=first, reason=why)
    world.assess(new)
    world.approve_keys_of("alice", "bob", "mallory")
    world.decide("mallory", new)
    with pytest.raises(ClientError, match="AccessDenied"):
        aws.uses_key()
    world.decide("bob", new)
    world.execute(new)
    assert world.state_of(new) == "succeeded", world.phases(new)
    aws.uses_key()
    assert [line["call"] for line in aws.lines()] == ["iam:PutUserPolicy", "iam:DeleteUserPolicy"]
