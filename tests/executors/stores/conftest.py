"""A world for each kind of store."""

from __future__ import annotations

from pathlib import Path

import pytest

from remediation.domain.gate.gate import Clearance
from tests.executors.contract import clearance, make_plan
from tests.executors.stores.worlds import WORLDS, StoreWorld


@pytest.fixture
def given() -> Clearance:
    return clearance(make_plan("test.noop", {"kind": "test.target", "name": "alpha"}, {}))


@pytest.fixture(params=WORLDS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> StoreWorld:
    """Return a place in a store of each kind."""
    make, server = WORLDS[request.param]
    world: StoreWorld = make(tmp_path, request.getfixturevalue(server) if server else None)
    return world
