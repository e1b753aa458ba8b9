"""A new database credential by a real OpenBao, in a real database, and in a store of files."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from remediation.domain.errors import TargetUnobservable
from remediation.executors.base import Deadline, Outcome
from remediation.executors.errors import NotApplied, OutcomeUnknown, PartlyApplied, RollbackFailed
from remediation.executors.openbao_credential_use import signs_in
from remediation.executors.openbao_server import Api, Database
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_tighten,
    run_verify,
    would_refuse,
)
from remediation.executors.secret import SecretValue
from remediation.executors.section import Secret
from tests.executors.contract import clearance, make_plan
from tests.executors.in_clear import liar
from tests.executors.openbao import Place
from tests.executors.openbao_credential import NEW_CREDENTIAL, REVOKE_CREDENTIAL, CredentialWorld
from tests.executors.planted import Search
from tests.servers import Addresses


@pytest.fixture
def world(bao_place: Place, tmp_path: Path) -> Iterator[CredentialWorld]:
    made = CredentialWorld(NEW_CREDENTIAL, tmp_path, bao_place)
    yield made
    made.close()


def apply(world: CredentialWorld) -> Outcome:
    plan, targets = world.plan(), world.targets()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    return run_apply(clearance(plan), plan.body, 0, targets, snapshot)


def refusal(world: CredentialWorld) -> str:
    return would_refuse(world.step, run_observe(world.step, world.targets()))


def undo(world: CredentialWorld, before: list[str]) -> Outcome:
    plan = world.plan()
    snapshot = {**run_observe(world.step, world.targets()).state, "leases": [*before]}
    return run_rollback(clearance(plan, rollback=True), plan.body, 0, world.targets(), snapshot)


def revoke(world: CredentialWorld, lease: str) -> None:
    plan = make_plan(
        "openbao.lease.revoke", {**world.lease_target, "lease": lease}, {"end_sessions": False}
    )
    run_apply(clearance(plan), plan.body, 0, world.targets())


def test_what_consumers_read_signs_in_and_outlives_the_workers_token(
    world: CredentialWorld, caplog: pytest.LogCaptureFixture, addresses: Addresses
) -> None:
    caplog.set_level(logging.DEBUG)
    done = apply(world)
    verified = run_verify(clearance(world.plan()), world.plan().body, 0, world.targets())
    found = world.delivered()
    assert found["username"] == done.made["username"] != world.credential["username"]
    assert found["lease_id"] == done.made["lease"]
    assert world.leases == sorted([world.old_lease, done.made["lease"]])

    search = Search([found["password"]])
    for place, text in (
        ("logging", caplog.text),
        ("outcome", repr(done) + repr(verified)),
        ("observation", repr(run_observe(world.step, world.targets()))),
    ):
        search.text(place, text)
    server = world.place.server
    search.files(server.audit_log, server.log, addresses.target_log)
    search.database(addresses.target)
    assert search.found == []

    for token in world.tokens:
        server.ask("POST", "auth/token/revoke", {"token": token})
    world.tokens.clear()
    world.open_new().close()
    world.open_old().close()
    assert done.made["lease"] in world.leases


def test_a40_a_lost_answer_names_the_lease_and_is_never_repeated(
    world: CredentialWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with an access key: nobody guesses whose it is, and a plan of its own revokes it."""
    ask, asked = Api.secret, 0

    def loses(api: Api, method: str, path: str, body: Any = None) -> Any:
        nonlocal asked
        answer = ask(api, method, path, body)
        if "/creds/" in path:
            asked += 1
            raise requests.ReadTimeout("lost")
        return answer

    before = run_observe(world.step, world.targets())
    with monkeypatch.context() as patched:
        patched.setattr(Api, "secret", loses)
        with pytest.raises(OutcomeUnknown) as raised:
            apply(world)
    [lost] = set(world.leases) - {world.old_lease}
    assert lost in raised.value.detail and asked == 1
    executor, now = executor_of(world.step), run_observe(world.step, world.targets())
    assert executor.settled_from(world.step, now, before.state, {}) is None
    assert lost in str(now.shown["credentials"]), "the page names it"

    plan, targets = world.plan(), world.targets()
    with pytest.raises(NotApplied, match=lost):
        run_apply(clearance(plan), plan.body, 0, targets, before.state)
    with pytest.raises(NotApplied, match="nothing of this step is staged"):
        run_tighten(clearance(plan), plan.body, 0, targets)
    with pytest.raises(RollbackFailed, match=lost):
        undo(world, [world.old_lease])
    assert set(world.leases) == {world.old_lease, lost}
    revoke(world, lost)
    assert world.leases == [world.old_lease]
    assert world.delivered()["username"] == world.credential["username"]


