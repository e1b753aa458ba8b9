"""Entra: what the contract test cannot ask, at the simulated API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from hitlportal.demo.servers.entra_api import Answer, Request, credential, federated
from remediation.domain.catalogue import ACTIONS
from remediation.domain.errors import TargetUnobservable
from remediation.executors.base import Deadline, Settled
from remediation.executors.entra_calls import LOOK_SECONDS
from remediation.executors.entra_steps import EntraStep
from remediation.executors.errors import NotApplied, OutcomeUnknown, RollbackFailed, VerifyFailed
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_traces,
    run_verify,
)
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from tests.executors.contract import clearance
from tests.executors.entra import OBSERVE, OPERATE, TENANT, EntraPlace, EntraWorld, roles
from tests.executors.entra_api_described import operation_of, operations, problems

DISABLE, ENABLE = "entra.service_principal.disable", "entra.service_principal.enable"
REMOVE = "entra.application_secret.remove"
ALL = tuple(kind for kind in ACTIONS if kind.startswith("entra."))


@pytest.fixture
def worlds(tmp_path: Path, entra_place: EntraPlace) -> Iterator[dict[str, EntraWorld]]:
    """One world for each action."""
    made = {}
    for action in ALL:
        (tmp_path / action).mkdir()
        made[action] = EntraWorld(action, tmp_path / action, entra_place)
    yield made
    for world in made.values():
        world.close()
    for name, app in entra_place.api.apps.items():
        app.roles = roles(name)
    api = entra_place.api
    api.before, api.loses, api.lag = None, lambda request: False, 0


def carry_out(world: EntraWorld) -> None:
    plan, targets = world.plan(), world.targets()
    run_apply(clearance(plan), plan.body, 0, targets)
    run_verify(clearance(plan), plan.body, 0, targets)


def unobservable(world: EntraWorld, why: str) -> None:
    """Nothing is seen and nothing is done, for a reason in words."""
    with pytest.raises(TargetUnobservable, match=why):
        run_observe(world.step, world.targets())
    with pytest.raises(NotApplied):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.changes() == 0


def test_what_is_sent_and_what_is_answered_is_as_microsoft_describes_it(
    worlds: dict[str, EntraWorld], entra_place: EntraPlace
) -> None:
    begins = len(entra_place.api.requests)
    for world in worlds.values():
        carry_out(world)
        assert not run_observe(world.plan(world.gone).steps[0], world.targets()).exists
    asked = entra_place.api.requests[begins:]
    assert [each for request, _, answer in asked for each in problems(request, answer)] == []
    assert {operation_of(request) for request, _, _ in asked} == set(operations())


def test_the_description_refuses_what_is_not_in_it() -> None:
    one = "/v1.0/servicePrincipals/1"
    for request, answer in (
        (Request("GET", one, {"$select": "id,secret"}, ""), Answer(404)),
        (Request("GET", one, {"$top": "1"}, ""), Answer(404)),
        (Request("GET", one, {}, ""), Answer(200, {"accountEnabled": "yes"})),
        (Request("GET", one, {}, ""), Answer(204)),
        (Request("PATCH", one, {}, "", {}, {"appRoles": []}), Answer(204)),
        (Request("PATCH", one, {}, "", {}, {"accountEnabled": False}), Answer(200, {})),
        (Request("DELETE", one, {}, ""), Answer(204)),
    ):
        assert problems(request, answer), request


def test_without_a_documented_role_nothing_is_seen_and_nothing_done(
    worlds: dict[str, EntraWorld], entra_place: EntraPlace
) -> None:
    assert (roles(OBSERVE), roles(OPERATE)) == (
        {"Application.Read.All"}, {"Application.ReadWrite.OwnedBy"},
    )  # fmt: skip
    entra_place.observer.roles = set()
    for world in worlds.values():
        unobservable(world, "Authorization_RequestDenied")
    entra_place.observer.roles, entra_place.operator.roles = roles(OBSERVE), roles(OBSERVE)
    for world in worlds.values():
        with pytest.raises(NotApplied, match="Authorization_RequestDenied"):
            run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    # With its role, the operator changes only what it owns.
    entra_place.operator.roles = roles(OPERATE)
    for world in worlds.values():
        entra_place.api.things[world.own].owners.clear()
        with pytest.raises(NotApplied, match="Authorization_RequestDenied"):
            run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
        assert world.changes() == 0


def test_a_404_alone_makes_nothing_gone(
    worlds: dict[str, EntraWorld], entra_place: EntraPlace
) -> None:
    """A copy of the directory may not have it yet, or it was deleted for good."""
    for world in worlds.values():
        held = entra_place.api.things.pop(world.own)
        unobservable(world, "neither there nor among the deleted")
        entra_place.api.things[world.own] = held
        other = world.plan({**world.target, "app_id": world.gone_app}).steps[0]
        with pytest.raises(TargetUnobservable, match="of another application"):
            run_observe(other, world.targets())


def test_a_change_that_shows_late_is_looked_for_again(
    worlds: dict[str, EntraWorld], entra_place: EntraPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EntraStep, "waits", replace(EntraStep.waits, pause=0.02))
    entra_place.api.lag = 2
    for world in worlds.values():
        carry_out(world)
        assert world.changes() == 1
    # Not without an end.
    entra_place.api.lag = 1000
    monkeypatch.setattr(EntraStep, "waits", replace(EntraStep.waits, verify=0.1))
    back = worlds[ENABLE].plan()
    entra_place.api.things[worlds[ENABLE].principal].shown["accountEnabled"] = False
    entra_place.api._earlier.clear()
    run_apply(clearance(back), back.body, 0, worlds[ENABLE].targets())
    with pytest.raises(VerifyFailed, match="enabled is still False"):
        run_verify(clearance(back), back.body, 0, worlds[ENABLE].targets())


def test_a_lost_answer_is_settled_by_looking_and_never_repeated(
    worlds: dict[str, EntraWorld], entra_place: EntraPlace
) -> None:
    for world in worlds.values():
        plan, targets = world.plan(), world.targets()
        seen = run_observe(world.step, targets)
        entra_place.api.loses = lambda request: (
            request.method != "GET" and not request.path.endswith("/token")
        )
        with pytest.raises(OutcomeUnknown):
            run_apply(clearance(plan), plan.body, 0, targets)
        entra_place.api.loses = lambda request: False
        found = run_observe(world.step, targets)
        executor = executor_of(world.step)
        assert executor.settled_from(world.step, found, seen.state, {}) is Settled.APPLIED
        assert world.changes() == 1


def test_a_secret_that_was_added_since_stops_the_removal(
    worlds: dict[str, EntraWorld], entra_place: EntraPlace
) -> None:
    world = worlds[REMOVE]
    plan, targets = world.plan(), world.targets()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    shown = entra_place.api.things[world.application].shown
    for kind in ("passwordCredentials", "keyCredentials"):
        held, shown[kind] = shown[kind], [*shown[kind], credential("new")]
        with pytest.raises(NotApplied, match="not as it was"):
            run_apply(clearance(plan), plan.body, 0, targets, snapshot)
        shown[kind] = held
    entra_place.api.things[world.application].federated.append(federated("new"))
    with pytest.raises(NotApplied, match="not as it was"):
        run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    assert world.changes() == 0


@pytest.mark.parametrize("kind", ["passwordCredentials", "keyCredentials", "federated"])
def test_a_credential_that_comes_while_a_secret_is_removed_leaves_the_step_unconfirmed(
    worlds: dict[str, EntraWorld], entra_place: EntraPlace, kind: str
) -> None:
    """Who holds the application may add another one: it is not contained by the removal."""
    world = worlds[REMOVE]
    plan, targets, executor = world.plan(), world.targets(), executor_of(world.step)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    thing = entra_place.api.things[world.application]

    def adds(request: Request) -> None:
        if request.path.endswith("/removePassword"):
            if kind == "federated":
                thing.federated = [*thing.federated, federated("new")]
            else:
                thing.shown[kind] = [*thing.shown[kind], credential("new")]

    entra_place.api.before = adds
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    seen = run_observe(world.step, targets)
    assert seen.state["status"] == "removed"
    assert executor.settled_from(world.step, seen, snapshot, {}) is None
    # One that went meanwhile is no reason.
    fewer = replace(seen, state={**snapshot, "status": "removed", "federated_ids": []})
    assert executor.settled_from(world.step, fewer, snapshot, {}) is Settled.APPLIED


def test_what_was_enabled_is_disabled_again_though_an_old_copy_says_it_never_was_enabled(
    worlds: dict[str, EntraWorld], entra_place: EntraPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EntraStep, "waits", replace(EntraStep.waits, pause=0.02))
    world = worlds[ENABLE]
    plan, targets = world.plan(), world.targets()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    entra_place.api.lag = 3
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert entra_place.api.things[world.principal].shown["accountEnabled"] is False


def test_an_undoing_that_does_not_show_ends_with_its_time(
    worlds: dict[str, EntraWorld], entra_place: EntraPlace
) -> None:
    """A look takes a while, too: with one more the lease of the target could be over."""
    world = worlds[DISABLE]
    plan, targets, executor = world.plan(), world.targets(), executor_of(world.step)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    entra_place.api.lag = 1000
    began, soon = time.monotonic(), Deadline.within(LOOK_SECONDS + 0.3)
    with pytest.raises(RollbackFailed, match="not as it was before"):
        executor.rollback(clearance(plan, rollback=True), world.step, targets, snapshot, soon)
    assert time.monotonic() - began < 3


def test_an_old_copy_gives_no_access_back(
    worlds: dict[str, EntraWorld], entra_place: EntraPlace
) -> None:
    """Undoing makes no call to enable what does not show that the step disabled it."""
    world = worlds[DISABLE]
    plan, targets = world.plan(), world.targets()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    entra_place.api.lag = 3
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert world.changes() == 1


def test_a_removed_secret_does_not_come_back(worlds: dict[str, EntraWorld]) -> None:
    world = worlds[REMOVE]
    plan, targets = world.plan(), world.targets()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    carry_out(world)
    with pytest.raises(RollbackFailed, match="a new one has to be added"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    seen = run_observe(world.step, targets)
    with pytest.raises(NotApplied, match="no such secret"):
        executor_of(world.step).precheck(world.step, seen)
    assert world.changes() == 1


def test_what_people_see_before_they_decide(worlds: dict[str, EntraWorld]) -> None:
    seen = run_observe(worlds[DISABLE].step, worlds[DISABLE].targets())
    assert seen.state == {"enabled": True} and seen.simulated
    assert (seen.shown["title"], seen.shown["sign_in_audience"]) == ("checkout", "AzureADMyOrg")
    world = worlds[REMOVE]
    seen = run_observe(world.step, world.targets())
    assert seen.state == {
        "status": "in force",
        "other_secrets": [world.other["keyId"]],
        "certificate_ids": [world.certificate["keyId"]],
        "federated_ids": [world.federated["id"]],
    }
    assert seen.shown["federated"] == [
        f"{world.federated['id']} ci https://token.example.org repo:acme/checkout"
    ]
    assert seen.shown["remaining"] == [f"{world.other['keyId']} backup"]
    assert seen.shown["certificates"] != [] and seen.shown["secret_name"] == "ci"
    for each in worlds.values():
        assert bool(run_traces(each.step, each.targets())) is (each.action != ENABLE)


def test_the_workers_own_apps_are_known_as_such(worlds: dict[str, EntraWorld]) -> None:
    for world in worlds.values():
        assert not world.targets().is_own(world.step.target)
        for own in (OBSERVE, OPERATE):
            step = world.plan({**world.target, "app_id": own}).steps[0]
            assert world.targets().is_own(step.target)


def test_microsoft_graph_and_an_app_that_serves_another_tenant_are_the_workers_own(
    worlds: dict[str, EntraWorld],
) -> None:
    """Each tenant has a service principal of Graph, and of each app that signs in there."""
    world = worlds[DISABLE]
    path, other = world.directory / "two.toml", str(uuid4())
    second = world.toml().replace(f"[entra.{TENANT}]", "[entra.other]")
    second = second.replace(world.place.api.tenant_id, str(uuid4())).replace(OPERATE, other)
    path.write_text(f"{world.toml()}\n{second}")
    targets = Targets.load(path, portal_system_identifier=None)
    for app in (OPERATE, other, "00000003-0000-0000-c000-000000000000"):
        for tenant in (TENANT, "other"):
            step = world.plan({**world.target, "tenant": tenant, "app_id": app}).steps[0]
            assert targets.is_own(step.target), (app, tenant)


def test_one_tenant_has_one_name(worlds: dict[str, EntraWorld]) -> None:
    """A lease is held by the target's name."""
    world = worlds[DISABLE]
    path = world.directory / "two.toml"
    path.write_text(world.toml() + world.toml().replace(f"[entra.{TENANT}]", "[entra.other]"))
    with pytest.raises(TargetsFileInvalid, match="two names for one tenant"):
        Targets.load(path, portal_system_identifier=None)


