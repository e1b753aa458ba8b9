"""What was read for one step of a plan stands on that step's card."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast
from uuid import UUID, uuid4

import pytest

from audit.tlog.canonical import Json
from remediation.domain import plan
from remediation.domain.catalogue import ACTIONS
from remediation.domain.errors import RotationOrder
from remediation.domain.observation import Observation, observation_body
from remediation.models import Assessment
from remediation.views.cards.step import StepCard, step_cards

RELEASE, UNDO = "kubernetes.workload.release", "kubernetes.workload.undo_rollout"
AFTER = "template_after"
TARGET: Json = {
    "kind": "kubernetes.workload",
    "cluster": "production",
    "namespace": "shop",
    "controller": "deployment",
    "name": "checkout",
}


@dataclass(frozen=True)
class Read:
    observation: bytes
    proposal_id: UUID
    round: int = 1
    look: int = 0
    recorded_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.django_db
def test_the_template_that_comes_stands_at_the_step_that_brings_it() -> None:
    """A02: on another step's card it would be read as what that one leaves."""
    release, undo = cards(RELEASE, UNDO)
    assert AFTER not in names(release) and {AFTER, "template_changes"} <= names(undo)
    assert "services" in names(release) and undo.observed is not None and undo.observed.left_by == 1
    [alone] = cards(UNDO)
    assert {AFTER, "services"} <= names(alone)


@pytest.mark.parametrize("second", [UNDO, "kubernetes.workload.redo_rollout"])
def test_two_steps_that_need_the_same_look_are_two_plans(second: str) -> None:
    """A02: the one observation of the target shows the first one's template alone."""
    with pytest.raises(RotationOrder, match="step 1 needs the same look"):
        cards(UNDO, second)


def names(card: StepCard) -> set[str]:
    assert card.observed is not None
    return {field.name for field in card.observed.fields}


def cards(*actions: str) -> tuple[StepCard, ...]:
    steps: list[Json] = [
        {"action": name, "target": TARGET, "parameters": {**ACTIONS[name].example}}
        for name in actions
    ]
    made = plan.parse(plan.written("production", steps), protected=frozenset())
    state: dict[str, Json] = {
        name: "x" for action in actions for name in ACTIONS[action].pin_fields
    }
    shown: dict[str, Json] = {AFTER: ["image a"], "template_changes": ["b"], "services": ["c"]}
    locator = made.steps[0].target.locator
    body = observation_body({locator: Observation(True, state, shown, True)})
    return step_cards(made, cast("Assessment", Read(body, uuid4())))
