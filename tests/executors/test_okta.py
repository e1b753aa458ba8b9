"""Okta: what the contract test cannot ask, at the simulated API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from audit.tlog.canonical import Json
from hitlportal.demo.servers.okta_api import Answer, Request, User
from remediation.domain import instant
from remediation.domain import plan as plans
from remediation.domain.catalogue import ACTIONS
from remediation.domain.errors import TargetUnobservable
from remediation.domain.waits import Order
from remediation.executors import base, okta
from remediation.executors.base import Settled
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
from tests.executors.contract import clearance, make_plan
from tests.executors.okta import OBSERVE, OPERATE, ORG, OktaPlace, OktaWorld, scopes
from tests.executors.okta_api_described import operation_of, operations, problems

SUSPEND, UNSUSPEND, CLEAR = "okta.user.suspend", "okta.user.unsuspend", "okta.user.clear_sessions"
ALL = tuple(kind for kind in ACTIONS if kind.startswith("okta."))


@pytest.fixture
def worlds(tmp_path: Path, okta_place: OktaPlace) -> Iterator[dict[str, OktaWorld]]:
    """One world for each action."""
    made = {}
    for action in ALL:
        (tmp_path / action).mkdir()
        made[action] = OktaWorld(action, tmp_path / action, okta_place)
    yield made
    for world in made.values():
        world.close()
    for name, app in okta_place.api.apps.items():
        app.scopes, app.reaches_users, app.is_super = scopes(name), True, False
    okta_place.api.before, okta_place.api.loses = None, lambda request: False


def carry_out(world: OktaWorld) -> None:
    plan, targets = world.plan(), world.targets()
    run_apply(clearance(plan), plan.body, 0, targets)
    run_verify(clearance(plan), plan.body, 0, targets)


def unobservable(world: OktaWorld, why: str) -> None:
    """Nothing is seen and nothing is done, for a reason in words."""
    with pytest.raises(TargetUnobservable, match=why):
        run_observe(world.step, world.targets())
    with pytest.raises(NotApplied):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.changes() == 0


def refused(world: OktaWorld, why: str) -> None:
    """It is refused before a person sees it, and again in the run."""
    seen = run_observe(world.step, world.targets())
    with pytest.raises(NotApplied, match=why):
        executor_of(world.step).precheck(world.step, seen)
    with pytest.raises(NotApplied, match=why):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.changes() == 0


def test_what_is_sent_and_what_is_answered_is_as_okta_describes_it(
    worlds: dict[str, OktaWorld], okta_place: OktaPlace
) -> None:
    begins = len(okta_place.api.requests)
    for world in worlds.values():
        carry_out(world)
        run_observe(world.plan(world.gone).steps[0], world.targets())
    asked = okta_place.api.requests[begins:]
    assert [each for request, _, answer in asked for each in problems(request, answer)] == []
    assert {operation_of(request) for request, _, _ in asked} == set(operations())


def test_the_description_refuses_what_is_not_in_it() -> None:
    user = "/api/v1/users/00u00000000000000001"
    for request, answer in (
        (Request("GET", user, {"page": "1"}, ""), Answer(404)),
        (Request("GET", user, {}, ""), Answer(200, {"id": 1})),
        (Request("GET", user, {}, ""), Answer(200, {"status": "LOST"})),
        (Request("POST", f"{user}/lifecycle/suspend", {"x": "1"}, ""), Answer(200)),
        (Request("POST", f"{user}/lifecycle/suspend", {}, ""), Answer(204)),
        (Request("DELETE", user, {}, ""), Answer(204)),
        (Request("DELETE", f"{user}/sessions", {}, ""), Answer(204, {})),
    ):  # fmt: skip
        assert problems(request, answer), request.path


def test_without_a_documented_scope_nothing_is_seen_and_nothing_done(
    worlds: dict[str, OktaWorld], okta_place: OktaPlace
) -> None:
    world = worlds[SUSPEND]
    for scope in scopes(OBSERVE):
        okta_place.observer.scopes = scopes(OBSERVE) - {scope}
        unobservable(world, "was not granted all of")
    okta_place.observer.scopes, okta_place.operator.scopes = scopes(OBSERVE), {"okta.users.read"}
    for world in worlds.values():
        with pytest.raises(NotApplied, match=r"was not granted all of okta\.users\.manage"):
            run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
        assert world.changes() == 0


def test_each_app_asks_for_its_documented_scopes_and_no_other(
    worlds: dict[str, OktaWorld], okta_place: OktaPlace
) -> None:
    begins = len(okta_place.api.requests)
    for world in worlds.values():
        carry_out(world)
    asked = {
        (who, *sorted(request.form["scope"].split()))
        for request, who, _ in okta_place.api.requests[begins:]
        if request.form
    }
    assert asked == {(name, *sorted(scopes(name))) for name in (OBSERVE, OPERATE)}
    assert all(name.endswith(".read") for name in scopes(OBSERVE))


def test_a_404_alone_makes_no_user_gone(
    worlds: dict[str, OktaWorld], okta_place: OktaPlace
) -> None:
    """The app's admin role does not reach the user: the same 404 as for none."""
    okta_place.observer.reaches_users = False
    for world in worlds.values():
        unobservable(world, "is not there, or the app may not see it")
        assert not run_observe(world.plan(world.gone).steps[0], world.targets()).exists


