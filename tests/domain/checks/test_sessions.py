"""What is open at a target and outlives the plan is told, with the step that would end it."""

from __future__ import annotations

from typing import Any

from remediation.domain import plan as plans
from remediation.domain.catalogue import TARGETS
from remediation.domain.checks import CheckInput, Outcome, sessions_left_open, used_by_production
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan
from tests.domain.checks.test_claims import KEY, claiming, event
from tests.domain.story import a_check_input, a_plan
from tests.every import every

USER = {"kind": "valkey.user", "server": "sessions", "user": "svc_cart"}
AT = "valkey.user:sessions/svc_cart"
ROLE = {"kind": "postgres.role", "cluster": "crm", "role": "svc"}
MEMBER = {"kind": "postgres.membership", "cluster": "crm", "role": "svc", "granted": "write"}
BEFORE = {"begun_before": "2026-01-01T00:00:00Z"}
DENY = {"kind": "aws.iam.user", "account": "111122223333", "user": "ada"}


def step(action: str, target: dict[str, str], **parameters: Any) -> dict[str, Any]:
    return {"action": action, "target": target, "parameters": parameters}


def off(ends: bool) -> dict[str, Any]:
    return step("valkey.user.disable", USER, end_connections=ends)


END = step("valkey.user.end_connections", USER, **BEFORE)


def seen(locator: str, steps: list[dict[str, Any]], **shown: Any) -> CheckInput:
    found = Observation(True, {}, shown, False)
    return a_check_input(plan=planned(steps), observations={locator: found})


def planned(steps: list[dict[str, Any]]) -> Plan:
    return plans.parse(plans.written("production", steps), protected=frozenset())


def test_open_connections_that_a_step_leaves_are_told_with_the_second_step() -> None:
    outcome, reason = sessions_left_open(seen(AT, [off(False)], connections=3))
    assert (outcome, reason) == (
        Outcome.WARN,
        "step 1 leaves open connections of svc_cart alive, 3 now: set end_connections of this step"
        " to true, or add valkey.user.end_connections on valkey.user:sessions/svc_cart after it,"
        " with begun_before",
    )


def test_what_nobody_could_see_may_be_open() -> None:
    outcome, reason = sessions_left_open(seen(AT, [off(False)], connections=None))
    assert (outcome, "if there are any: nobody saw" in reason) == (Outcome.WARN, True)


@every(
    ("steps", "shown"),
    [
        ([off(True)], {"connections": 3}),
        ([off(False), END], {"connections": 3}),
        ([off(False)], {"connections": 0}),
    ],
)
def test_what_is_ended_or_not_open_passes(
    steps: list[dict[str, Any]], shown: dict[str, Any]
) -> None:
    assert sessions_left_open(seen(AT, steps, **shown))[0] is Outcome.PASS


def test_what_is_ended_too_early_or_elsewhere_stays() -> None:
    other = step("valkey.user.end_connections", {**USER, "user": "other"}, **BEFORE)
    for steps in ([END, off(False)], [off(False), other]):
        assert sessions_left_open(seen(AT, steps, connections=3))[0] is Outcome.WARN


def test_the_second_step_may_be_on_another_kind() -> None:
    at = "postgres.membership:crm/svc/write"
    revoke = step("postgres.membership.revoke", MEMBER)
    outcome, reason = sessions_left_open(seen(at, [revoke], older_sessions=2))
    assert outcome is Outcome.WARN
    assert "add postgres.role.end_sessions on postgres.role:crm/svc after it" in reason
    both = [revoke, step("postgres.role.end_sessions", ROLE, **BEFORE)]
    assert sessions_left_open(seen(at, both, older_sessions=2))[0] is Outcome.PASS


def test_where_no_action_ends_them_the_reason_is_said_only_of_what_was_seen() -> None:
    account = {"kind": "ldap.account", "directory": "corp", "account": "svc"}
    lock = [step("ldap.account.lock", account)]
    at = "ldap.account:corp/svc"
    outcome, reason = sessions_left_open(seen(at, lock, connections=1))
    assert outcome is Outcome.WARN
    assert "alive, 1 now. The server cannot end the connections of one account." in reason
    assert sessions_left_open(seen(at, lock, connections=None))[0] is Outcome.PASS


def key(*calls: str, steps: tuple[dict[str, Any], ...] = (), **changes: Any) -> CheckInput:
    target = {"kind": "aws.iam.access_key", "account": "111122223333", "user": "ada"}
    first = step("aws.iam.deactivate_access_key", {**target, "access_key_id": KEY})
    told = claiming("x", *(event(eventName=name, **changes) for name in calls))
    values = {**told.__dict__, "plan": a_plan(steps=[first, *steps])}
    known = CheckInput.__dataclass_fields__
    return CheckInput(**{name: value for name, value in values.items() if name in known})


def test_credentials_that_the_evidence_shows_as_made_outlive_the_key() -> None:
    outcome, reason = sessions_left_open(key("GetSessionToken", "GetSessionToken"))
    assert outcome is Outcome.WARN
    assert "opened by GetSessionToken, 2 times in the evidence: add aws.iam_user.deny_all on" in (
        reason
    )
    assert "aws.iam.user:111122223333/ada after it" in reason
    _, role = sessions_left_open(key("AssumeRole"))
    assert "in the evidence. Sessions of roles that it assumed go on" in role
    denied = step("aws.iam_user.deny_all", DENY)
    assert sessions_left_open(key("GetSessionToken", steps=(denied,)))[0] is Outcome.PASS
    assert sessions_left_open(key("GetSecretValue"))[0] is Outcome.PASS
    refused = key("GetSessionToken", errorCode="AccessDenied")
    assert sessions_left_open(refused)[0] is Outcome.PASS


def test_sessions_that_outlive_the_plan_are_not_said_to_end() -> None:
    """One finding about the same sessions, not two that contradict each other."""
    target = {"kind": "ssh.authorized_key", **TARGETS["ssh.authorized_key"].example}
    for ends, outcomes in (
        (False, (Outcome.WARN, Outcome.PASS)),
        (True, (Outcome.PASS, Outcome.WARN)),
    ):
        steps = [step("ssh.authorized_key.remove", target, end_sessions=ends)]
        given = seen(planned(steps).targets[0].locator, steps, sessions=2, unknown_sessions=0)
        assert sessions_left_open(given)[0] is outcomes[0]
        assert used_by_production(given)[0] is outcomes[1]
