"""A bucket is closed to the public after people decided, and opened again by a reversal.

The portal's own run, and AWS simulated by moto.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from remediation.domain.catalogue.aws_bucket import FLAGS
from remediation.services.execution import reverse_run
from tests.executors import moto
from tests.executors.aws_buckets import EARLIER, BucketWorld
from tests.executors.flow import Rotation
from tests.factories import WEB
from tests.flows.world import acts

BLOCK = "aws.bucket.block_public_access"


class Closed(Rotation):
    """One step: the bucket closed to the public."""

    aws: BucketWorld

    def begin(self, aws: BucketWorld) -> None:
        self.aws, self.order = aws, "none"
        path = aws.directory / "targets.toml"
        path.write_text(aws.toml(), encoding="utf-8")
        self.identity = aws.target
        self.steps = [{"action": BLOCK, "target": aws.target, "parameters": aws.parameters}]
        self.at(path, aws.target, consumers=["billing"])


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    simulator: moto.Moto,
    django_capture_on_commit_callbacks: object,
) -> Closed:
    (tmp_path / "aws").mkdir()
    aws = BucketWorld(BLOCK, tmp_path / "aws", simulator)
    made = Closed(tmp_path, settings, (aws.name,), "production")
    made.begin(aws)
    return made


def test_a_public_bucket_is_closed_and_opened_by_a_second_approval(world: Closed) -> None:
    aws = world.aws
    first = world.in_review()
    world.decide("alice", first)
    world.execute(first)
    assert aws.flags() == EARLIER
    world.decide("bob", first)
    world.execute(first)
    assert world.state_of(first) == "succeeded", world.phases(first)
    assert aws.flags() == [*FLAGS]
    with acts(WEB):
        why = "The price list is meant for everyone."
        new = reverse_run.propose(actor=world.people["alice"].user, proposal_id=first, reason=why)
    world.assess(new)
    world.approve_keys_of("alice", "bob", "mallory")
    world.decide("mallory", new)
    assert aws.flags() == [*FLAGS]
    world.decide("bob", new)
    world.execute(new)
    assert world.state_of(new) == "succeeded", world.phases(new)
    assert aws.flags() == EARLIER
    assert [line["call"] for line in aws.lines()] == ["s3:PutBucketPublicAccessBlock"] * 2
