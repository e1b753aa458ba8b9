"""The precheck for reviewers gives the same reason as the executor's later refusal."""

from __future__ import annotations

import pytest

from audit.tlog.canonical import Json
from remediation.domain import checks, plan
from remediation.executors.run import would_refuse
from tests.domain import story


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({}, ""),
        ({"superuser": True}, "the role administers the cluster: it has SUPERUSER"),
        ({"replication": True}, "the role administers the cluster: it has REPLICATION"),
        ({"createrole": True, "bypassrls": True}, "it has CREATEROLE, BYPASSRLS"),
        ({"member_of_managed": False}, "the role is not a member of hitl_managed"),
    ],
)
def test_the_reviewer_is_told_what_the_executor_would_say(state: dict[str, Json], why: str) -> None:
    (step,) = plan.parse(story.plan_json(), protected=frozenset()).steps
    present = dict.fromkeys(("createrole", "replication", "bypassrls"), False)
    observed = story.an_observation(**{**present, **state})
    assert why in would_refuse(step, observed)
    assert bool(why) is bool(would_refuse(step, observed))
    given = story.a_check_input(prechecks={0: would_refuse(step, observed)})
    outcome, reason = checks.CHECKS["precheck_refused"](given)
    assert outcome == ("fail" if why else "pass")
    assert why in reason
