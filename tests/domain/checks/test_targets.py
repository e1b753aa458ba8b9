"""Checks of a plan's targets: look-alikes, second keys, production use, protection, duplicates."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tlog.canonical import Json
from remediation.domain.checks import (
    CheckInput,
    Neighbour,
    OpenProposal,
    Outcome,
    Rejection,
    duplicate_proposal,
    earlier_rejection,
    look_alike_names,
    protected_target,
    sibling_credential,
    used_by_production,
)
from remediation.domain.checks.skeleton import edits, look_alike
from remediation.domain.observation import Observation
from tests.domain.checks.test_claims import KEY, OTHER, TARGET, claiming, event
from tests.domain.story import LOCATOR, a_check_input, a_plan, a_scope, a_service, an_observation
from tests.every import every

KEY_LOCATOR = f"aws.iam.access_key:111122223333/ada/{KEY}"
NOW = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)


def seeing(given_: CheckInput, **shown: Any) -> CheckInput:
    seen = Observation(True, {"status": "Active"}, shown, False)
    return replace(given_, observations={KEY_LOCATOR: seen})


def role_seen(**shown: Any) -> CheckInput:
    seen = replace(an_observation(), shown=shown)
    return a_check_input(observations={LOCATOR: seen})


# --- look_alike_names


@every(
    ("one", "other"),
    [
        ("tracy_stone", "tracey_stone"),
        ("app_orders", "app_0rders"),
        ("app_orders", "app-orders"),
        ("paypal", "paypa1"),
        ("modern_svc", "rnodern_svc"),
        ("deploy", "dep1oy"),
        ("billing", "biiling"),
        ("orders", "odrers"),
        ("app_orders", "\u0430pp_orders"),
        (KEY, OTHER),
    ],
)
def test_names_that_look_alike(one: str, other: str) -> None:
    assert look_alike(one, other)
    assert look_alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("app_orders", "app_orders"),
        ("app_orders", "app_orders_ro"),
        ("app", "api"),
        ("billing", "building_x"),
        ("AKIATFQR7NSC8Q4X20BJ", "AKIATFQR7NSCUXC3DDDP"),
    ],
)
def test_names_that_do_not_look_alike(one: str, other: str) -> None:
    assert not look_alike(one, other)


@given(st.text("abc", max_size=9), st.text("abc", max_size=9))
def test_edits_are_symmetric_and_bounded(one: str, other: str) -> None:
    distance = edits(one, other, 99)
    assert distance == edits(other, one, 99)
    assert (distance == 0) == (one == other)
    assert abs(len(one) - len(other)) <= distance <= max(len(one), len(other))
    assert edits(one, other, 2) == distance if distance <= 2 else edits(one, other, 2) > 2


def test_a_look_alike_in_the_evidence_fails() -> None:
    told = claiming("It is so.", event(userIdentity={"accessKeyId": OTHER, "userName": "adda1"}))
    outcome, reason = look_alike_names(told)
    assert outcome is Outcome.FAIL
    assert f"“{OTHER}”" in reason and f"“{KEY}”" in reason


def test_a_look_alike_beside_the_exact_name_passes_with_a_mention() -> None:
    near = Neighbour(KEY_LOCATOR.replace(KEY, OTHER))
    told = replace(claiming("It is so.", event()), neighbours=(near, Neighbour(KEY_LOCATOR)))
    outcome, reason = look_alike_names(told)
    assert outcome is Outcome.PASS
    assert OTHER in reason


def test_a_look_alike_of_the_inventory_warns_where_the_evidence_names_neither() -> None:
    nobody = event(userIdentity={"accessKeyId": "ASIA0000", "userName": "x"})
    near = Neighbour(KEY_LOCATOR.replace(KEY, OTHER))
    told = replace(claiming("It is so.", nobody), neighbours=(near,))
    assert look_alike_names(told)[0] is Outcome.WARN
    assert look_alike_names(replace(told, neighbours=()))[0] is Outcome.PASS


def test_a_word_that_looks_like_the_users_name_means_nothing_beside_the_exact_key() -> None:
    nameless = {"accessKeyId": KEY, "arn": "arn:aws:iam::111122223333:user/team/adda1"}
    target = {**TARGET, "user": "adda"}
    told = claiming("x", event(userIdentity={"accessKeyId": KEY}, note="adds to adda2"))
    step: Json = {"action": "aws.iam.deactivate_access_key", "target": target, "parameters": {}}
    five = a_plan(steps=[{**step, "target": {**target, "user": "adda3"}}])  # type: ignore[dict-item]
    assert look_alike_names(replace(told, plan=five))[0] is Outcome.PASS
    named = claiming("x", event(userIdentity=nameless))
    assert look_alike_names(replace(named, plan=five))[0] is Outcome.FAIL


def test_only_cited_records_count_not_the_rest_of_the_artefact() -> None:
    stranger = event(userIdentity={"accessKeyId": OTHER, "userName": "ada"})
    assert look_alike_names(claiming("x", stranger, event()))[0] is Outcome.FAIL
    assert look_alike_names(claiming("x", stranger, event(), cite=(1,)))[0] is Outcome.PASS


# --- sibling_credential


def other_key(status: str = "Active", name: str = OTHER) -> dict[str, str]:
    return {"id": name, "status": status, "created": "2026-01-01T00:00:00+00:00"}


def made(**changes: Any) -> dict[str, Any]:
    key = {"accessKeyId": OTHER, "userName": "bo"}
    return event("CreateAccessKey", responseElements={"accessKey": key}, **changes)


def test_a_second_active_key_that_the_plan_leaves_warns() -> None:
    told = seeing(claiming("x", event()), other_keys=[other_key()])
    outcome, reason = sibling_credential(told)
    assert (outcome, OTHER in reason) == (Outcome.WARN, True)


@pytest.mark.parametrize("keys", [[], [other_key("Inactive")], ["odd"], None, "x"])
def test_no_second_active_key_passes(keys: Any) -> None:
    assert sibling_credential(seeing(claiming("x", event()), other_keys=keys))[0] is Outcome.PASS


def test_a_key_that_the_intruder_made_fails() -> None:
    outcome, reason = sibling_credential(claiming("x", made()))
    assert outcome is Outcome.FAIL
    assert f"{OTHER} was made for user bo" in reason


@pytest.mark.parametrize(
    "beside",
    [
        event("DeleteAccessKey", requestParameters={"accessKeyId": OTHER}),
        event("UpdateAccessKey", requestParameters={"accessKeyId": OTHER, "status": "Inactive"}),
    ],
)
def test_a_created_key_that_is_disabled_again_passes(beside: dict[str, Any]) -> None:
    assert sibling_credential(claiming("x", made(), beside))[0] is Outcome.PASS


def test_a_key_that_was_refused_or_made_by_somebody_else_passes() -> None:
    refused = made(errorCode="LimitExceeded")
    stranger = made(userIdentity={"accessKeyId": "AKIASTRANGER00000009"})
    for record in (refused, stranger):
        assert sibling_credential(claiming("x", event(), record))[0] is Outcome.PASS


def test_without_an_observation_the_inventory_tells_of_second_keys() -> None:
    near = (Neighbour(KEY_LOCATOR), Neighbour(KEY_LOCATOR.replace(KEY, OTHER)))
    blind = replace(claiming("x", event()), observations={KEY_LOCATOR: None}, neighbours=near)
    assert sibling_credential(blind)[0] is Outcome.WARN
    assert sibling_credential(replace(blind, neighbours=near[:1]))[0] is Outcome.PASS


def test_members_of_a_role_keep_its_rights() -> None:
    outcome, reason = sibling_credential(role_seen(members=["etl"]))
    assert (outcome, "etl" in reason) == (Outcome.WARN, True)
    assert sibling_credential(role_seen(members=[]))[0] is Outcome.PASS


# --- used_by_production


def used(minutes: int, service: str = "s3", region: str = "eu-central-1") -> CheckInput:
    """Return a case whose key was last used that many minutes before the assessment."""
    told = seeing(
        claiming("x", event()),
        last_used=(NOW - timedelta(minutes=minutes)).isoformat(),
        last_used_service=service,
        last_used_region=region,
    )
    return replace(told, assessed_at=NOW)


def test_a_use_that_the_evidence_does_not_show_fails() -> None:
    outcome, reason = used_by_production(used(10))
    assert outcome is Outcome.FAIL
    assert "s3 in eu-central-1 at 10:20 UTC" in reason
    assert used_by_production(used(10, "secretsmanager", "us-east-1"))[0] is Outcome.FAIL


def test_the_intruders_own_use_passes() -> None:
    assert used_by_production(used(30, "secretsmanager"))[0] is Outcome.PASS
    assert used_by_production(used(20, "secretsmanager"))[0] is Outcome.PASS


def test_a_later_use_of_the_same_service_may_be_anybodys() -> None:
    assert used_by_production(used(2, "secretsmanager"))[0] is Outcome.WARN


@pytest.mark.parametrize("minutes", [61, 600])
def test_a_use_more_than_an_hour_ago_passes(minutes: int) -> None:
    assert used_by_production(used(minutes))[0] is Outcome.PASS


def test_only_production_counts() -> None:
    calm = replace(
        used(10), plan=replace(used(10).plan, environment="staging"), scope=a_scope(services=())
    )
    assert used_by_production(calm)[0] is Outcome.PASS
    reached = a_scope(services=(a_service(via=KEY_LOCATOR, environment="production"),))
    assert used_by_production(replace(calm, scope=reached))[0] is Outcome.FAIL


@pytest.mark.parametrize("told", [None, "soon", "2026-03-01T10:29:00", 7])
def test_a_last_use_that_cannot_be_read_is_no_use(told: Any) -> None:
    given_ = seeing(claiming("x", event()), last_used=told)
    assert used_by_production(given_)[0] is Outcome.PASS


def test_unexplained_open_sessions_warn() -> None:
    outcome, reason = used_by_production(role_seen(sessions=3))
    assert (outcome, "3 sessions of app_orders" in reason) == (Outcome.WARN, True)
    for calm in (0, None, True, "3"):
        assert used_by_production(role_seen(sessions=calm))[0] is Outcome.PASS


# --- protected_target


@pytest.mark.parametrize(
    "role", ["break_glass", "breakglass", "dba-break-glass", "emergency_access", "BREAK_GLASS_1"]
)
def test_break_glass_access_is_protected(role: str) -> None:
    target = {"kind": "postgres.role", "cluster": "billing-db", "role": role}
    step = {"action": "postgres.role.disable", "target": target, "parameters": {}}
    assert protected_target(a_check_input(plan=a_plan(steps=[step])))[0] is Outcome.FAIL  # type: ignore[list-item]


@every(
    ("name", "outcome"),
    [
        ("Break glass: DBA on call", Outcome.FAIL),
        ("Emergency admins", Outcome.FAIL),
        ("Glass breakage claims", Outcome.PASS),
        ("outbreak_glasses", Outcome.PASS),
        ("emergency room", Outcome.PASS),
        ("", Outcome.PASS),
    ],
)
def test_the_inventorys_name_counts_too(name: str, outcome: Outcome) -> None:
    told = a_check_input(
        neighbours=(Neighbour(LOCATOR, name), Neighbour(f"{LOCATOR}x", "Break glass"))
    )
    assert protected_target(told)[0] is outcome


def test_what_the_worker_lists_is_protected() -> None:
    outcome, reason = protected_target(a_check_input(protected={LOCATOR: "it is on the list"}))
    assert (outcome, "it is on the list" in reason) == (Outcome.FAIL, True)


# --- other proposals


def test_the_same_action_in_an_open_proposal_fails_another_warns() -> None:
    for action, outcome in (
        ("postgres.role.disable", Outcome.FAIL),
        ("postgres.role.enable", Outcome.WARN),
    ):
        twin = OpenProposal("p-9", "in_review", ((action, LOCATOR),))
        found, reason = duplicate_proposal(a_check_input(open_proposals=(twin,)))
        assert (found, "p-9 (in review)" in reason) == (outcome, True)


def test_an_open_proposal_on_another_target_passes() -> None:
    other = OpenProposal("p-9", "in_review", (("postgres.role.disable", f"{LOCATOR}_ro"),))
    assert duplicate_proposal(a_check_input(open_proposals=(other,)))[0] is Outcome.PASS


def test_a33_the_reason_of_an_earlier_rejection_is_shown_with_hidden_characters_visible() -> None:
    said = Rejection("p-1", "The diagnosis is wrong: it is\u202e the backup")
    _, reason = earlier_rejection(a_check_input(earlier_rejections=(said,)))
    assert "proposal p-1 was rejected: “The diagnosis is wrong: it is⟨U+202E⟩ the backup”" in reason
