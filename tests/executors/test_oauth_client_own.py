"""The client of the observer's own bearer token is not deleted: nothing could be seen then."""

from __future__ import annotations

from pathlib import Path

import pytest

from remediation.domain.errors import TargetUnobservable
from remediation.executors import oauth_client
from remediation.executors.errors import NotApplied
from remediation.executors.run import run_apply, run_observe
from remediation.executors.targets import Targets
from tests.executors.contract import clearance
from tests.executors.oauth import BEARERS, OAuthPlace
from tests.executors.oauth_client import OAuthClientWorld

DELETE = "oauth.client.delete"


def with_bearer(world: OAuthClientWorld, token: str) -> Targets:
    (world.directory / "observer.token").write_text(token)
    path = world.directory / "targets.toml"
    path.write_text(
        world.toml()
        .replace('observe_client_id = "hitl-observe"\n', "")
        .replace("observe_client_secret_file", "observe_token_file")
        .replace("observer.secret", "observer.token")
    )
    return Targets.load(path, portal_system_identifier=None)


def test_the_client_of_the_observers_token_is_refused(
    tmp_path: Path, oauth_place: OAuthPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = OAuthClientWorld(DELETE, tmp_path, oauth_place, scope="read introspection")
    plan = world.plan()
    assert run_observe(plan.steps[0], with_bearer(world, BEARERS["introspection"])).state["active"]
    targets = with_bearer(world, world.token)
    with pytest.raises(TargetUnobservable, match="observer's own token"):
        run_observe(plan.steps[0], targets)
    with pytest.raises(NotApplied, match="observer's own token"):
        run_apply(clearance(plan), plan.body, 0, targets)
    assert world.changes() == 0
    # Control: without the question the portal deletes what it sees with.
    monkeypatch.setattr(oauth_client, "_refuse_own", lambda *_: None)
    run_apply(clearance(plan), plan.body, 0, targets)
    assert world.changes() == 1
