"""The contract of every executor, checked on a real target and in the target's own log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from uuid import uuid4

import pytest

from audit.tlog.canonical import encode
from remediation.domain import instant, live
from remediation.domain.catalogue import PROVIDERS, TARGETS
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import Digest, TargetUnobservable, UnknownField
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.store_place import version_name
from remediation.executors.base import Candidate, Deadline, Settled
from remediation.executors.errors import (
    ClearanceRefused,
    CredentialUnavailable,
    NotApplied,
    RollbackFailed,
    VerifyFailed,
)
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_live,
    run_observe,
    run_prepare,
    run_rollback,
    run_secret_in_force,
    run_verify,
)
from remediation.executors.targets import Targets
from tests.executors.contract import CONTRACTS, World, cases, clearance, closed_port, make_plan

# After a lost answer: servers can show a certificate of anybody, and a lease can be anybody's.
ONLY_THE_STORE_TELLS = {"tls.certificate.issue", "openbao.database_role.new_credential"}

# A look at these needs what only a plan says: tokens of the client, variables of the playbook.
SEEN_BY_A_PLAN_ONLY = {
    "oauth.client": "only a plan names",
    "ansible.playbook": "the plan does not give variable",
}


def test_every_provider_with_actions_is_tried() -> None:
    acting = {name for name, provider in PROVIDERS.items() if provider.actions}
    assert acting == set(CONTRACTS)


@pytest.fixture(autouse=True)
def _before_each_test_nothing_was_changed(world: World) -> None:
    assert world.changes() == 0


def test_observing_shows_exactly_the_pin_fields_and_changes_nothing(world: World) -> None:
    before = world.look()
    seen = run_observe(world.step, world.targets())
    assert seen.exists is not world.step.spec.creates
    if not seen.exists:
        assert seen.state == {}
        return
    assert set(seen.state) == set(world.step.spec.pin_fields)
    assert set(seen.shown) == set(TARGETS[world.step.target.kind].shown_fields)
    assert Observation.from_json(seen.to_json()) == seen
    encode(seen.to_json())  # no floats, no times: the observation is recorded
    assert run_observe(world.step, world.targets()).state == seen.state
    assert (world.look(), world.changes()) == (before, 0)


def test_reading_live_shows_what_observing_shows_and_changes_nothing(world: World) -> None:
    before = world.look()
    world.hide_operate_credential()
    seen = run_live(world.step, world.targets())
    declared = TARGETS[world.step.target.kind]
    if world.step.spec.creates:
        assert not seen.exists and (world.look(), world.changes()) == (before, 0)
        return
    assert seen.exists and set(seen.state) == set(world.step.spec.pin_fields)
    assert set(declared.shown_fields) <= set(seen.shown)
    assert set(seen.shown) - set(declared.shown_fields) <= set(declared.live_fields)
    encode(seen.to_json())  # it is recorded
    gone = world.plan(world.gone).steps[0]
    if world.says_gone:
        assert not run_live(gone, world.targets()).exists
    else:
        with pytest.raises(TargetUnobservable):
            run_live(gone, world.targets())
    assert (world.look(), world.changes()) == (before, 0)


def test_people_look_at_it_before_there_is_a_plan(world: World) -> None:
    """Such a look has no parameters (domain/live.py). It shows the target, or says what it lacks.

    An unexpected error would become a refusal, too: "KeyError" is nothing that people can mend.
    """
    if world.step.spec.creates:
        return
    step = live.step_for(world.step.target.locator)
    assert step is not None and not step.parameters
    if lacks := SEEN_BY_A_PLAN_ONLY.get(world.step.target.kind):
        with pytest.raises(TargetUnobservable, match=lacks):
            run_live(step, world.targets())
        return
    seen = run_live(step, world.targets())
    assert seen.exists and set(seen.state) == set(step.spec.pin_fields)
    executor_of(step).points(step, seen)


def test_a_secret_is_compared_or_said_not_to_be_and_stands_in_no_log(world: World) -> None:
    """A61: each candidate has an answer, no credential that changes something is read."""
    before, secret = world.look(), f"pw-{uuid4().hex}"
    world.hide_operate_credential()
    given = [Candidate((secret,), "assigned_secret"), Candidate((), "private_key")]
    found = run_secret_in_force(world.step, world.targets(), given)
    assert len(found.answers) == 2 and True not in found.answers
    assert found.why or None not in found.answers[:1], "what is not compared is said"
    assert secret not in repr(given) + repr(found)
    assert run_secret_in_force(world.step, world.targets(), []).answers == ()
    assert (world.look(), world.changes()) == (before, 0)
    for path in world.directory.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes()


def test_observing_needs_no_credential_that_can_change_something(world: World) -> None:
    world.hide_operate_credential()
    assert run_observe(world.step, world.targets()).exists is not world.step.spec.creates


@pytest.mark.parametrize("world", cases(with_credentials=True), indirect=True)
def test_a_missing_credential_changes_nothing_and_says_so(world: World) -> None:
    world.hide_operate_credential()
    with pytest.raises(CredentialUnavailable):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert world.changes() == 0


def forged(world: World) -> list[object]:
    """Values that code without a clearance might pass."""
    real = clearance(world.plan())
    names = ("proposal_id", "plan_digest", "step", "token", "pin_digest", "ends", "rollback")
    return [None, True, "", {}, SimpleNamespace(**{name: getattr(real, name) for name in names})]


def test_without_a_clearance_no_door_opens_and_no_credential_is_read(world: World) -> None:
    world.hide_operate_credential()  # reading it would raise CredentialUnavailable
    executor, targets, before = executor_of(world.step), world.targets(), world.look()
    body, seen, soon = world.plan().body, run_observe(world.step, targets), Deadline.within(60)
    calls: list[Callable[[Clearance], object]] = [
        lambda fake: run_prepare(fake, body, 0, targets, seen),
        lambda fake: run_apply(fake, body, 0, targets),
        lambda fake: run_verify(fake, body, 0, targets),
        lambda fake: run_rollback(fake, body, 0, targets, seen.state),
        lambda fake: executor.apply(fake, world.step, targets, soon),
        lambda fake: executor.rollback(fake, world.step, targets, seen.state, soon),
    ]
    for fake in forged(world):
        for call in calls:
            with pytest.raises(ClearanceRefused):
                call(cast("Clearance", fake))
    assert (world.look(), world.changes()) == (before, 0)


def test_a03_a05_other_bytes_than_the_approved_ones_reach_no_target(world: World) -> None:
    body, targets, before = world.plan().body, world.targets(), world.look()
    given = clearance(world.plan())
    for other in (
        body + b" ",
        body.replace(b"production", b"staging"),
        re.sub(rb'"executor":\d+', b'"executor":999', body),
        world.plan(world.gone).body,
        b"",
    ):
        with pytest.raises(Digest):
            run_apply(given, other, 0, targets)
        with pytest.raises(Digest):
            run_rollback(clearance(world.plan(), rollback=True), other, 0, targets, {})
    assert (world.look(), world.changes()) == (before, 0)


def test_a_clearance_is_for_one_step_one_use_and_a_short_time(world: World) -> None:
    plan, targets = world.plan(), world.targets()
    for refused in (
        clearance(plan, step=1),
        clearance(plan, ends_in=-0.001),
        clearance(plan, rollback=True),
    ):
        with pytest.raises(ClearanceRefused):
            run_apply(refused, plan.body, 0, targets)
    for refused in (clearance(plan), clearance(plan, rollback=True, ends_in=-0.001)):
        with pytest.raises(ClearanceRefused):
            run_rollback(refused, plan.body, 0, targets, {})
    assert world.changes() == 0


def test_apply_verify_and_rollback_lead_back_to_the_pinned_state(world: World) -> None:
    plan, targets = world.plan(), world.targets()
    executor, original = executor_of(world.step), run_observe(world.step, targets)
    executor.version = version_name(clearance(plan).proposal_id, 0)
    spec, before, lost = world.step.spec, original.state, dict[str, str]()  # an answer may be lost
    # An action whose effect shows later cannot tell yet.
    first = executor.settled_from(world.step, original, before, lost)
    assert first in (Settled.NOT_APPLIED, None)

    given = clearance(plan)
    snapshot = run_prepare(given, plan.body, 0, targets, original)
    assert world.changes() == 0
    with pytest.raises(VerifyFailed):
        executor.verify(given, world.step, targets, Deadline.within(0))
    applied = run_apply(given, plan.body, 0, targets, snapshot)
    verified = run_verify(given, plan.body, 0, targets)
    encode([dict(applied.detail), dict(verified.detail)])
    assert set(applied.made) == set(spec.makes)
    assert all(re.fullmatch(spec.makes[name], value) for name, value in applied.made.items())
    changed = run_observe(world.step, targets)
    assert changed.state == executor.after(original.state, world.step.parameters, applied.made)
    if spec.leads_to or spec.leads_to_from:
        assert changed.state != original.state
    executor.expected = snapshot
    assert executor.settled_from(world.step, changed, before, applied.made) is Settled.APPLIED
    if spec.kind in ONLY_THE_STORE_TELLS:
        assert executor.found_made(changed, before) is None
        assert executor.settled_from(world.step, changed, before, lost) is None
    else:
        assert executor.settled_from(world.step, changed, before, lost) is Settled.APPLIED
        found = executor.found_made(changed, before)
        assert not applied.made or (found and _says_as_much(spec.makes, found, applied.made))
    assert executor.left_open(world.step, changed) == ()
    assert world.changes() > 0

    back = clearance(plan, rollback=True)
    if not spec.reversible:
        with pytest.raises(RollbackFailed):
            run_rollback(back, plan.body, 0, targets, snapshot)
        assert run_observe(world.step, targets).state == changed.state
        return
    run_rollback(back, plan.body, 0, targets, snapshot)
    restored = run_observe(world.step, targets)
    for name in original.state.keys() - world.made_anew:
        assert restored.state[name] == original.state[name]
    last = executor.settled_from(world.step, restored, before, applied.made)
    # What another object of the same name says of the step, people must judge.
    assert last is (None if world.made_anew else Settled.NOT_APPLIED)


def _says_as_much(
    makes: Mapping[str, str], found: Mapping[str, str], made: Mapping[str, str]
) -> bool:
    """Return whether what is found later is what was made; a moment may be a later one.

    A moment is that since when something is seen to hold; a second look knows no earlier one.
    """
    moments = {name for name in makes if name.endswith("_at")}
    assert found.keys() == made.keys() == makes.keys()
    return all(
        instant.parse(found[name]) >= instant.parse(made[name])
        if name in moments
        else found[name] == made[name]
        for name in makes
    )


def test_applying_twice_ends_in_the_same_state(world: World) -> None:
    plan, targets = world.plan(), world.targets()
    executor = executor_of(world.step)
    before = run_observe(world.step, targets).state
    executor.expected = dict(before)
    made = []
    for _ in range(2):
        made.append(run_apply(clearance(plan), plan.body, 0, targets).made)
        run_verify(clearance(plan), plan.body, 0, targets)
    assert _says_as_much(world.step.spec.makes, made[1], made[0])
    seen = run_observe(world.step, targets)
    assert executor.settled_from(world.step, seen, before, made[0]) is Settled.APPLIED


def test_rolling_back_what_had_no_effect_changes_nothing_that_is_pinned(world: World) -> None:
    plan, targets = world.plan(), world.targets()
    original = run_observe(world.step, targets)
    snapshot, before = run_prepare(clearance(plan), plan.body, 0, targets, original), world.look()
    # What cannot be undone may say so also where there is nothing to undo.
    with nullcontext() if world.step.spec.reversible else suppress(RollbackFailed):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert run_observe(world.step, targets).state == original.state
    if not world.step.spec.reversible:
        assert (world.look(), world.changes()) == (before, 0)


def test_undeclared_parameters_are_refused_when_parsed_and_when_run(world: World) -> None:
    with pytest.raises(UnknownField):
        make_plan(world.action, world.target, {**world.step.parameters, "extra": 1})
    value = json.loads(world.plan().body)
    value["steps"][0]["parameters"]["extra"] = 1
    body = encode(value)
    assert body != world.plan().body
    given = clearance(world.plan(), digest=digest(Kind.PLAN, body))
    with pytest.raises(Digest, match="unknown_field"):
        run_apply(given, body, 0, world.targets())
    assert world.changes() == 0


def test_a31_a_target_that_is_gone_is_seen_as_gone_and_not_acted_on(world: World) -> None:
    if world.step.spec.creates:
        _what_is_there_is_not_made_again(world)
        return
    plan, targets = world.plan(world.gone), world.targets()
    if world.says_gone:
        seen = run_observe(plan.steps[0], targets)
        assert not seen.exists and seen.state == {}
        assert executor_of(plan.steps[0]).settled(seen) is None
        with pytest.raises(NotApplied):
            run_prepare(clearance(plan), plan.body, 0, targets, seen)
    else:
        with pytest.raises(TargetUnobservable):
            run_observe(plan.steps[0], targets)
    with pytest.raises(NotApplied):
        run_apply(clearance(plan), plan.body, 0, targets)
    with pytest.raises(VerifyFailed):
        executor_of(plan.steps[0]).verify(
            clearance(plan), plan.steps[0], targets, Deadline.within(0)
        )


def _what_is_there_is_not_made_again(world: World) -> None:
    plan, targets = world.plan(), world.targets()
    run_apply(clearance(plan), plan.body, 0, targets)
    seen, changes = run_observe(world.step, targets), world.changes()
    assert seen.exists
    with pytest.raises(NotApplied, match="already"):
        run_prepare(clearance(plan), plan.body, 0, targets, seen)
    assert run_observe(world.step, targets).state == seen.state
    assert world.changes() == changes


def test_a31_a_target_that_cannot_be_reached_is_unobservable_and_not_acted_on(
    world: World,
) -> None:
    plan = world.plan()
    with closed_port() as port:
        targets = world.targets(port)
        with pytest.raises(TargetUnobservable):
            run_observe(world.step, targets)
        with pytest.raises(NotApplied):
            run_apply(clearance(plan), plan.body, 0, targets)
        with pytest.raises(VerifyFailed):
            run_verify(clearance(plan), plan.body, 0, targets)
    assert world.changes() == 0


def test_a_target_that_this_worker_does_not_have_is_unobservable(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "empty.toml").touch()
    empty = Targets.load(tmp_path / "empty.toml", portal_system_identifier=None)
    with pytest.raises(TargetUnobservable):
        run_observe(world.step, empty)