def test_a_section_that_cannot_be_used_is_refused(worlds: dict[str, EntraWorld]) -> None:
    world = worlds[DISABLE]
    url, path = world.place.server.url, world.directory / "wrong.toml"
    wrong = {
        f"[entra.{TENANT}]": ["[entra.Acme]", "[entra.a.b]"],
        f'authority = "{url}"': [
            'authority = "http://10.0.0.5"', 'authority = "https://u:p@login.example"',
            'authority = "https://login.example"', 'authority = "https://[::1"',
            f'authority = "{url}?x=1"', f'authority = "{url}"\nmore = 1',
        ],
        f'graph = "{url}/v1.0"': ['graph = "https://"', ""],
        f'observe_client_id = "{OBSERVE}"': [
            'observe_client_id = "a b"', "", f'observe_client_id = "{OPERATE}"',
        ],
        f'tenant_id = "{world.place.api.tenant_id}"': ['tenant_id = "acme"', ""],
        'operate_key_file = "operate.pem"': ['operate_key = "inline"'],
        'operate_certificate_file = "operate.crt"': [""],
    }  # fmt: skip
    for old, texts in wrong.items():
        for new in texts:
            assert old in world.toml()
            path.write_text(world.toml().replace(old, new))
            with pytest.raises(TargetsFileInvalid):
                Targets.load(path, portal_system_identifier=None)


def test_a_certificate_file_that_is_none_signs_nothing(worlds: dict[str, EntraWorld]) -> None:
    world = worlds[DISABLE]
    (world.directory / "observe.crt").write_text("none")
    unobservable(world, "certificate has none")


def test_looking_needs_no_credential_that_changes_something(
    worlds: dict[str, EntraWorld],
) -> None:
    for world in worlds.values():
        (world.directory / "operate.pem").unlink()
        assert run_observe(world.step, world.targets()).exists
