"""From the report to the effect at a simulated GitHub, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from hitlportal.demo.servers.github_api import Request
from remediation import models as m
from remediation.services.execution import reverse_run
from tests.executors.flow import Rotation
from tests.executors.github import BOT, OPERATE, ORG, GithubPlace, GithubWorld
from tests.factories import WEB
from tests.flows.world import acts

SUSPEND, DELETE = "github.app_installation.suspend", "github.deploy_key.delete"
ADMIN = "organization_administration"


class Contained(Rotation):
    """One step at GitHub."""

    github: GithubWorld

    def begin(self, github: GithubWorld) -> None:
        self.github, self.order = github, "none"
        path = github.directory / "targets.toml"
        path.write_text(github.toml(), encoding="utf-8")
        self.identity = github.target
        self.steps = [{"action": github.action, "target": github.target, "parameters": {}}]
        self.at(path, github.target, consumers=["payments"])
        self.approve_keys_of("alice", "bob", "mallory")


@pytest.fixture
def world(
    request: pytest.FixtureRequest,
    db: None,
    tmp_path: Path,
    settings: Settings,
    github_place: GithubPlace,
    django_capture_on_commit_callbacks: object,
) -> Iterator[Contained]:
    (tmp_path / "github").mkdir()
    github = GithubWorld(request.param, tmp_path / "github", github_place)
    name = str(github.bot.id if request.param == SUSPEND else github.key)
    made = Contained(tmp_path, settings, (name,), "production")
    made.begin(github)
    yield made
    github.close()


def status(place: GithubPlace, bearer: str) -> int:
    """Return what GitHub answers to the holder of an App's token."""
    return place.api.answer(Request("GET", f"/orgs/{ORG}/installations", {}, bearer)).status


@pytest.mark.parametrize("world", [SUSPEND], indirect=True)
def test_a_leaked_app_is_suspended_after_people_decided_and_let_in_again(world: Contained) -> None:
    """A token that it got before is refused meanwhile, and taken again afterwards."""
    github, place = world.github, world.github.place
    github.bot.permissions[ADMIN] = "read"
    token = place.token(github.bot)
    proposal_id = world.in_review()
    assert github.changes() == 0 and status(place, token) == 200
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert status(place, token) == 403
    assert github.audit() == [("integration_installation.suspend", BOT)]

    with acts(WEB):
        back = reverse_run.propose(
            actor=world.people["alice"].user, proposal_id=proposal_id, reason="It was a false alarm"
        )
    world.assess(back)
    assert github.bot.suspended_at
    world.decide("bob", back)
    world.decide("mallory", back)
    world.execute(back)
    assert world.state_of(back) == "succeeded", world.phases(back)
    assert status(place, token) == 200
    assert github.audit()[1:] == [("integration_installation.unsuspend", BOT)]
    records = repr(list(m.StepRecord.objects.values()))
    assert token not in records and "ghs_" not in records and "PRIVATE KEY" not in records


@pytest.mark.parametrize("world", [DELETE], indirect=True)
def test_a_leaked_deploy_key_is_deleted_after_people_decided(world: Contained) -> None:
    github = world.github
    proposal_id = world.in_review()
    assert github.changes() == 0
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert [*github.org.repositories[github.repository]] == [github.other_key]
    assert github.audit() == [("public_key.delete", OPERATE)] and github.changes() == 1
