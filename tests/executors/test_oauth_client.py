"""A client that registered itself is deleted at a real provider, and what it takes to see that."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.limits import limits
from remediation.domain.plan import Step
from remediation.executors import oauth_client
from remediation.executors.base import Deadline, Settled
from remediation.executors.errors import NotApplied, OutcomeUnknown, VerifyFailed
from remediation.executors.oauth_kept import iso
from remediation.executors.oauth_registration import names
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_traces,
    run_verify,
    would_refuse,
)
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from tests.executors.contract import clearance, make_plan
from tests.executors.oauth import OAuthPlace, sha256
from tests.executors.oauth_client import PEOPLE, OAuthClientWorld, register

DELETE = "oauth.client.delete"


@pytest.fixture
def world(tmp_path: Path, oauth_place: OAuthPlace) -> OAuthClientWorld:
    return OAuthClientWorld(DELETE, tmp_path, oauth_place)


def run(world: OAuthClientWorld) -> dict[str, Json]:
    """Observe, check, apply and verify, as a run does; return what apply says."""
    plan, targets = world.plan(), world.targets()
    seen = run_observe(plan.steps[0], targets)
    kept = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    done = run_apply(clearance(plan), plan.body, 0, targets, kept)
    run_verify(clearance(plan), plan.body, 0, targets, kept)
    return dict(done.detail)


def step_with(world: OAuthClientWorld, *tokens: str) -> Step:
    return make_plan(DELETE, world.target, {"tokens": [sha256(one) for one in tokens]}).steps[0]


def test_the_client_and_all_of_its_tokens_end_and_no_other_client(world: OAuthClientWorld) -> None:
    unnamed = world.client.signed_in()["access_token"]
    other = register(world.place, PEOPLE)
    others = other.signed_in()["access_token"]

    assert run(world) == {"deleted": True}

    assert not world.place.is_active(world.token) and not world.place.is_active(unnamed)
    assert (
        world.client.gets_token(grant_type="refresh_token", refresh_token=world.refresh)[0] == 401
    )
    assert world.place.is_active(others) and other.call("GET")[0] == 200
    [call] = world.place.provider.calls(world.client.path)
    assert (call["method"], call["status"]) == ("DELETE", 204), "it is not read"


def test_people_see_whose_tokens_end_and_that_its_users_are_cut(world: OAuthClientWorld) -> None:
    seen = run_observe(world.step, world.targets())
    assert seen.state["active"] is True and seen.shown["offline_until"] == ""
    assert seen.shown["deletes_at"] == world.place.provider.url.removeprefix("http://")
    assert run_traces(world.step, world.targets()) == {
        "tokens": [f"{sha256(world.token)[:16]}… of ann for read"]
    }
    said = [one.fill(one.sentence) for one in limits(world.step, seen)]
    assert any("Each user of the client is cut" in one and "of ann" in one for one in said)
    assert world.token not in repr(seen) and world.client.token not in repr(seen)


def test_a_self_contained_token_counts_as_open_until_it_ends(
    tmp_path: Path, oauth_place: OAuthPlace
) -> None:
    world = OAuthClientWorld(DELETE, tmp_path, oauth_place, scope="read jwt")
    run(world)
    seen = run_observe(world.step, world.targets())
    assert str(seen.shown["offline_until"]) > "2026"
    points = executor_of(world.step).points(world.step, seen)
    assert [point.without_access for point in points] == [True, None]


def test_without_an_active_token_of_the_client_nothing_is_done(world: OAuthClientWorld) -> None:
    targets = world.targets()
    with pytest.raises(TargetUnobservable, match="only a plan names"):
        run_observe(replace(world.step, parameters={}), targets)
    with pytest.raises(TargetUnobservable, match="an operator puts it there"):
        run_observe(step_with(world, world.token, "nobody-put-this-there"), targets)
    others = world.place.grant().access
    world.put(others)
    with pytest.raises(TargetUnobservable, match="not one of this client"):
        run_observe(step_with(world, world.token, others), targets)
    # This provider introspects no refresh tokens.
    world.put(world.refresh)
    dead = step_with(world, world.refresh)
    assert "nobody could see" in would_refuse(dead, run_observe(dead, targets))
    both = step_with(world, world.token, world.refresh)
    assert would_refuse(both, run_observe(both, targets)) == ""
    assert world.changes() == 0


def test_a_token_that_could_end_by_itself_proves_nothing(
    world: OAuthClientWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth_client, "LEAST_MINUTES", 61)  # the provider's tokens live 60
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    assert "would look like a deletion" in would_refuse(world.step, seen)
    with pytest.raises(NotApplied, match="would look like a deletion"):
        run_apply(clearance(plan), plan.body, 0, targets)
    assert world.changes() == 0


def test_not_active_counts_only_before_the_tokens_own_end(world: OAuthClientWorld) -> None:
    plan, targets, executor = world.plan(), world.targets(), executor_of(world.step)
    before = run_observe(world.step, targets)
    run(world)
    after = run_observe(world.step, targets)
    now = datetime.now(UTC)
    cases: dict[str, Settled | None] = {
        f"{now + timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}": Settled.APPLIED,
        f"{now + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}": None,  # clocks differ
        f"{now - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}": None,
        "-": None,
    }
    for ends, wanted in cases.items():
        kept: dict[str, Json] = {"active": True, "active_tokens": [f"{sha256(world.token)} {ends}"]}
        assert executor.settled_from(world.step, after, kept, {}) is wanted, ends
        if wanted is None:
            with pytest.raises(VerifyFailed, match="ended by itself"):
                run_verify(clearance(plan), plan.body, 0, targets, kept)
            with pytest.raises(NotApplied, match="ended by itself"):
                run_apply(clearance(plan), plan.body, 0, targets, kept)
    assert executor.settled_from(world.step, after, {}, {}) is None
    assert executor.settled(after) is None and executor.settled(before) is Settled.NOT_APPLIED
    less = {**before.state, "active_tokens": []}
    assert executor.settled_from(world.step, before, less, {}) is None


def test_a_refused_repeat_is_no_proof_of_a_deletion(world: OAuthClientWorld) -> None:
    """No service repeats the call; the provider answers a holder's tricks like a second DELETE."""
    plan, targets = world.plan(), world.targets()
    kept = run_observe(world.step, targets).state
    assert run_apply(clearance(plan), plan.body, 0, targets, kept).detail == {"deleted": True}
    with pytest.raises(OutcomeUnknown, match="only people can say"):
        run_apply(clearance(plan), plan.body, 0, targets, kept)
    run_verify(clearance(plan), plan.body, 0, targets, kept)


