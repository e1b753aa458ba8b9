"""The answer to a report says what the plan may leave open."""

from __future__ import annotations

from tests.api.conftest import Caller, report, told


def test_the_answer_names_what_the_plan_may_leave_open(scanner: Caller) -> None:
    """Before anybody looked at the target: the agent can supersede its proposal at once."""
    body = report()
    assert told(scanner.post("reports", body), 201)["left_open"] == []
    body["incident"]["title"] = "Another one"
    user = {"kind": "valkey.user", "server": "sessions", "user": "svc_cart"}
    off = {"action": "valkey.user.disable", "target": user}
    body["proposal"]["plan"]["steps"] = [{**off, "parameters": {"end_connections": False}}]
    body["incident"]["identity"] = body["diagnosis"]["identity"] = user
    assert told(scanner.post("reports", body), 201)["left_open"] == [
        {
            "step": 0,
            "parameter": "end_connections",
            "action": "valkey.user.end_connections",
            "target": user,
        }
    ]
