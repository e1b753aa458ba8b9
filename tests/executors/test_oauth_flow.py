"""A leaked OAuth token, and a client, from the report to the end; there is no way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from remediation import models as m
from tests.executors.flow import Rotation
from tests.executors.oauth import OAuthPlace, OAuthWorld, sha256
from tests.executors.oauth_client import OAuthClientWorld


class Revoked(Rotation):
    """One step: the token revoked."""

    oauth: OAuthWorld

    def begin(self, oauth: OAuthWorld) -> None:
        self.oauth, self.order = oauth, "none"
        path = oauth.directory / "targets.toml"
        path.write_text(oauth.toml(), encoding="utf-8")
        self.identity = oauth.target
        self.steps = [
            {
                "action": "oauth.token.revoke",
                "target": oauth.target,
                "parameters": {"token_type": "access_token"},
            }
        ]
        self.at(path, oauth.target, consumers=["shop"])


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    oauth_place: OAuthPlace,
    django_capture_on_commit_callbacks: object,
) -> Iterator[Revoked]:
    (tmp_path / "oauth").mkdir()
    oauth = OAuthWorld("oauth.token.revoke", tmp_path / "oauth", oauth_place)
    made = Revoked(tmp_path, settings, (sha256(oauth.token),), "production")
    made.begin(oauth)
    yield made
    oauth.close()


def test_a_leaked_token_is_revoked_after_people_decided(world: Revoked) -> None:
    oauth = world.oauth
    proposal_id = world.in_review()
    assert oauth.changes() == 0 and oauth.place.is_active(oauth.token)
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert not oauth.place.is_active(oauth.token) and not oauth.place.refreshes(oauth.grant)
    assert oauth.changes() == 1
    assert oauth.token not in repr(list(m.StepRecord.objects.values()))


class Deleted(Rotation):
    """One step: the client deleted."""

    oauth: OAuthClientWorld

    def begin(self, oauth: OAuthClientWorld) -> None:
        self.oauth, self.order = oauth, "none"
        path = oauth.directory / "targets.toml"
        path.write_text(oauth.toml(), encoding="utf-8")
        self.identity = oauth.target
        self.steps = [
            {"action": oauth.action, "target": oauth.target, "parameters": oauth.parameters}
        ]
        self.at(path, oauth.target, consumers=["shop"])


@pytest.fixture
def deleted(
    db: None,
    tmp_path: Path,
    settings: Settings,
    oauth_place: OAuthPlace,
    django_capture_on_commit_callbacks: object,
) -> Iterator[Deleted]:
    (tmp_path / "oauth").mkdir()
    oauth = OAuthClientWorld("oauth.client.delete", tmp_path / "oauth", oauth_place)
    made = Deleted(tmp_path, settings, (oauth.client.client_id,), "production")
    made.begin(oauth)
    yield made
    oauth.close()


def test_a_client_is_deleted_after_people_decided(deleted: Deleted) -> None:
    oauth = deleted.oauth
    proposal_id = deleted.in_review()
    assert oauth.changes() == 0 and oauth.place.is_active(oauth.token)
    deleted.decide("alice", proposal_id)
    deleted.decide("bob", proposal_id)
    deleted.execute(proposal_id)
    assert deleted.state_of(proposal_id) == "succeeded", deleted.phases(proposal_id)
    assert not oauth.place.is_active(oauth.token) and oauth.changes() == 1
    records = repr(list(m.StepRecord.objects.values()))
    assert oauth.token not in records and oauth.client.token not in records
