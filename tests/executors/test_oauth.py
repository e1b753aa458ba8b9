"""Tokens of a real OAuth provider: what a revocation ends and leaves, and which rights it takes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.limits import limits
from remediation.executors import oauth_kept, regular_file
from remediation.executors.base import Candidate, Deadline
from remediation.executors.errors import CredentialUnavailable, NotApplied, VerifyFailed
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_secret_in_force,
    run_traces,
    run_verify,
    would_refuse,
)
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from tests.executors.contract import clearance, make_plan
from tests.executors.oauth import (
    BEARERS,
    INTROSPECT,
    ISSUER,
    SECRETS,
    OAuthPlace,
    OAuthWorld,
    jwt,
    sha256,
)

REVOKE = "oauth.token.revoke"


@pytest.fixture
def world(tmp_path: Path, oauth_place: OAuthPlace) -> OAuthWorld:
    return OAuthWorld(REVOKE, tmp_path, oauth_place)


def run(world: OAuthWorld, token_type: str = "access_token") -> None:
    """Observe, check, apply and verify, as a run does."""
    plan = make_plan(REVOKE, world.target, {"token_type": token_type})
    targets = world.targets()
    run_prepare(clearance(plan), plan.body, 0, targets, run_observe(plan.steps[0], targets))
    run_apply(clearance(plan), plan.body, 0, targets)
    run_verify(clearance(plan), plan.body, 0, targets)


def said(world: OAuthWorld) -> dict[str, Json]:
    """Return what an observation shows."""
    return dict(run_observe(world.step, world.targets()).shown)


# -- what it ends, and what it leaves --------------------------------------------------------------


def test_with_an_access_token_this_provider_ends_the_grant(world: OAuthWorld) -> None:
    """RFC 7009 lets a provider do that; Django OAuth Toolkit does since 3.4."""
    place, sibling = world.place, world.place.grant()
    run(world)
    assert not place.is_active(world.token) and place.row(world.token) == []
    assert not place.refreshes(world.grant)
    assert place.is_active(sibling.access), "another grant of the same client and user goes on"
    [call] = [one for one in place.provider.calls()[world._begins :] if "revoke" in one["path"]]
    assert (call["client"], call["hint"], call["status"]) == ("shop", "access_token", 200)


def test_with_a_refresh_token_its_access_token_ends_and_that_is_seen(world: OAuthWorld) -> None:
    """At a provider that introspects refresh tokens."""
    world.introspect, world.token = "/all/introspect/", world.grant.refresh
    world.put(world.grant.refresh, world.grant.access)
    [others] = [said(world)["other_tokens"]]
    assert others == [f"{sha256(world.grant.access)} shop"]
    run(world, "refresh_token")
    assert said(world)["other_tokens"] == [] and not world.place.is_active(world.grant.access)
    assert not world.place.refreshes(world.grant)


def test_a_token_that_the_provider_does_not_introspect_is_not_revoked(world: OAuthWorld) -> None:
    """The toolkit knows no refresh tokens there: nobody could see whether that worked."""
    world.token = world.grant.refresh
    world.put(world.grant.refresh)
    seen = run_observe(world.step, world.targets())
    assert "does not introspect tokens of its type" in would_refuse(world.step, seen)
    given = [Candidate((world.token,), "generic")]
    found = run_secret_in_force(world.step, world.targets(), given)
    assert found.answers == (None,) and "does not call the token active" in found.why
    assert world.changes() == 0


def test_a_self_contained_token_counts_as_open_until_it_ends(
    tmp_path: Path, oauth_place: OAuthPlace
) -> None:
    world = OAuthWorld(REVOKE, tmp_path, oauth_place, scope="read jwt")
    run(world)
    seen = run_observe(world.step, world.targets())
    until = seen.shown["offline_until"]
    assert seen.shown["form"] == "JWT" and isinstance(until, str) and until > "2026"
    points = executor_of(world.step).points(world.step, seen)
    assert [point.without_access for point in points] == [True, None]
    assert any(until in one.fill(one.sentence) for one in limits(world.step, seen))


def test_a_look_does_not_take_inactive_for_revoked_without_the_tokens_type(
    world: OAuthWorld,
) -> None:
    """A provider that does not introspect refresh tokens calls each of them inactive."""
    bare = replace(world.step, parameters={})
    run(world)
    seen = run_observe(world.step, world.targets())
    executor = executor_of(world.step)
    assert [one.without_access for one in executor.points(world.step, seen)] == [True]
    assert [one.without_access for one in executor.points(bare, seen)] == [None]
    for others, said in ((["0a app"], False), (None, None)):
        more = replace(seen, shown={**seen.shown, "other_tokens": others})
        assert [o.without_access for o in executor.points(world.step, more)] == [True, said]


def test_tokens_that_servers_can_read_by_themselves_are_not_called_opaque() -> None:
    now = datetime(2026, 11, 22, 10, tzinfo=UTC)
    for token in ("v4.public.eyJhIjoiYiJ9", "v2.local.abcdef", "eyJhIjoiYiJ9.eyJ.x~disclosed~"):
        assert oauth_kept.offline_until(token, now) is None, token


def test_until_when_servers_accept_a_token_without_asking() -> None:
    now = datetime(2026, 11, 22, 10, tzinfo=UTC)
    encrypted = jwt({}, {"alg": "dir", "enc": "A256GCM"}).split(".")[0] + "..aaaa.bbbb.cccc"
    cases = {
        "opaque-0123456789": ("opaque", ""),
        "a.b.c": ("opaque", ""),
        "e30.e30.": ("opaque", ""),
        jwt({"exp": 1795341600 + 60}): ("JWT", "2026-11-22T10:01:00Z"),
        jwt({"exp": 1795341600}): ("JWT", ""),
        jwt({"exp": 1795341600.5 + 3600}): ("JWT", "2026-11-22T11:00:00Z"),
        jwt({}): ("JWT", oauth_kept.NO_END),
        jwt({"exp": True}): ("JWT", None),
        jwt({"exp": "soon"}): ("JWT", None),
        jwt({"exp": 10**30}): ("JWT", None),
        jwt({"exp": float("inf")}): ("JWT", None),
        encrypted: ("encrypted JWT", None),
    }
    for token, wanted in cases.items():
        found = oauth_kept.form_of(token), oauth_kept.offline_until(token, now)
        assert found == wanted, token


def test_what_ends_is_read_before_and_holds_no_token(world: OAuthWorld) -> None:
    found = run_traces(world.step, world.targets())
    token = found["token"]
    assert isinstance(token, dict)
    assert (token["client"], token["revoked_by"], token["user"]) == ("shop", "shop", "ann")
    assert token["scope"] == "read" and str(token["expires"]) > "2026"
    assert world.token not in repr(found)
    assert world.token[:12] not in repr(run_observe(world.step, world.targets()))
    run(world)
    assert run_traces(world.step, world.targets()) == {}


def test_a_leaked_token_is_compared_by_its_sha256(world: OAuthWorld) -> None:
    given = [
        Candidate(("a-form-of-it", world.token), "bearer"),
        Candidate(("another-token-0123",), "bearer"),
        Candidate((), "private_key"),
    ]
    before = len(world.place.provider.calls())
    found = run_secret_in_force(world.step, world.targets(), given)
    assert found.answers == (True, False, None)
    asked = {one["token"] for one in world.place.provider.calls()[before:]}
    assert asked == {sha256(world.token)}, "no candidate is sent"
    run(world)
    assert run_secret_in_force(world.step, world.targets(), given).answers == (None, False, None)


def test_no_log_of_the_worker_has_a_token_or_a_secret(
    world: OAuthWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    run(world)
    logs = caplog.text + world.place.provider.log.read_text()
    for secret in (world.token, SECRETS["shop"], SECRETS["hitl-observe"]):
        assert secret not in logs


# -- least rights ----------------------------------------------------------------------------------


def test_only_the_client_itself_can_revoke_its_tokens(
    tmp_path: Path, oauth_place: OAuthPlace
) -> None:
    world = OAuthWorld(REVOKE, tmp_path, oauth_place, client="other")
    seen = run_observe(world.step, world.targets())
    assert "no login as the token's client" in would_refuse(world.step, seen)
    with pytest.raises(NotApplied, match="no login"):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.changes() == 0
    # With the login of another client the provider says 200 and does nothing: that is noticed.
    other = f'[oauth.{ISSUER}.clients."*"]\nclient_id = "shop"\n'
    world.more = f'{other}operate_client_secret_file = "operate.secret"\n'
    plan, targets = world.plan(), world.targets()
    assert run_observe(world.step, targets).shown["revoked_by"] == "shop"
    run_apply(clearance(plan), plan.body, 0, targets)
    with pytest.raises(VerifyFailed, match="still calls the token active"):
        executor_of(world.step).verify(clearance(plan), plan.steps[0], targets, Deadline.within(0))
    assert world.place.is_active(world.token)


def test_a_public_client_revokes_without_a_secret(tmp_path: Path, oauth_place: OAuthPlace) -> None:
    world = OAuthWorld(REVOKE, tmp_path, oauth_place, client="app")
    world.more = f"[oauth.{ISSUER}.clients.app]\npublic = true\n"
    (tmp_path / "operate.secret").unlink()
    run(world)
    assert not world.place.is_active(world.token)


def test_a_client_with_an_odd_name_is_like_others(tmp_path: Path, oauth_place: OAuthPlace) -> None:
    odd = next(name for name in SECRETS if ":" in name)
    for auth in ("basic", "post"):
        directory = tmp_path / auth
        directory.mkdir()
        world = OAuthWorld(REVOKE, directory, oauth_place, client=odd)
        (directory / "operate.odd").write_text(SECRETS[odd])
        world.more = (
            f'client_auth = "{auth}"\n[oauth.{ISSUER}.clients."{odd}"]\n'
            'operate_client_secret_file = "operate.odd"\n'
        )
        assert said(world)["revoked_by"] == odd
        run(world)


def test_an_operator_with_a_wrong_secret_changes_nothing(world: OAuthWorld) -> None:
    (world.directory / "operate.secret").write_text("no-longer-the-secret")
    with pytest.raises(NotApplied, match="401 invalid_client"):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.place.is_active(world.token)


def test_an_observer_without_the_right_says_so(world: OAuthWorld) -> None:
    (world.directory / "observer.secret").write_text("no-longer-the-secret")
    with pytest.raises(TargetUnobservable, match="may not introspect"):
        run_observe(world.step, world.targets())
    with pytest.raises(NotApplied, match="may not introspect"):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.place.is_active(world.token)


def test_a_bearer_token_observes_only_with_the_scope(world: OAuthWorld) -> None:
    for scope, may in (("read", False), ("introspection", True)):
        (world.directory / "observer.token").write_text(BEARERS[scope])
        (world.directory / "targets.toml").write_text(
            world.toml()
            .replace('observe_client_id = "hitl-observe"\n', "")
            .replace("observe_client_secret_file", "observe_token_file")
            .replace("observer.secret", "observer.token")
        )
        targets = Targets.load(world.directory / "targets.toml", portal_system_identifier=None)
        if may:
            assert run_observe(world.step, targets).state == {"active": True}
        else:
            with pytest.raises(TargetUnobservable, match="may not introspect"):
                run_observe(world.step, targets)
        own = make_plan(REVOKE, {**world.target, "sha256": sha256(BEARERS[scope])}, {
            "token_type": "access_token"
        })  # fmt: skip
        assert targets.is_own(own.steps[0].target) and not targets.is_own(world.step.target)


def test_the_observers_client_cannot_get_or_revoke_a_token(world: OAuthWorld) -> None:
    """With what docs/oauth.md gives it."""
    form = {"username": "ann", "password": "pw-of-ann"}
    for grant in ("password", "client_credentials"):
        assert world.place.post("/o/token/", "hitl-observe", grant_type=grant, **form)[0] >= 400
    world.place.post("/o/revoke_token/", "hitl-observe", token=world.token)
    assert world.place.is_active(world.token)


def test_no_time_left_changes_nothing(world: OAuthWorld) -> None:
    step = world.step
    with pytest.raises(NotApplied, match="no time"):
        executor_of(step).apply(clearance(world.plan()), step, world.targets(), Deadline.within(1))
    assert world.changes() == 0


# -- the kept tokens -------------------------------------------------------------------------------


def test_a_token_that_nobody_put_there_is_asked_for(world: OAuthWorld) -> None:
    [step] = world.plan(world.gone).steps
    seen = run_observe(step, world.targets())
    assert not seen.exists and "an operator puts it there" in would_refuse(step, seen)
    given = [Candidate((world.token,), "bearer")]
    assert run_secret_in_force(step, world.targets(), given).answers == (False,)


@pytest.fixture
def spoilt(world: OAuthWorld) -> Iterator[Path]:
    path = world.directory / "tokens" / sha256(world.token)
    path.unlink()
    yield path
    path.chmod(0o700)


def test_a_file_that_is_not_the_token_is_refused(world: OAuthWorld, spoilt: Path) -> None:
    """Also one that would block, or has no end."""
    bodies = (
        b"", b"\n", world.token.encode() + b" ", b"another-token-0123456789", b"\xff" * 40,
        b"x" * (regular_file.MOST_BYTES + 1), "tökën-0123456789".encode(), b"\0" * 64,
    )  # fmt: skip
    for body in bodies:
        spoilt.write_bytes(body)
        with pytest.raises(TargetUnobservable, match="tokens_dir") as caught:
            run_observe(world.step, world.targets())
        assert world.token not in str(caught.value)
    spoilt.unlink()
    os.mkfifo(spoilt)
    with pytest.raises(TargetUnobservable, match="Unusable"):
        run_observe(world.step, world.targets())
    spoilt.unlink()
    spoilt.symlink_to("/dev/zero")
    with pytest.raises(TargetUnobservable, match="Unusable"):
        run_observe(world.step, world.targets())
    spoilt.unlink()
    spoilt.mkdir()
    with pytest.raises(TargetUnobservable, match="tokens_dir"):
        run_observe(world.step, world.targets())
    with pytest.raises(NotApplied):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())


def test_other_tokens_that_cannot_be_looked_at_are_not_called_ended(world: OAuthWorld) -> None:
    path = world.put(world.token, "one-that-nobody-put-there")
    assert said(world)["other_tokens"] is None
    for more in ("../../etc/passwd\n", f"{'0' * 64}\n" * (oauth_kept.MOST_OTHERS + 1)):
        path.write_text(f"{world.token}\n{more}")
        assert said(world)["other_tokens"] is None
    path.write_text(f"{world.token}\r\n\r\n")
    assert said(world)["other_tokens"] == []


def test_without_its_directory_the_target_cannot_be_observed(world: OAuthWorld) -> None:
    (world.directory / "tokens").rename(world.directory / "gone")
    with pytest.raises(TargetUnobservable, match="no directory tokens_dir"):
        run_observe(world.step, world.targets())


def test_a_token_is_read_for_operating_only_with_a_clearance(world: OAuthWorld) -> None:
    token = oauth_kept.kept(world.directory / "tokens", sha256(world.token))
    assert token is not None and world.token not in repr(token)
    (world.directory / "tokens" / sha256(world.token)).write_text("spoilt-0123456789")
    with pytest.raises(CredentialUnavailable):
        token.read(clearance(world.plan()))


# -- the section -----------------------------------------------------------------------------------


def test_a_section_that_cannot_be_used_is_refused(world: OAuthWorld) -> None:
    url = world.place.provider.url
    wrong = {
        f"{url}{INTROSPECT}": [
            "http://10.0.0.5/introspect", "ftp://127.0.0.1/", "https://", "introspect",
            "https://user:pw@login.example/", "https://login.example/#f", "http://localhost.evil/",
            "https://[::1", "https://login.example:0/",
        ],
        f"oauth.{ISSUER}": ["oauth.Login", "oauth.a.b"],
        'tokens_dir = "tokens"\n': ["", 'tokens_dir = "t"\nclient_auth = "jwt"\n', "more = 1\n"],
        "clients.shop": ['clients."a\\nb"', 'clients."*"', 'clients.""'],
        'observe_client_id = "hitl-observe"\n': [""],
        'operate_client_secret_file = "operate.secret"': ['operate_client_secret = "inline"'],
    }  # fmt: skip
    path = world.directory / "wrong.toml"
    for old, texts in wrong.items():
        for new in texts:
            assert old in world.toml()
            path.write_text(world.toml().replace(old, new))
            with pytest.raises(TargetsFileInvalid):
                Targets.load(path, portal_system_identifier=None)
