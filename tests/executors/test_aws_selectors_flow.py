"""A trail that records less than it did is put right after people decided.

The portal's own run, and AWS simulated by moto.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.executors import moto
from tests.executors.aws_trails import NARROWED, TrailWorld
from tests.executors.flow import Rotation

RESTORE = "aws.trail.restore_selectors"


class Restored(Rotation):
    """One step: the selectors of a trail restored."""

    aws: TrailWorld

    def begin(self, aws: TrailWorld) -> None:
        self.aws, self.order = aws, "none"
        path = aws.directory / "targets.toml"
        path.write_text(aws.toml(), encoding="utf-8")
        self.identity = aws.target
        self.steps = [{"action": RESTORE, "target": aws.target, "parameters": aws.parameters}]
        self.at(path, aws.target, consumers=["billing"])


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    simulator: moto.Moto,
    django_capture_on_commit_callbacks: object,
) -> Restored:
    (tmp_path / "aws").mkdir()
    aws = TrailWorld(RESTORE, tmp_path / "aws", simulator)
    made = Restored(tmp_path, settings, (aws.name,), "production")
    made.begin(aws)
    return made


def test_a_narrowed_trail_records_everything_again_after_the_approval(world: Restored) -> None:
    aws = world.aws
    first = world.in_review()
    world.decide("alice", first)
    world.execute(first)
    assert aws.selectors()[0] == [NARROWED]
    world.decide("bob", first)
    world.execute(first)
    assert world.state_of(first) == "succeeded", world.phases(first)
    [named] = aws.parameters["earlier_selectors"]  # type: ignore[misc]
    assert aws.selectors()[0] == [json.loads(str(named))]
    assert [line["call"] for line in aws.lines()] == ["cloudtrail:PutEventSelectors"]
