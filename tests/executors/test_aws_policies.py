"""Users and roles in the simulated AWS: what a policy of the portal denies, and what it leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from audit.tlog.canonical import Json
from remediation.domain.catalogue import ACTIONS
from remediation.domain.errors import BadInput, TargetUnobservable
from remediation.domain.plan import parse_target
from remediation.executors import aws_policy_action, aws_revoke, aws_role_look
from remediation.executors.aws_revoke import OTHER, text_for, times_in
from remediation.executors.aws_user_deny import POLICY as DENY_POLICY
from remediation.executors.base import Deadline, Settled
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
from tests.executors import lagging as lag
from tests.executors import moto
from tests.executors.aws_policies import (
    ALLOWED,
    BEFORE,
    CONSOLE,
    DeniedUserWorld,
    RoleWorld,
    document,
)
from tests.executors.contract import clearance, make_plan
from tests.executors.lagging import Reads, lagging

DENY, ALLOW = "aws.iam_user.deny_all", "aws.iam_user.allow_again"
REVOKE, RESTORE = "aws.iam_role.revoke_sessions", "aws.iam_role.restore_sessions"
DENY_NAME, ALLOW_NAME = "aws.iam_role.deny_session_name", "aws.iam_role.allow_session_name"
ALL = (DENY, ALLOW, REVOKE, RESTORE, DENY_NAME, ALLOW_NAME)


@pytest.fixture
def user(simulator: moto.Moto, tmp_path: Path) -> DeniedUserWorld:
    return DeniedUserWorld(DENY, tmp_path, simulator)


@pytest.fixture
def role(simulator: moto.Moto, tmp_path: Path) -> RoleWorld:
    return RoleWorld(REVOKE, tmp_path, simulator)


def run(world: DeniedUserWorld, **parameters: Json) -> Any:
    """Observe, check, apply and verify, as a run does; return the snapshot."""
    plan, targets = world.plan(), world.targets()
    if parameters:
        plan = make_plan(world.action, world.target, parameters)
    seen = run_observe(plan.steps[0], targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    run_verify(clearance(plan), plan.body, 0, targets, snapshot)
    return snapshot


def undo(world: DeniedUserWorld, snapshot: Any, **parameters: Json) -> None:
    plan = make_plan(world.action, world.target, parameters) if parameters else world.plan()
    back = clearance(plan, rollback=True)
    run_rollback(back, plan.body, 0, world.targets(), snapshot)


def test_a_denied_user_is_refused_and_afterwards_let_in_again(user: DeniedUserWorld) -> None:
    user.uses_key()
    snapshot = run(user)
    with pytest.raises(ClientError, match="AccessDenied"):
        user.uses_key()
    seen = run_observe(user.step, user.targets())
    assert seen.simulated
    [point] = executor_of(user.step).points(user.step, seen)
    assert point.without_access is True
    # The key itself is taken: AWS answers this call whatever is denied.
    user.moto.client(user.user.key, user.user.secret, "sts").get_caller_identity()
    undo(user, snapshot)
    user.uses_key()


def test_what_people_see_of_a_user_and_what_it_loses(user: DeniedUserWorld) -> None:
    user.moto.admin().create_login_profile(UserName=user.name, Password="Some-Passw0rd!")
    shown = run_observe(user.step, user.targets()).shown
    assert shown["iam_policies"] == ["inline work"] and shown["console"] is True
    [slot] = shown["slots"]  # type: ignore[misc]
    assert isinstance(slot, dict) and slot["id"] == user.user.key and not shown["own"]
    traces = run_traces(user.step, user.targets())
    assert traces["slots"] == shown["slots"]
    assert "Passw0rd" not in json.dumps([dict(shown), dict(traces)])


def test_a_policy_with_the_portals_name_and_another_text_is_left_alone(
    user: DeniedUserWorld,
) -> None:
    snapshot = run(user)
    other = document({"Sid": "HitlPortalDenyAll", **ALLOWED})
    user.put(DENY_POLICY, other)
    assert run_observe(user.step, user.targets()).state["denied"] == "other"
    with pytest.raises(RollbackFailed, match="somebody else's"):
        undo(user, snapshot)
    for action in (DENY, ALLOW):
        plan = make_plan(action, user.target, {})
        with pytest.raises(NotApplied, match="somebody else's"):
            run_apply(clearance(plan), plan.body, 0, user.targets())
    # The same statement with one space more is not byte for byte the portal's.
    user.put(DENY_POLICY, document({"Effect": "Deny", "Action": "*", "Resource": "*"}))
    assert run_observe(user.step, user.targets()).state["denied"] == "other"
    assert user.changes() == 1


def test_a_user_that_was_made_anew_is_not_the_one_that_people_saw(user: DeniedUserWorld) -> None:
    plan, targets = user.plan(), user.targets()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(user.step, targets))
    with pytest.raises(NotApplied, match="another one"):
        run_apply(clearance(plan), plan.body, 0, targets, {**snapshot, "user_id": "AIDAOTHER"})
    assert user.changes() == 0


def test_an_intruder_who_changes_policies_does_not_stop_the_denial(user: DeniedUserWorld) -> None:
    """Other policies are shown, and pinned only where they are what comes back."""
    before = run_observe(user.step, user.targets())
    user.put("more", document(ALLOWED))
    after = run_observe(user.step, user.targets())
    assert (after.state, after.shown["iam_policies"]) == (
        before.state,
        ["inline more", "inline work"],
    )
    back = make_plan(ALLOW, user.target, {}).steps[0]
    assert run_observe(back, user.targets()).state["iam_policies"] == ["inline more", "inline work"]


def test_the_portals_own_user_and_role_are_not_denied(
    user: DeniedUserWorld, role: RoleWorld
) -> None:
    plan = make_plan(DENY, {**user.target, "user": "hitl-operator"}, {})
    seen = run_observe(plan.steps[0], user.targets())
    assert seen.shown["own"] == [moto.logins("1")["operator"]["id"]]
    with pytest.raises(NotApplied, match="the portal itself"):
        run_prepare(clearance(plan), plan.body, 0, user.targets(), seen)
    with pytest.raises(NotApplied, match="the portal itself"):
        run_apply(clearance(plan), plan.body, 0, user.targets())
    role.login = "assumer"
    for name, own in (("hitl-operator", True), ("HITL-Operator", True), (role.name, False)):
        target = parse_target({**role.target, "role": name})
        assert role.targets().is_own(target) is own


def test_odd_names_are_quoted_and_hostile_ones_are_no_targets(
    simulator: moto.Moto, tmp_path: Path
) -> None:
    odd = "+=,.@-_a"
    simulator.admin().create_user(UserName=odd)
    world = DeniedUserWorld(DENY, tmp_path, simulator)
    plan = make_plan(DENY, {**world.target, "user": odd}, {})
    run_apply(clearance(plan), plan.body, 0, world.targets())
    assert run_observe(plan.steps[0], world.targets()).state["denied"] == "yes"
    for hostile in (
        "*",
        "a*",
        "a?",
        "a/b",
        "../a",
        "a b",
        "a\n",
        "${aws:username}",
        "a:b",
        "ä",
        "",
    ):
        for kind, field in (("user", "user"), ("role", "role"), ("session", "session")):
            spec = {"user": "aws.iam.user", "role": "aws.iam.role", "session": "aws.role_session"}
            whole = {"account": moto.ACCOUNT, "user": "u", "role": "r", "session": "s1"}
            names = {"user": ("user",), "role": ("role",), "session": ("role", "session")}[kind]
            target = {name: whole[name] for name in ("account", *names)} | {field: hostile}
            with pytest.raises(BadInput):
                parse_target({"kind": spec[kind], **target})


# --- Roles -------------------------------------------------------------------------------------


def test_older_sessions_are_denied_and_the_page_says_who_comes_again(role: RoleWorld) -> None:
    session = role.assume()
    session.list_account_aliases()
    snapshot = run(role)
    with pytest.raises(ClientError, match="AccessDenied"):
        session.list_account_aliases()
    seen = run_observe(role.step, role.targets())
    assert seen.state["revocations"] == [BEFORE]
    assert seen.shown["assumed_by"] == [
        f"AWS arn:aws:iam::{moto.ACCOUNT}:user/admin",
        "Service ec2.amazonaws.com",
    ]
    # Who can assume the role gets in again: that is no containment.
    [point] = executor_of(role.step).points(role.step, seen)
    assert point.without_access is False and not ACTIONS[REVOKE].removes_access
    undo(role, snapshot)
    assert aws_revoke.POLICY not in role.policies()
    session.list_account_aliases()


def test_what_the_console_denied_stays_denied_and_comes_back_as_it_was(role: RoleWorld) -> None:
    role.put(aws_revoke.POLICY, CONSOLE)
    snapshot = run(role)
    first = "2025-06-01T10:00:00.123Z"
    assert run_observe(role.step, role.targets()).state["revocations"] == [first, BEFORE]
    second = "2026-02-01T00:00:00Z"
    run(role, before=second)
    with pytest.raises(RollbackFailed, match="changed since"):
        undo(role, snapshot)
    plan = make_plan(RESTORE, role.target, {"before": second})
    run_apply(clearance(plan), plan.body, 0, role.targets())
    undo(role, snapshot)
    [put] = [line for line in role.lines() if line["parameters"].get("PolicyDocument") == CONSOLE]
    assert put["call"] == "iam:PutRolePolicy" and put == role.lines()[-1]
    assert run_observe(role.step, role.targets()).state["revocations"] == [first]
    # A policy of the console is not the portal's to take back.
    plan = make_plan(RESTORE, role.target, {"before": "2025-06-01T10:00:00Z"})
    run_apply(clearance(plan), plan.body, 0, role.targets())
    assert run_observe(role.step, role.targets()).state["revocations"] == [first]


def test_a_time_that_loosens_or_has_not_come_is_refused(role: RoleWorld) -> None:
    run(role)
    with pytest.raises(NotApplied, match="denied already"):
        run(role, before="2025-12-31T23:59:59Z")
    with pytest.raises(NotApplied, match="has not come"):
        run(role, before="2099-01-01T00:00:00Z")
    for bad in ("2026-01-01T00:00:00.5Z", "2026-01-01", "now", '2026-01-01T00:00:00Z"}'):
        with pytest.raises(BadInput):
            make_plan(REVOKE, role.target, {"before": bad})
    many = [f"2025-01-{day:02}T00:00:00Z" for day in range(1, aws_revoke.MOST + 1)]
    role.put(aws_revoke.POLICY, text_for(many))
    with pytest.raises(NotApplied, match="take old ones back"):
        run(role)
    assert role.changes() == 1


def test_only_a_policy_that_denies_older_sessions_and_no_more_is_understood() -> None:
    assert times_in(None) == [] and times_in(CONSOLE) == ["2025-06-01T10:00:00.123Z"]
    assert times_in(text_for([BEFORE])) == [BEFORE]
    base = json.loads(text_for([BEFORE]))
    [statement] = base["Statement"]
    condition = statement["Condition"]["DateLessThan"]
    for changed in (
        {"Effect": "Allow"},
        {"Action": ["s3:*"]},
        {"Resource": ["arn:aws:s3:::b"]},
        {"NotAction": ["iam:*"]},
        {"Condition": {}},
        {"Condition": {"DateGreaterThan": condition}},
        {"Condition": {"DateLessThan": {**condition, "aws:userid": "x"}}},
        {"Condition": {"DateLessThan": condition, "StringEquals": {"aws:userid": "x"}}},
        {"Condition": {"DateLessThan": {"aws:TokenIssueTime": [BEFORE, BEFORE]}}},
        {"Condition": {"DateLessThan": {"aws:TokenIssueTime": "1700000000"}}},
        {"Condition": {"DateLessThan": {"aws:CurrentTime": BEFORE}}},
    ):
        text = json.dumps({**base, "Statement": [{**statement, **changed}]})
        assert times_in(text) == [OTHER], changed
        mixed = json.dumps({**base, "Statement": [statement, {**statement, **changed}]})
        assert times_in(mixed) == [OTHER], changed
    for text in ("", "[]", "{", '{"Statement":[]}', '{"Statement":[1]}', '{"Statement":null}'):
        assert times_in(text) == [OTHER], text


def test_somebody_elses_policy_of_this_name_is_left_alone(role: RoleWorld) -> None:
    role.put(aws_revoke.POLICY, document(ALLOWED))
    assert run_observe(role.step, role.targets()).state["revocations"] == [OTHER]
    for action in (REVOKE, RESTORE):
        plan = make_plan(action, role.target, {"before": BEFORE})
        with pytest.raises(NotApplied, match="somebody else's"):
            run_apply(clearance(plan), plan.body, 0, role.targets())
    assert role.changes() == 0


def test_roles_that_iam_does_not_let_anybody_edit_are_refused(
    simulator: moto.Moto, tmp_path: Path
) -> None:
    paths = {"/aws-service-role/x/": "linked to a service", "/aws-reserved/sso/": "Identity Center"}
    for path, why in paths.items():
        RoleWorld.path = path
        try:
            worlds = [RoleWorld(each, tmp_path, simulator) for each in (REVOKE, DENY_NAME)]
        finally:
            RoleWorld.path = "/"
        for world in worlds:
            plan = world.plan()
            with pytest.raises(NotApplied, match=why):
                run_apply(clearance(plan), plan.body, 0, world.targets())
            assert world.changes() == 0
    with pytest.raises(BadInput, match="Identity Center"):
        make_plan(DENY_NAME, {**worlds[1].target, "role": "AWSReservedSSO_Admin_0"}, {})


def test_a_session_name_is_compared_with_the_roles_id(simulator: moto.Moto, tmp_path: Path) -> None:
    role = RoleWorld(DENY_NAME, tmp_path, simulator)
    snapshot = run(role)
    text = json.loads(role.policies()["HitlPortalDenySession-nightly"])
    assert text["Statement"][0]["Condition"] == {
        "StringEquals": {"aws:userid": f"{role.role_id}:nightly"}
    }
    # Of a role that was made anew under this name, the policy would have another text.
    role.put("HitlPortalDenySession-nightly", json.dumps(text).replace(role.role_id, "AROAOLD"))
    assert run_observe(role.step, role.targets()).state["denied"] == "other"
    with pytest.raises(RollbackFailed):
        undo(role, snapshot)
    assert role.changes() == 1


def test_the_simulator_denies_new_sessions_too_and_aws_does_not(role: RoleWorld) -> None:
    """A difference that the documents name: moto takes a condition that it cannot judge as met."""
    run(role)
    with pytest.raises(ClientError, match="AccessDenied"):
        role.assume("later").list_account_aliases()


def test_a_trust_policy_is_said_in_words() -> None:
    def said(**changed: Any) -> list[str]:
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole", **changed}
        return aws_role_look.principals(json.dumps({"Statement": statement}))

    assert said(Principal="*") == ["everybody"]
    assert said(Principal={"AWS": "*"}) == ["AWS *"]
    assert said(NotPrincipal={"AWS": "x"}) == ["everybody but some (NotPrincipal)"]
    assert said(Principal={"AWS": ["b", "a"]}, Condition={"Bool": {}}) == [
        "AWS a (under conditions)",
        "AWS b (under conditions)",
    ]
    assert said(Effect="Deny", Principal="*") == []
    many = said(Principal={"AWS": [f"arn:{'x' * 300}{number}" for number in range(50)]})
    assert len(many) <= 21 and max(map(len, many)) <= 160


# --- Answers that are lost or late -------------------------------------------------------------


def test_after_a_lost_answer_the_policy_is_read_and_not_put_again(
    user: DeniedUserWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "CHANGES", ("PutUserPolicy", "DeleteUserPolicy"))
    plan = user.plan()
    with lagging(user.moto.url, Reads.STALE) as iam:
        targets, iam.lost = user.targets(iam.port), True
        before = run_observe(user.step, targets)
        with pytest.raises(OutcomeUnknown):
            run_apply(clearance(plan), plan.body, 0, targets)
    seen = run_observe(user.step, user.targets())
    settled = executor_of(user.step).settled_from(user.step, seen, before.state, {})
    assert (settled, user.changes()) == (Settled.APPLIED, 1)


def test_a67_reads_that_are_late_or_disagree_confirm_nothing(
    user: DeniedUserWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "CHANGES", ("PutUserPolicy",))
    monkeypatch.setattr(lag, "READ", "GetUserPolicy")
    monkeypatch.setattr(aws_policy_action, "VERIFY_SECONDS", 0.0)
    plan = user.plan()
    for reads, why in ((Reads.STALE, "policy: no"), (Reads.ALTERNATE, "reads of IAM disagree")):
        user.moto.admin().delete_user_policy(UserName=user.name, PolicyName="work")
        with lagging(user.moto.url, reads) as iam:
            targets = user.targets(iam.port)
            run_observe(user.step, targets)
            run_apply(clearance(plan), plan.body, 0, targets)
            with pytest.raises(VerifyFailed, match=why):
                run_verify(clearance(plan), plan.body, 0, targets)
            iam.spread()
            run_verify(clearance(plan), plan.body, 0, targets)
        user.put("work", document(ALLOWED))
        user.moto.admin().delete_user_policy(UserName=user.name, PolicyName=DENY_POLICY)


def test_without_time_or_right_to_look_nothing_is_changed(user: DeniedUserWorld) -> None:
    plan = user.plan()
    with pytest.raises(NotApplied, match="no time"):
        executor_of(user.step).apply(clearance(plan), user.step, user.targets(), Deadline.within(1))
    assert user.changes() == 0
    (user.directory / "operate.secret").write_text("wrong")
    with pytest.raises(NotApplied, match="SignatureDoesNotMatch"):
        run_apply(clearance(plan), plan.body, 0, user.targets())
    assert run_observe(user.step, user.targets()).state["denied"] == "no"
    text = user.toml().replace('key = "observer"', 'key = "wrong"')
    user.toml = lambda port=None: text  # type: ignore[method-assign]
    with pytest.raises(TargetUnobservable, match="SignatureDoesNotMatch"):
        run_observe(user.step, user.targets())
