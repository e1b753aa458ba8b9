"""Fixtures of the flow tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.flows.world import World

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(
    db: None, tmp_path: Path, settings: Settings, django_capture_on_commit_callbacks: object
) -> MakeWorld:
    """`make_world("t1", "t2", environment="staging")` returns a world with these targets."""

    def make(*targets: str, environment: str = "production") -> World:
        return World(tmp_path, settings, targets or ("t1",), environment)

    return make


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()