def test_revoked_tokens_are_not_taken_for_a_deleted_client(world: OAuthClientWorld) -> None:
    """Somebody revokes the named tokens between the gate's look and the call."""
    plan, targets = world.plan(), world.targets()
    kept = run_observe(world.step, targets).state
    client = world.client
    form = {"client_id": client.client_id, "client_secret": client.secret, "token": world.token}
    world.place.post("/o/revoke_token/", "shop", **form)
    assert not world.place.is_active(world.token) and client.call("GET")[0] == 200
    assert run_apply(clearance(plan), plan.body, 0, targets, kept).detail == {"deleted": True}
    assert client.call("GET")[0] == 401


# -- least rights ----------------------------------------------------------------------------------


def test_a_wrong_registration_token_deletes_nothing(world: OAuthClientWorld) -> None:
    wrong = {
        register(world.place, PEOPLE).token: "does not accept the registration token",
        "no-token-at-all": "does not accept the registration token",
        "two words": "no registration token",
        "": "no registration token",
    }
    plan = world.plan()
    for token, why in wrong.items():
        (world.directory / "operate.registration").write_text(token)
        with pytest.raises(NotApplied, match=why):
            run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.place.is_active(world.token) and world.client.call("GET")[0] == 200


def test_what_the_observer_has_deletes_no_client(world: OAuthClientWorld) -> None:
    for text in ("secret-of-the-observer", world.token):
        assert world.client.call("DELETE", token=text)[0] == 401
    assert world.client.call("GET")[0] == 200


def test_without_an_entry_the_client_is_not_deleted(world: OAuthClientWorld) -> None:
    path = world.directory / "targets.toml"
    head, _, _ = world.toml().partition("[oauth.login.clients.")
    path.write_text(head)
    targets, plan = Targets.load(path, portal_system_identifier=None), world.plan()
    seen = run_observe(world.step, targets)
    assert "no registration token" in would_refuse(world.step, seen)
    with pytest.raises(NotApplied, match="no registration token"):
        run_apply(clearance(plan), plan.body, 0, targets)


def test_the_client_that_observes_is_the_workers_own(world: OAuthClientWorld) -> None:
    own = make_plan(DELETE, {**world.target, "client_id": "hitl-observe"}, world.parameters)
    assert world.targets().is_own(own.steps[0].target)
    assert not world.targets().is_own(world.step.target)


