"""Entities, tokens, leases, users and AppRoles of a real OpenBao: what ends, and what stays."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from audit.tlog.canonical import Json
from hitlportal.demo.servers.openbao import BaoRefused
from remediation.domain.errors import BadInput, ProtectedTarget, TargetUnobservable
from remediation.executors import openbao_lease_prefix, openbao_standing
from remediation.executors.base import Deadline, Outcome
from remediation.executors.errors import NotApplied, OutcomeUnknown, PartlyApplied, VerifyFailed
from remediation.executors.openbao_lock import Lock
from remediation.executors.openbao_server import Api
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_tighten,
    run_traces,
    run_verify,
)
from tests.executors import clusters
from tests.executors.contract import clearance, make_plan
from tests.executors.openbao import SERVER, Place, rules
from tests.executors.openbao_access import AccessWorld, more_rules

DISABLE_ENTITY, ENABLE_ENTITY = "openbao.entity.disable", "openbao.entity.enable"
REVOKE_TOKEN, REVOKE_PREFIX = "openbao.token.revoke", "openbao.lease_prefix.revoke"
DISABLE_USER, ENABLE_USER = "openbao.user.disable", "openbao.user.enable"
DISABLE_APPROLE, ENABLE_APPROLE = "openbao.approle.disable", "openbao.approle.enable"

Make = Callable[[str], AccessWorld]


@pytest.fixture
def make(bao_place: Place, tmp_path: Path) -> Iterator[Make]:
    worlds: list[AccessWorld] = []

    def made(action: str) -> AccessWorld:
        directory = tmp_path / str(len(worlds))
        directory.mkdir()
        worlds.append(AccessWorld(action, directory, bao_place))
        return worlds[-1]

    yield made
    for world in worlds:
        world.close()
    bao_place.end_tokens()


def run(world: AccessWorld, action: str = "", **parameters: Json) -> Outcome:
    """Observe, check, apply and verify, as a run does; return what `apply` said."""
    given = parameters or world.parameters
    plan = make_plan(action or world.action, world.target, {} if action else given)
    targets, step = world.targets(), plan.steps[0]
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(step, targets))
    done = run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    run_verify(clearance(plan), plan.body, 0, targets)
    return done


def contained(world: AccessWorld) -> bool | None:
    """Return whether the target counts as without access for the action of the world."""
    seen = run_observe(world.step, world.targets())
    [point] = executor_of(world.step).points(world.step, seen)
    return point.without_access


def minted(world: AccessWorld, token: str, **options: Json) -> dict[str, Any]:
    """Make a token with a token, as its holder does."""
    path = "auth/token/create-orphan" if options.pop("orphan", False) else "auth/token/create"
    return dict(world.place.server.ask("POST", path, options, token=token)["auth"])


def may_make_tokens(world: AccessWorld) -> str:
    """Let the user make tokens; return a new one of it."""
    rights = 'path "auth/token/create*" { capabilities = ["update", "sudo"] }'
    read = f'path "database/creds/{world.role}" {{ capabilities = ["read"] }}'
    world.place.server.policy("makes-tokens", rights)
    world.place.server.policy(f"reads-{world.role}", read)
    world.place.server.ask(
        "POST",
        world.user_path,
        {"token_policies": ["default", "makes-tokens", f"reads-{world.role}"]},
    )
    return str(world.sign_in(world.place)["client_token"])


# Entities


def test_a_disabled_entity_has_no_token_that_works_and_each_works_again_once_enabled(
    make: Make,
) -> None:
    world = make(DISABLE_ENTITY)
    place, token = world.place, may_make_tokens(world)
    child = minted(world, token)["client_token"]
    batch = minted(world, token, type="batch")["client_token"]
    orphan = minted(world, token, orphan=True)["client_token"]
    ask = place.server.ask
    ask("POST", f"identity/entity/id/{world.entity}", {"metadata": {"team": "x"}})
    before = ask("GET", f"identity/entity/id/{world.entity}")["data"]

    seen = run_traces(world.step, world.targets())
    assert world.signed_in["accessor"] in str(seen["tokens"])
    assert world.signed_in["client_token"] not in str(seen)
    assert contained(world) is False
    run(world)
    assert contained(world) is True
    assert not any(place.is_valid(one) for one in (token, child, batch))
    assert not world.can_sign_in()
    assert place.is_valid(orphan), "it has no entity, and docs say so"
    after = ask("GET", f"identity/entity/id/{world.entity}")["data"]
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"disabled", "last_update_time"}

    step = make_plan(ENABLE_ENTITY, world.target, {}).steps[0]
    told = str(run_observe(step, world.targets()).shown["tokens"])
    assert world.signed_in["accessor"] in told, "people see what they give back"
    assert run_traces(step, world.targets()) == {}
    run(world, ENABLE_ENTITY)
    assert all(place.is_valid(one) for one in (token, child, batch)) and world.can_sign_in()


def test_the_entity_of_either_login_of_the_portal_is_refused(make: Make) -> None:
    for login in ("observe", "operate"):
        world = make(DISABLE_ENTITY)
        world.place.role(world.role, token_policies=[f"{login}-{world.role}"])
        signed_in = world.place.sign_in(world.role_id, world.value)
        world.entity = signed_in["entity_id"]
        world.give_rights()
        (world.directory / f"{login}.token").write_text(signed_in["client_token"])
        with pytest.raises(NotApplied, match="the portal itself"):
            run(world)
        assert world.place.is_valid(signed_in["client_token"])
    world = make(DISABLE_ENTITY)
    path = f"identity/entity/id/{world.entity}"
    world.place.server.ask("POST", path, {"name": f"HITL-{world.role}"})
    with pytest.raises(NotApplied, match="belongs to the portal"):
        run(world)


def test_an_odd_name_and_the_id_of_a_role_are_shown_without_harm(make: Make) -> None:
    world = make(DISABLE_ENTITY)
    name = f"a/b \"'\n{{x}} \u202e{world.role}" + "x" * 200
    world.place.server.ask("POST", f"identity/entity/id/{world.entity}", {"name": name})
    seen = run_observe(world.step, world.targets())
    assert len(str(seen.shown["name"])) <= 100 and "\n" not in str(seen.shown["name"])
    assert world.user in str(seen.state["aliases"])
    world.entity = world.place.sign_in(world.role_id, world.value)["entity_id"]
    world.give_rights()
    seen = run_observe(world.step, world.targets())
    assert world.role_id not in str(seen.to_json()) and "auth/approle/" in str(seen.state)


# Tokens


def test_a_revoked_token_takes_its_children_and_their_leases_with_it_and_no_other(
    make: Make,
) -> None:
    world = make(REVOKE_TOKEN)
    world.place.lease(world.role)
    token = may_make_tokens(world)
    world.signed_in = {
        **world.place.server.ask("GET", "auth/token/lookup-self", token=token)["data"]
    }
    child = minted(world, token)["client_token"]
    ask = world.place.server.ask
    lease = ask("GET", f"database/creds/{world.role}", token=child)["lease_id"]
    batch = minted(world, token, type="batch")["client_token"]
    other = world.sign_in(world.place)["client_token"]

    seen = run_observe(world.step, world.targets())
    assert seen.shown["entity"] == world.entity and "makes-tokens" in str(seen.shown["policies"])
    assert seen.shown["last_used"] is None and seen.shown["path"].endswith(world.user)  # type: ignore[union-attr]
    told = run_traces(world.step, world.targets())
    assert world.signed_in["accessor"] in str(told) and token not in str(told) + str(seen.to_json())
    run(world)
    assert not any(world.place.is_valid(one) for one in (token, child, batch))

    def is_gone() -> bool:
        try:
            ask("POST", "sys/leases/lookup", {"lease_id": lease})
        except BaoRefused as error:
            return "invalid lease" in str(error)
        return False

    clusters.until(is_gone, 20)  # OpenBao ends leases of a revoked token by itself, a moment later
    assert world.place.is_valid(other) and contained(world) is True
    assert run_traces(world.step, world.targets()) == {}
    with pytest.raises(NotApplied, match="no such token"):
        run(world)


def test_a_token_of_another_method_and_the_portals_own_are_not_revoked(make: Make) -> None:
    world = make(REVOKE_TOKEN)
    plan = make_plan(REVOKE_TOKEN, {**world.target, "mount": "approle"}, {})
    assert not run_observe(plan.steps[0], world.targets()).exists
    with pytest.raises(NotApplied, match="of this auth method"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.place.is_valid(world.signed_in["client_token"])
    for name in ("observe", "operate"):
        token = (world.directory / f"{name}.token").read_text()
        found = world.place.server.ask("GET", "auth/token/lookup-self", token=token)["data"]
        plan = make_plan(
            REVOKE_TOKEN, {**world.target, "mount": "token", "accessor": found["accessor"]}, {}
        )
        with pytest.raises(NotApplied, match="the portal itself"):
            run_apply(clearance(plan), plan.body, 0, world.targets())
        assert world.place.is_valid(token)


# Leases below a path


def test_every_lease_below_the_path_ends_and_none_beside_it(make: Make) -> None:
    world = make(REVOKE_PREFIX)
    beside = world.place.lease(f"{world.role}x")  # the path is the beginning of this name
    seen = run_observe(world.step, world.targets())
    assert seen.state == {"leases": 2, "mount": "database (database)"}
    assert seen.shown == {"below": [f"2 at {world.prefix}"], "whole_mount": False}
    told = run_traces(world.step, world.targets())
    assert told["leases"] == 2 and all(one in str(told) for one in world.lease_ids)
    assert world.credential["password"] not in str(told)
    assert run(world).detail == {"revoked": 2}
    assert world.has_leases() == 0 and world.database_roles() == []
    found = world.place.server.ask("POST", "sys/leases/lookup", {"lease_id": beside["lease"]})
    assert found["data"]["id"] == beside["lease"]
    with pytest.raises(NotApplied, match="no live lease"):
        run(world)


def test_a_path_above_another_mount_or_above_the_portals_tokens_is_refused(make: Make) -> None:
    world = make(REVOKE_PREFIX)
    for prefix, why in (("auth", "too wide"), ("auth/team", "too wide"), ("team", "no mount")):
        world_plan = make_plan(REVOKE_PREFIX, {**world.target, "prefix": prefix}, {})
        with pytest.raises(NotApplied, match=why):
            run_apply(clearance(world_plan), world_plan.body, 0, world.targets())
    for prefix in ("", "/", "database/", "/database", "database//creds", "a/../b", "a/./b", "a\nb"):
        with pytest.raises(BadInput):
            make_plan(REVOKE_PREFIX, {**world.target, "prefix": prefix}, {})
    # The operator's own token was made there; its policy is wide enough for once.
    tokens = "auth/token/create-orphan"
    for prefix in ("auth/token", tokens):
        lines = [
            f'path "sys/leases/revoke-prefix/{prefix}" {{ capabilities = ["update", "sudo"] }}',
            f'path "sys/leases/lookup/{prefix}/*" {{ capabilities = ["list", "sudo"] }}',
        ]
        for name, of in (("observe", "observer"), ("operate", "operator")):
            policy = "\n".join([*(rules(of) + more_rules(of)).splitlines(), *lines])
            world.place.server.policy(f"{name}-{world.role}", policy)
        plan = make_plan(REVOKE_PREFIX, {**world.target, "prefix": prefix}, {})
        with pytest.raises(NotApplied, match="the portal itself"):
            run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.has_leases() == 2


def test_a_lease_that_the_database_refuses_to_end_is_said_and_nothing_is_forced(
    make: Make,
) -> None:
    world = make(REVOKE_PREFIX)
    user = world.credential["username"]
    world.place.run(f'CREATE TABLE "{world.role}" (); ALTER TABLE "{world.role}" OWNER TO "{user}"')
    with pytest.raises(PartlyApplied, match="could not revoke one of 2 leases") as raised:
        run(world)
    assert user not in raised.value.detail
    assert world.has_leases() >= 1 and world.database_roles() == [user]
    assert contained(world) is False
    world.place.run(f'DROP TABLE "{world.role}"')
    run(world)
    assert world.database_roles() == []


def test_a_path_in_a_mount_with_an_odd_name_and_too_many_leases(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(REVOKE_PREFIX)
    ask, mount = world.place.server.ask, "pk i?é#+%2F"
    at = quote(mount)
    ask("POST", f"sys/mounts/{at}", {"type": "pki"})
    ask(
        "POST", f"{at}/root/generate/internal", {"common_name": "x", "ttl": "24h", "key_type": "ec"}
    )
    role: dict[str, Json] = {"allow_any_name": True, "generate_lease": True, "key_type": "ec"}
    for name in ("web", "web2"):
        ask("POST", f"{at}/roles/{name}", {**role, "ttl": "1h"})
        ask("POST", f"{at}/issue/{name}", {"common_name": "a.example"})
    monkeypatch.setattr(AccessWorld, "prefix", f"{mount}/issue/web")
    world.give_rights()
    assert run_observe(world.step, world.targets()).state["leases"] == 1
    run(world)
    with pytest.raises(BaoRefused):
        ask("LIST", f"sys/leases/lookup/{at}/issue/web")
    assert len(ask("LIST", f"sys/leases/lookup/{at}/issue/web2")["data"]["keys"]) == 1
    monkeypatch.setattr(AccessWorld, "prefix", mount)
    world.give_rights()
    seen = run_observe(world.step, world.targets())
    assert seen.shown["whole_mount"] is True and seen.state["leases"] == 1
    for most in ("MOST_FOLDERS", "MOST_LEASES"):
        with monkeypatch.context() as patched:
            patched.setattr(openbao_lease_prefix, most, 0)
            with pytest.raises(TargetUnobservable, match="name a longer path"):
                run_observe(world.step, world.targets())
    ask("DELETE", f"sys/mounts/{at}")


# Users and AppRoles


def test_a_user_that_is_locked_out_keeps_its_password_and_loses_each_token(make: Make) -> None:
    world = make(DISABLE_USER)
    typed = world.sign_in(world.place, world.user.upper())  # OpenBao keeps the name as typed
    another = make(DISABLE_USER)
    seen = run_traces(world.step, world.targets())
    assert typed["accessor"] in str(seen) and typed["client_token"] not in str(seen)
    done = run(world)
    ended = {world.signed_in["accessor"], typed["accessor"]}
    assert set(done.detail["tokens_ended"]) == ended  # type: ignore[arg-type]
    assert not world.place.is_valid(typed["client_token"]) and contained(world) is True
    assert not world.can_sign_in() and another.can_sign_in()
    assert world.place.is_valid(another.signed_in["client_token"])
    run(world, ENABLE_USER)
    assert world.can_sign_in()


def test_without_asking_its_tokens_stay_and_it_does_not_count_as_contained(make: Make) -> None:
    world = make(DISABLE_USER)
    done = run(world, end_tokens=False)
    assert done.detail == {"status": "disabled", "changed": True}
    assert world.place.is_valid(world.signed_in["client_token"]) and not world.can_sign_in()
    assert contained(world) is False
    run_tighten(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert not world.place.is_valid(world.signed_in["client_token"]) and contained(world) is True
    world.place.server.ask("POST", world.user_path, {"token_type": "batch"})
    assert contained(world) is None, "nobody can list batch tokens"
    assert run_observe(world.step, world.targets()).shown["batch_tokens"]


def test_what_is_bound_to_addresses_already_is_refused_since_they_would_be_lost(
    make: Make,
) -> None:
    for action in (DISABLE_USER, DISABLE_APPROLE):
        world = make(action)
        path, name = world.user_path, "token_bound_cidrs"
        if action == DISABLE_APPROLE:
            path, name = f"auth/approle/role/{world.role}", "secret_id_bound_cidrs"
        for own in (["127.0.0.1/32"], ["255.255.255.255/32", "127.0.0.0/8"]):
            world.place.server.ask("POST", path, {name: own})
            before = world.look()
            with pytest.raises(NotApplied, match="of its own"):
                run(world)
            with pytest.raises(NotApplied, match="of its own"):
                run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
            assert world.look() == before


def test_a_role_that_is_locked_out_keeps_its_secret_ids(make: Make) -> None:
    world = make(DISABLE_APPROLE)
    place, path = world.place, f"auth/approle/role/{world.role}"
    token = place.sign_in(world.role_id, world.value)
    made = place.server.ask("POST", f"{path}/secret-id", {"cidr_list": ["127.0.0.0/8"]})["data"]
    held = place.accessors(world.role)
    assert run(world).detail["tokens_ended"] == [token["accessor"]]
    for value in (world.value, world.other[0], made["secret_id"]):
        with pytest.raises(BaoRefused):
            place.sign_in(world.role_id, value)
    assert contained(world) is True and place.accessors(world.role) == held
    run(world, ENABLE_APPROLE)
    assert all(place.sign_in(world.role_id, value) for value in (world.value, made["secret_id"]))
    place.server.ask("POST", path, {"bind_secret_id": False, "token_bound_cidrs": ["127.0.0.1/32"]})
    with pytest.raises(NotApplied, match="asks for no secret id"):
        run(world)


def test_the_role_that_a_login_of_the_portal_came_from_is_refused(make: Make) -> None:
    world = make(DISABLE_APPROLE)
    world.place.role(world.role, token_policies=[f"operate-{world.role}"])
    token = world.place.sign_in(world.role_id, world.value)["client_token"]
    (world.directory / "operate.token").write_text(token)
    before = world.look()
    with pytest.raises(NotApplied, match="the portal itself"):
        run(world)
    assert world.look() == before and world.place.is_valid(token)


def test_a_worker_that_dies_between_leaves_a_lock_and_tokens_that_tightening_revokes(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(DISABLE_USER)
    plan = world.plan()

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Lock, "_end", dies)
        run(world)
    assert not world.can_sign_in() and world.place.is_valid(world.signed_in["client_token"])
    with pytest.raises(VerifyFailed, match=world.signed_in["accessor"]):
        executor_of(world.step).verify(
            clearance(plan), world.step, world.targets(), Deadline.within(0)
        )
    run_tighten(clearance(plan), plan.body, 0, world.targets())
    run_verify(clearance(plan), plan.body, 0, world.targets())
    assert not world.place.is_valid(world.signed_in["client_token"])


def test_undoing_leads_back_to_what_was_before(make: Make) -> None:
    """What was off before stays off."""
    for action in (DISABLE_USER, DISABLE_ENTITY):
        world = make(action)
        run(world)
        plan, targets = world.plan(), world.targets()
        seen = run_observe(plan.steps[0], targets)
        snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
        run_apply(clearance(plan), plan.body, 0, targets, snapshot)
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
        assert not world.can_sign_in()


# Rights, names, answers


def test_with_one_right_less_each_action_refuses_and_nothing_changes(make: Make) -> None:
    needed: set[str] = set()
    lines = [line for of in ("observer", "operator") for line in more_rules(of).splitlines()]
    for action in (DISABLE_ENTITY, REVOKE_TOKEN, REVOKE_PREFIX, DISABLE_USER, DISABLE_APPROLE):
        world = make(action)
        uses = {
            DISABLE_ENTITY: "identity",
            REVOKE_TOKEN: "sys/auth|revoke-accessor",
            REVOKE_PREFIX: "leases/lookup/PREFIX|revoke-prefix|sys/(auth|mounts)",
            DISABLE_USER: "users|revoke-accessor",
            DISABLE_APPROLE: "auth/approle/role/ROLE. .*allowed_parameters",
        }[action]
        operators = [*rules("operator").splitlines(), *rules("observer").splitlines()]
        for line in [*lines, *operators]:
            if not re.search(uses, line):
                continue
            world.give_rights(without=f"^{re.escape(line)}$")
            before = world.look()
            with pytest.raises((NotApplied, TargetUnobservable)):
                run(world)
            assert world.look() == before, line
            assert world.changes() == 0
            needed.add(line)
        world.give_rights()
        run(world)
    assert needed >= set(lines), "each documented right is needed"


def test_the_operators_token_can_set_nothing_but_the_documented_settings(make: Make) -> None:
    world = make(DISABLE_USER)
    token = (world.directory / "operate.token").read_text()
    for path, body in (
        (world.user_path, {"password": "other"}),
        (world.user_path, {"token_policies": ["root"]}),
        (f"identity/entity/id/{world.entity}", {"policies": ["root"]}),
        (f"auth/approle/role/{world.role}", {"token_policies": ["root"]}),
        (f"auth/approle/role/{world.role}", {"bind_secret_id": False}),
    ):
        with pytest.raises(BaoRefused, match="permission denied"):
            world.place.server.ask("POST", path, body, token=token)


def test_names_that_could_mean_something_else_are_refused() -> None:
    entity: dict[str, Json] = {"kind": "openbao.entity", "server": SERVER}
    for value in ("9DC925B8-54d4-8351-a1d6-13230e523194", "../x", "x", ""):
        with pytest.raises(BadInput):
            make_plan(DISABLE_ENTITY, {**entity, "entity": value}, {})
    make_plan(
        DISABLE_ENTITY, {**entity, "entity": "9dc925b8-54d4-8351-a1d6-13230e523194.eR8Cer"}, {}
    )
    user: dict[str, Json] = {"kind": "openbao.user", "server": SERVER, "mount": "userpass"}
    for value in ("Bob", "bob/", "../bob", "bob\n", "bоb", "bob?x"):
        with pytest.raises(BadInput):
            make_plan(DISABLE_USER, {**user, "user": value}, {"end_tokens": True})
    with pytest.raises(ProtectedTarget):
        make_plan(DISABLE_USER, {**user, "user": "hitl-worker"}, {"end_tokens": True})
    for mount in ("..", "a/..", "../sys", "a//b", "a/", "/a", "a\x1fb", "a\r\nb"):
        with pytest.raises(BadInput):
            make_plan(DISABLE_USER, {**user, "mount": mount, "user": "bob"}, {"end_tokens": True})
    assert openbao_standing.at_path("a?x=1/b#c/%2e%2e/é ") == "a%3Fx%3D1/b%23c/%252e%252e/%C3%A9%20"


def test_a_lost_answer_is_unknown_and_an_unsent_call_is_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from requests import exceptions

    real = Api.post
    for action in (DISABLE_ENTITY, REVOKE_TOKEN, REVOKE_PREFIX, DISABLE_USER):
        world = make(action)
        for error, refusal in (("ReadTimeout", OutcomeUnknown), ("ConnectTimeout", NotApplied)):

            def fail(self: Api, path: str, body: Mapping[str, Json], error: str = error) -> object:
                if "look" in path or "capabilities" in path:
                    return real(self, path, body)
                raise getattr(exceptions, error)("https://bao.example/secret")

            with monkeypatch.context() as patched, pytest.raises(refusal) as raised:
                patched.setattr(Api, "post", fail)
                run(world)
            assert "secret" not in raised.value.detail
        executor, plan, before = executor_of(world.step), world.plan(), world.look()
        with pytest.raises(NotApplied, match="no time"):
            executor.apply(clearance(plan), world.step, world.targets(), Deadline.within(1))
        assert world.look() == before and world.changes() == 0
