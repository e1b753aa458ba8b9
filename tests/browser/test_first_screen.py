"""The decision in one screen, measured in Chromium for every proposal of the demo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Come
from tests.browser.demo_world import DemoTargets, DemoWorld, demo_targets
from tests.flows.world import World
from tests.servers import addresses

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoTargets]:
    with demo_targets(tmp_path_factory.mktemp("demo"), addresses()) as made:
        yield made


@pytest.fixture
def demo(world: World, targets: DemoTargets) -> DemoWorld:
    return DemoWorld(world, targets)


def test_look(demo: DemoWorld, come: Come) -> None:
    alice = come(demo.person("alice"))
    for name, proposal_id in demo.proposals().items():
        page = alice.open(f"/proposals/{proposal_id}/")
        print(name, page.evaluate("document.documentElement.scrollHeight"))
        alice.shoot(f"first-{name}")