def test_the_client_that_revokes_for_others_is_the_workers_own(world: OAuthClientWorld) -> None:
    path = world.directory / "more.toml"
    (world.directory / "any.secret").write_text("secret-of-the-operator")
    path.write_text(
        f'{world.toml()}[oauth.login.clients."*"]\nclient_id = "hitl-operate"\n'
        'operate_client_secret_file = "any.secret"\n'
    )
    targets = Targets.load(path, portal_system_identifier=None)
    own = make_plan(DELETE, {**world.target, "client_id": "hitl-operate"}, world.parameters)
    assert targets.is_own(own.steps[0].target) and not targets.is_own(world.step.target)


def test_a_token_that_ended_in_the_year_702_proves_nothing() -> None:
    """Pinned ends are compared as texts."""
    ends = iso(datetime(702, 6, 15, tzinfo=UTC))
    assert ends == "0702-06-15T00:00:00Z"
    assert oauth_client._ending_after([f"{'0' * 64} {ends}"], datetime.now(UTC)) == []


def test_no_log_of_the_worker_has_a_token(
    world: OAuthClientWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    run(world)
    for secret in (world.token, world.client.token, world.client.secret):
        assert secret not in caplog.text


def test_no_time_left_changes_nothing(world: OAuthClientWorld) -> None:
    step, given = world.step, clearance(world.plan())
    with pytest.raises(NotApplied, match="no time"):
        executor_of(step).apply(given, step, world.targets(), Deadline.within(1))
    assert world.changes() == 0


# -- the address of the client ---------------------------------------------------------------------


def test_the_address_names_the_client_and_no_other_one() -> None:
    at = "https://login.example"
    good = [
        ("x1", f"{at}/register/x1"),
        ("x1", f"{at}/register/x1/"),
        ("x1", f"{at}/register?client_id=x1"),
        ("x1", f"{at}/register?tenant=a&client_id=x1"),
        ("x1", f"{at}/register/x1?tenant=a"),
        ("a/b c%:", f"{at}/register/a%2Fb%20c%25%3A"),
        ("a/b c", f"{at}/register?client_id=a%2fb+c"),
        ("a+b", f"{at}/r/a+b"),
    ]
    bad = [
        ("x1", f"{at}/register/x12"),
        ("x1", f"{at}/register/x1/secret"),
        ("x1", f"{at}/x1/../x2"),
        ("x1", f"{at}/x2/%2e%2E/x1"),
        ("x1", f"{at}/register/X1"),
        ("x1", f"{at}/register?client_id=x12"),
        ("x1", f"{at}/register/x1?client_id=x2"),
        ("x1", f"{at}/register?client_id=x2&id=x1"),
        # Another parameter than client_id does not name it, and none may name another one.
        ("x1", f"{at}/register?tenant=a&id=x1"),
        ("x1", f"{at}/register?tenant=x1"),
        ("x1", f"{at}/register/x1?id=x2"),
        ("x1", f"{at}/register/x1?Client-Id=x2"),
        ("x1", f"{at}/register/x1?clientId=x2"),
        ("x1", f"{at}/register?client_id=x1&client=x2"),
        ("x1", f"{at}/register?client_id=x1&client_id=x2"),
        ("x1", f"{at}/register?x1"),
        ("x1", f"{at}/x2\\x1"),
        ("x1", f"{at}/x 2/x1"),
        ("a/b", f"{at}/register/a/b"),
        ("a+b", f"{at}/register?client_id=a+b"),
        ("..", f"{at}/register/.."),
        (" ", f"{at}/register/"),
        ("\xff", f"{at}/register/%ff"),
    ]
    for client_id, address in good:
        assert names(address, client_id), address
    for client_id, address in bad:
        assert not names(address, client_id), address


def test_an_address_elsewhere_is_refused(world: OAuthClientWorld) -> None:
    url, client = world.place.provider.url, world.client
    here, path = f'"{url}{client.path}"', world.directory / "wrong.toml"

    def load(address: str, origin: str = "") -> None:
        world.more = f'registration_origin = "{origin}"\n' if origin else ""
        path.write_text(world.toml().replace(here, f'"{address}"'))
        Targets.load(path, portal_system_identifier=None)

    other = f"https://register.example{client.path}"
    for address in (
        other,
        f"http://localhost:{world.place.provider.port}{client.path}",
        f"http://127.0.0.1:1{client.path}",
        f"{url.replace('http', 'https')}{client.path}",
        f"http://register.example{client.path}",
        f"{url}/o/register/another/",
        f"{url}{client.path}#x",
        f"{url.replace('//', '//user@')}{client.path}",
    ):
        with pytest.raises(TargetsFileInvalid):
            load(address)
    load(other, "https://register.example")
    load(other, "https://REGISTER.example:443/")
    for origin in (
        "https://register.example:444",
        "https://register.example/x",
        "http://a.example",
    ):
        with pytest.raises(TargetsFileInvalid):
            load(other, origin)
