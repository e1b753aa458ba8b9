"""What names a step of a plan under way by its number moves with the step."""

from __future__ import annotations

from remediation.domain.draft import DraftStep, DraftWait
from remediation.domain.draft_moves import moved_up, removed

MADE = "steps/{}/made/token_id"


def step(action: str, wait: DraftWait | None = None, **parameters: str) -> DraftStep:
    return DraftStep(f"test.thing.{action}", "test.thing:one", {}, parameters, wait)


FIRST = step("make", DraftWait(("consumers_moved/0",), within_s="600"), store="file:one")
SECOND = step("announce", DraftWait(("old_quiet/0", "own")), token_id=MADE.format(0))
THIRD = step("retire", token_id=MADE.format(0))  # this parameter takes no reference


def test_a_step_that_moves_takes_its_number_along() -> None:
    second, first, third = moved_up((FIRST, SECOND, THIRD), 1)
    assert second.parameters == {"token_id": MADE.format(1)}
    assert second.wait == DraftWait(("old_quiet/1", "own/0"))
    assert first.wait == DraftWait(("consumers_moved/1",), within_s="600")
    assert third == THIRD


def test_the_first_step_cannot_move_up() -> None:
    assert moved_up((FIRST, THIRD), 0) == (FIRST, THIRD)
    assert moved_up((FIRST,), 5) == (FIRST,)


def test_what_names_a_removed_step_is_dropped() -> None:
    (second, third) = removed((FIRST, SECOND, THIRD), 0)
    assert second.parameters == {"token_id": ""}
    assert second.wait == DraftWait(("own/0",))
    assert third == THIRD
    assert removed((FIRST, SECOND), 1) == (FIRST,)


def test_what_is_no_condition_stays_for_its_problem_to_show() -> None:
    odd = step("make", DraftWait(("Not one",)))
    assert moved_up((THIRD, odd), 1)[0].wait == DraftWait(("Not one",))
