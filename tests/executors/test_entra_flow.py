"""From the report to the effect at a simulated Entra, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from remediation import models as m
from remediation.services.execution import reverse_run
from tests.executors.entra import OPERATE, EntraPlace, EntraWorld
from tests.executors.flow import Rotation
from tests.factories import WEB
from tests.flows.world import acts

DISABLE, REMOVE = "entra.service_principal.disable", "entra.application_secret.remove"


class Contained(Rotation):
    """One step at Entra."""

    entra: EntraWorld

    def begin(self, entra: EntraWorld) -> None:
        self.entra, self.order = entra, "none"
        path = entra.directory / "targets.toml"
        path.write_text(entra.toml(), encoding="utf-8")
        self.identity = entra.target
        parameters = entra.parameters
        self.steps = [{"action": entra.action, "target": entra.target, "parameters": parameters}]
        self.at(path, entra.target, consumers=["payments"])
        self.approve_keys_of("alice", "bob", "mallory")


@pytest.fixture
def world(
    request: pytest.FixtureRequest,
    db: None,
    tmp_path: Path,
    settings: Settings,
    entra_place: EntraPlace,
    django_capture_on_commit_callbacks: object,
) -> Iterator[Contained]:
    (tmp_path / "entra").mkdir()
    entra = EntraWorld(request.param, tmp_path / "entra", entra_place)
    made = Contained(tmp_path, settings, (entra.own,), "production")
    made.begin(entra)
    yield made
    entra.close()


@pytest.mark.parametrize("world", [DISABLE], indirect=True)
def test_a_leaked_application_is_disabled_after_people_decided_and_enabled_again(
    world: Contained,
) -> None:
    entra, api = world.entra, world.entra.place.api
    proposal_id = world.in_review()
    assert entra.changes() == 0
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert api.things[entra.principal].shown["accountEnabled"] is False
    said = [one for one in api.audit if one[2] == entra.principal]
    assert said == [("Disable service principal", OPERATE, entra.principal)]

    with acts(WEB):
        back = reverse_run.propose(
            actor=world.people["alice"].user, proposal_id=proposal_id, reason="It was a false alarm"
        )
    world.assess(back)
    assert api.things[entra.principal].shown["accountEnabled"] is False
    world.decide("bob", back)
    world.decide("mallory", back)
    world.execute(back)
    assert world.state_of(back) == "succeeded", world.phases(back)
    assert api.things[entra.principal].shown["accountEnabled"] is True
    records = repr(list(m.StepRecord.objects.values()))
    assert "eyJ" not in records and "PRIVATE KEY" not in records


@pytest.mark.parametrize("world", [REMOVE], indirect=True)
def test_a_leaked_secret_is_removed_after_people_decided(world: Contained) -> None:
    entra = world.entra
    proposal_id = world.in_review()
    assert entra.changes() == 0
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    left = entra.place.api.things[entra.application].shown["passwordCredentials"]
    assert left == [entra.other] and entra.changes() == 1