def test_a_user_whose_login_was_given_to_another_is_not_the_target(
    worlds: dict[str, OktaWorld], okta_place: OktaPlace
) -> None:
    world = worlds[SUSPEND]
    old = world.user.login
    target, step = world.target, world.step
    world.user.login = "renamed@example.org"
    other = User(old)
    okta_place.api.users[other.id] = other
    with pytest.raises(TargetUnobservable, match="has another login"):
        run_observe(step, world.targets())
    plan = world.plan(target)
    with pytest.raises(NotApplied, match="has another login"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    del okta_place.api.users[other.id]
    assert (world.changes(), other.status) == (0, "ACTIVE")


def test_a_status_from_which_okta_does_not_do_it_is_refused_in_words(
    worlds: dict[str, OktaWorld],
) -> None:
    for action, needed in ((SUSPEND, "ACTIVE"), (UNSUSPEND, "SUSPENDED")):
        world = worlds[action]
        for status in ("STAGED", "PROVISIONED", "RECOVERY", "LOCKED_OUT", "PASSWORD_EXPIRED",
                       "DEPROVISIONED"):  # fmt: skip
            world.user.status = status
            refused(world, f"only to a user that is {needed}; it is {status}")


def test_an_administrator_is_shown_and_okta_may_refuse(
    worlds: dict[str, OktaWorld], okta_place: OktaPlace
) -> None:
    world = worlds[SUSPEND]
    world.user.roles = ["SUPER_ADMIN"]
    seen = run_observe(world.step, world.targets())
    assert seen.shown["admin_roles"] == ["Super Admin"]
    with pytest.raises(NotApplied, match=r"refuses: the login may not do this \(E0000006\)"):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    okta_place.operator.is_super = True
    carry_out(world)
    assert world.user.status == "SUSPENDED"


def test_what_people_see_before_they_decide(worlds: dict[str, OktaWorld]) -> None:
    seen = run_observe(worlds[SUSPEND].step, worlds[SUSPEND].targets())
    assert seen.state == {"status": "ACTIVE", "user_type": "oty1default0000000h7"}
    assert seen.simulated and seen.shown["last_login"] == "2026-11-20T08:15:00.000Z"
    assert (seen.shown["admin_roles"], seen.shown["cleared_since"]) == ([], None)
    seen = run_observe(worlds[CLEAR].step, worlds[CLEAR].targets())
    assert seen.shown["cleared_since"] is False
    for action, world in worlds.items():
        assert bool(run_traces(world.step, world.targets())) is (action != UNSUSPEND)
        carry_out(world)
        assert run_traces(world.step, world.targets()) == {}


def test_clearing_takes_sessions_and_tokens_and_only_the_portals_own_counts(
    worlds: dict[str, OktaWorld], okta_place: OktaPlace
) -> None:
    world = worlds[CLEAR]
    # An administrator did it, perhaps without the tokens.
    okta_place.api.note("user.session.clear", world.user.id, "00uadmin")
    carry_out(world)
    assert (world.user.sessions, world.user.oauth_tokens, world.changes()) == (0, 0, 1)
    assert world.log()[1:] == [("user.session.clear", OPERATE)]
    # Before the time of another plan: it is done again.
    later = instant.dump(datetime.now(UTC) + timedelta(seconds=90))
    plan = make_plan(CLEAR, world.target, {"begun_before": later})
    assert run_observe(plan.steps[0], world.targets()).shown["cleared_since"] is False
    future = instant.dump(datetime.now(UTC) + timedelta(hours=1))
    plan = make_plan(CLEAR, world.target, {"begun_before": future})
    with pytest.raises(NotApplied, match="in the future"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.changes() == 1


def test_one_plan_suspends_first_and_clears_then(worlds: dict[str, OktaWorld]) -> None:
    world = worlds[SUSPEND]
    before: dict[str, Json] = {
        "begun_before": instant.dump(datetime.now(UTC).replace(microsecond=0))
    }
    body: Json = plans.written(
        "production",
        [
            {"action": SUSPEND, "target": world.target, "parameters": {}},
            {"action": CLEAR, "target": world.target, "parameters": before},
        ],
        Order.NONE,
    )
    both = plans.parse(body, protected=frozenset(), allow_test=True)
    for step in (0, 1):
        run_apply(clearance(both, step=step), both.body, step, world.targets())
        run_verify(clearance(both, step=step), both.body, step, world.targets())
    assert (world.user.status, world.user.sessions) == ("SUSPENDED", 0)
    assert [what for what, _ in world.log()] == ["user.lifecycle.suspend", "user.session.clear"]


def test_a_log_that_is_silent_confirms_nothing(
    worlds: dict[str, OktaWorld], okta_place: OktaPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(okta, "VERIFY_SECONDS", 0.0)
    world = worlds[CLEAR]
    plan, targets = world.plan(), world.targets()
    monkeypatch.setattr(okta_place.api, "note", lambda *args: None)
    run_apply(clearance(plan), plan.body, 0, targets)
    with pytest.raises(VerifyFailed, match="log does not have"):
        run_verify(clearance(plan), plan.body, 0, targets)
    assert executor_of(world.step).settled(run_observe(world.step, targets)) is None


def test_a_lost_answer_is_settled_by_looking_and_never_repeated(
    worlds: dict[str, OktaWorld], okta_place: OktaPlace
) -> None:
    for world in worlds.values():
        plan, targets = world.plan(), world.targets()
        seen = run_observe(world.step, targets)
        okta_place.api.loses = lambda request: (
            request.method != "GET" and not request.path.endswith("/token")
        )
        with pytest.raises(OutcomeUnknown):
            run_apply(clearance(plan), plan.body, 0, targets)
        okta_place.api.loses = lambda request: False
        found = run_observe(world.step, targets)
        executor = executor_of(world.step)
        assert executor.settled_from(world.step, found, seen.state, {}) is Settled.APPLIED
        assert world.changes() == 1


def test_a_user_that_somebody_deactivated_since_is_not_let_in_again(
    worlds: dict[str, OktaWorld],
) -> None:
    world = worlds[SUSPEND]
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    carry_out(world)
    world.user.status = "DEPROVISIONED"
    with pytest.raises(RollbackFailed, match="somebody else"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert world.user.status == "DEPROVISIONED"


def test_a_user_whom_a_person_suspended_since_is_not_let_in_again(
    worlds: dict[str, OktaWorld], okta_place: OktaPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lifted and suspended anew, for a reason of their own: the status is the same."""
    monkeypatch.setattr(okta, "BACK_SECONDS", 0.0)
    world = worlds[SUSPEND]
    plan, targets = world.plan(), world.targets()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    carry_out(world)
    begun = [*okta_place.api.log]
    okta_place.api.note("user.lifecycle.suspend", world.user.id, "00uadmin")
    with pytest.raises(RollbackFailed, match="not have that the portal suspended the user last"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    okta_place.api.log.clear()  # late
    with pytest.raises(RollbackFailed, match="not have that the portal suspended the user last"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert world.user.status == "SUSPENDED"
    okta_place.api.log += begun
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert world.user.status == "ACTIVE"


def test_a_user_who_got_the_login_of_one_that_was_deleted_is_not_the_target(
    worlds: dict[str, OktaWorld], okta_place: OktaPlace
) -> None:
    world = worlds[SUSPEND]
    other = User(world.deleted.login)
    okta_place.api.users[other.id] = other
    plan = world.plan(world.gone)
    assert not run_observe(plan.steps[0], world.targets()).exists
    with pytest.raises(NotApplied, match="does not exist"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert okta_place.api.users.pop(other.id).status == "ACTIVE"


def test_looking_needs_no_key_that_changes_something(worlds: dict[str, OktaWorld]) -> None:
    for world in worlds.values():
        (world.directory / "operate.pem").unlink()
        assert run_observe(world.step, world.targets()).exists


def test_waiting_for_the_log_asks_less_and_less_often(
    worlds: dict[str, OktaWorld], okta_place: OktaPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Okta takes few calls of its log in a minute; the limit would end the waiting."""
    clock = [0.0]

    def moved(by: float) -> None:
        clock[0] += by

    monkeypatch.setattr(okta, "time", SimpleNamespace(sleep=moved))
    monkeypatch.setattr(base, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    begins, world = len(okta_place.api.requests), worlds[CLEAR]
    plan = world.plan()
    with pytest.raises(VerifyFailed, match="log does not have"):
        run_verify(clearance(plan), plan.body, 0, world.targets())
    asked = [one.path for one, _, _ in okta_place.api.requests[begins:]]
    assert 5 < asked.count("/api/v1/logs") < 12 and clock[0] == okta.VERIFY_SECONDS


def test_a_section_that_cannot_be_used_is_refused(worlds: dict[str, OktaWorld]) -> None:
    world = worlds[SUSPEND]
    url, path = world.place.server.url, world.directory / "wrong.toml"
    wrong = {
        f"[okta.{ORG}]": ["[okta.Acme]", "[okta.a.b]"],
        f'url = "{url}"': [
            'url = "http://10.0.0.5"', 'url = "https://u:p@acme.okta.example"', 'url = "https://"',
            'url = "https://acme.okta.example"', 'url = "https://[::1"', f'url = "{url}?x=1"',
            f'url = "{url}/api"', f'url = "{url}"\nmore = 1',
        ],
        f'observe_client_id = "{OBSERVE}"': [
            'observe_client_id = "a b"', "", f'observe_client_id = "{OPERATE}"',
        ],
        'operate_key_file = "operate.pem"': ['operate_key = "inline"'],
        'operate_key_id = "k1"': ['operate_key_id = ""', 'operate_key_id = "k 1"'],
    }  # fmt: skip
    for old, texts in wrong.items():
        for new in texts:
            assert old in world.toml()
            path.write_text(world.toml().replace(old, new))
            with pytest.raises(TargetsFileInvalid):
                Targets.load(path, portal_system_identifier=None)
    # Another name for the same place would have a lease and an environment of its own.
    other = world.toml().replace(f"[okta.{ORG}]", "[okta.other]").replace(url, f"{url}/")
    path.write_text(world.toml() + other)
    with pytest.raises(TargetsFileInvalid, match="two names"):
        Targets.load(path, portal_system_identifier=None)