def test_a_credential_that_cannot_be_tried_now_is_staged_and_promoted_later(
    world: CredentialWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, targets = world.plan(), world.targets()
    with monkeypatch.context() as patched:
        patched.setattr("remediation.executors.openbao_credential_calls.signs_in", lambda *_: None)
        patched.setattr("remediation.executors.openbao_credential_calls.PATIENCE_SECONDS", 0.0)
        with pytest.raises(PartlyApplied, match="consumers do not read it yet") as raised:
            apply(world)
    assert raised.value.made["lease"] in world.leases
    assert world.delivered()["username"] == world.credential["username"]
    seen = run_observe(world.step, targets)
    assert executor_of(world.step).left_open(world.step, seen)
    assert "is staged" in would_refuse(world.step, seen)
    done = run_tighten(clearance(plan, proposal=_maker(seen)), plan.body, 0, targets)
    assert dict(done.made) == dict(raised.value.made)
    world.open_new().close()
    assert len(world.leases) == 2


def _maker(seen: Any) -> str:
    return str(seen.shown["staged"]["made_by"])


def test_what_is_used_is_not_undone_and_what_is_not_is(world: CredentialWorld) -> None:
    made = apply(world).made
    with world.open_new(), pytest.raises(RollbackFailed, match="consumers use it"):
        undo(world, [world.old_lease])
    assert made["lease"] in world.leases
    world.until_closed()
    assert undo(world, [world.old_lease]).detail["revoked"] == made["lease"]
    assert world.leases == [world.old_lease]
    assert world.delivered()["username"] == world.credential["username"]
    world.open_old().close()


def test_a_lease_whose_user_has_a_session_is_not_revoked_as_unused(
    bao_place: Place, tmp_path: Path
) -> None:
    world = CredentialWorld(REVOKE_CREDENTIAL, tmp_path, bao_place)
    with world.open_old(), pytest.raises(NotApplied, match="may have a session"):
        apply(world)
    assert world.leases == [world.old_lease] and world.changes() == 0
    world.until_closed()
    apply(world)
    with pytest.raises(psycopg.OperationalError):
        world.open_old()


@pytest.mark.parametrize(
    ("cut", "why"),
    [
        (r"\[openbao\.main\.database.*?\n\n", "no login for database"),
        (r"\[openbao\.main\.token_roles.*?\n\n", "no token role"),
    ],
)
def test_a_worker_without_a_login_or_a_token_role_makes_nothing(
    world: CredentialWorld, cut: str, why: str
) -> None:
    text = re.sub(cut, "", world.toml(), flags=re.S)
    world.toml = lambda port=None: text  # type: ignore[method-assign]
    assert why in refusal(world)
    plan = world.plan()
    with pytest.raises(NotApplied, match=why):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.leases == [world.old_lease] and world.changes() == 0


def test_a_token_that_is_cut_less_makes_nothing(world: CredentialWorld) -> None:
    """Its lease would end with the worker's token; or it could make more than one credential."""
    world.make_token_role(orphan=False)
    with pytest.raises(NotApplied, match="no orphan"):
        apply(world)
    assert world.leases == [world.old_lease]
    world.make_token_role(orphan=True, token_no_default_policy=False)
    with pytest.raises(NotApplied, match="other uses or policies"):
        apply(world)
    assert world.leases == [world.old_lease]
    world.make_token_role(orphan=True, token_no_default_policy=True)
    apply(world)


def test_a_connection_that_sends_the_password_itself_is_refused(
    world: CredentialWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = Api.get

    def plain(api: Api, path: str) -> Any:
        found = get(api, path)
        if "/config/" in path and found:
            assert found["connection_details"].pop("password_authentication") == "scram-sha-256"
        return found

    assert refusal(world) == ""
    monkeypatch.setattr(Api, "get", plain)
    assert "sends the password itself" in refusal(world)
    with pytest.raises(NotApplied, match="scram-sha-256"):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.leases == [world.old_lease]


def test_a_role_with_more_leases_than_people_can_decide_about_is_not_observable(
    world: CredentialWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remediation.executors.openbao_database_role.MOST_LEASES", 0)
    with pytest.raises(TargetUnobservable, match="1 leases"):
        run_observe(world.step, world.targets())


def test_a_server_that_asks_for_the_new_password_in_clear_does_not_get_it() -> None:
    value = SecretValue({"username": "v-orders-1", "password": "a-new-password-5521"})
    with liar() as server:
        dsn = Secret(None, f"postgresql://127.0.0.1:{server.port}/orders?sslmode=disable")
        assert signs_in(Database(dsn, dsn), value, Deadline.within(20)) is None
    assert b"v-orders-1" in server.heard[0]
    assert server.heard[1] == b""
