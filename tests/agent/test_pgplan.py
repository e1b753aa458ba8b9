"""The plan for a misused role: a rotation where it can be delivered, else a disable."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import Any

import pytest

from hitlportal.demo.agent.__main__ import _place, role_of
from hitlportal.demo.agent.pglog import Line
from hitlportal.demo.agent.pgplan import proposal
from hitlportal.demo.agent.pgrules import Observation, Session
from remediation.domain.plan import Plan, parse
from remediation.domain.waits import Order

ROLE = "svc_orders"
TARGET: dict[str, Any] = {"kind": "postgres.role", "cluster": "orders", "role": ROLE}
LINE = Line(7, "text", "2026-11-22", 1, ROLE, "orders", "psql", "LOG", "statement: select 1")
OBSERVED = [Observation("refusals", 35, "was refused 4 different things", (LINE,))]


def session(app: str, *lines: Line, is_open: bool = True) -> Session:
    return Session(ROLE, app=app, lines=list(lines), is_open=is_open)


def planned(place: str, *sessions: Session) -> tuple[Plan, str]:
    made = proposal(TARGET, sessions, OBSERVED, "production", place)
    plan = json.loads(json.dumps(made["plan"]))
    return parse(plan, protected=frozenset()), str(made["rationale"])


def test_without_a_place_the_role_is_disabled_by_a_plan_of_version_1() -> None:
    plan, _ = planned("", session("api"))
    assert (plan.version, [step.action for step in plan.steps]) == (1, ["postgres.role.disable"])


def test_with_a_place_its_password_is_rotated_and_the_old_sessions_end_after_a_wait() -> None:
    plan, rationale = planned("apps:orders/database")
    rotate, end = plan.steps
    assert (plan.version, plan.order) == (2, Order.CUT_FIRST)
    assert rotate.parameters == {"store": "apps:orders/database", "end_sessions": False}
    assert rotate.wait is not None
    assert [(one.name, one.step) for one in rotate.wait.conditions] == [("consumers_moved", 0)]
    assert not rotate.wait.person
    assert end.action == "postgres.role.end_sessions"
    assert end.parameters["begun_before"] == {"made_by": 0, "name": "set_at"}
    assert "apps:orders/database" in rationale


@pytest.mark.parametrize(
    ("sessions", "words"),
    [
        ([], "Programs may use"),
        ([session("api")], "A program with open sessions may use"),
        ([session("api"), session("api"), session("desk")], "2 programs use"),
        ([session("api", is_open=False), session("desk")], "A program with open sessions may use"),
        ([session("psql", LINE)], "Programs may use"),
        ([session("psql", replace(LINE, number=8))], "A program with open sessions may use"),
    ],
)
def test_it_counts_the_programs_that_would_be_interrupted_and_no_intruder(
    sessions: list[Session], words: str
) -> None:
    _, rationale = planned("apps:orders/database", *sessions)
    assert rationale.startswith(words)


def test_a_reports_role_is_that_of_its_incident() -> None:
    assert role_of({"incident": {"identity": TARGET}}) == ROLE


@pytest.mark.parametrize("text", ["", "svc_orders", "svc_orders=apps", "=apps:orders"])
def test_a_place_names_role_store_and_path(text: str) -> None:
    assert _place("svc_orders=apps:orders") == ("svc_orders", "apps:orders")
    with pytest.raises(argparse.ArgumentTypeError):
        _place(text)
