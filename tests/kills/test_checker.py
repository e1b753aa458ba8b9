"""The checker finds what was doctored into a history, and nothing in a true one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.kills.checker import RULES, check
from tests.kills.history import Call, Case, History, Look, Move, Permit, Phase, Role

ROLES = ("a", "b", "c")


def call(verb: str, role: str, at: float, effect: bool | None = True) -> Call:
    return Call(verb, role, at, effect)


def history(case: Case, calls: list[Call], *, kept: str = "abc", sessions: str = "") -> History:
    """Return a history whose audit entries agree; ``kept`` are the roles without a login."""
    case = replace(
        case,
        entered_phases=case.entered_phases or tuple((p.step, p.phase) for p in case.phases),
        entered_moves=case.entered_moves or tuple((m.source, m.target) for m in case.moves),
    )
    roles = {name: Role(name, name not in kept, int(name in sessions)) for name in ROLES}
    return History(tuple(calls), roles, (case,))


def begun(*phases: Phase, end: str, reason: str = "") -> Case:
    moves = (
        Move("in_review", "approved", "", 1.0),
        Move("approved", "executing", "", 2.0),
        Move("executing", end, reason, 90.0),
    )
    return Case("p", ROLES, phases, moves)


def done(step: int) -> tuple[Phase, ...]:
    """Return the phases of a step that went well; it is called at 12, 22, 32."""
    at = 10.0 * (step + 1)
    return (
        Phase(step, "intended", at + 1),
        Phase(step, "applied", at + 3),
        Phase(step, "verified", at + 4),
    )


def called(step: int) -> list[Call]:
    at = 10.0 * (step + 1) + 2
    return [call("disable", ROLES[step], at), call("terminate", ROLES[step], at + 0.1)]


def succeeded() -> History:
    case = begun(*done(0), *done(1), *done(2), end="succeeded")
    contained = replace(case, incident=("open", "contained"))
    return history(contained, [*called(0), *called(1), *called(2)])


def stopped() -> History:
    """The call of the second step did not reach the target."""
    phases = (
        *done(0),
        Phase(1, "intended", 21),
        Phase(1, "failed", 40, {"refusal": "not_applied"}),
    )
    return history(begun(*phases, end="stopped", reason="not_applied"), called(0), kept="a")


def failed() -> History:
    phases = (Phase(0, "intended", 11), Phase(0, "failed", 40, {"refusal": "not_applied"}))
    calls = [call("disable", "a", 12, False)]
    return history(begun(*phases, end="failed", reason="not_applied"), calls, kept="")


def undone() -> History:
    """A person had the first step undone."""
    phases = (*done(0), Phase(0, "undo_intended", 60), Phase(0, "undone", 62))
    case = begun(*phases, end="rolled_back", reason="halted")
    case = replace(case, permits=(Permit("undo", 50.0),))
    return history(case, [*called(0), call("enable", "a", 61)], kept="")


def doubtful() -> History:
    """The target was killed during the call: its log does not say, its state does."""
    found = stopped()
    calls = [replace(found.calls[0], effect=None), found.calls[1]]
    return replace(found, calls=tuple(calls))


def looked_at() -> History:
    """A person had the step undone; the looks before and after it found what was so."""
    looks = (Look("without", 30), Look("unread", 35), Look("without", 61.5), Look("access", 80))
    return edited(undone(), looks=looks)


def waited() -> History:
    """The plan waits behind the first step, and a person answered."""
    given = succeeded()
    first, executing, end = given.cases[0].moves
    moves = (
        first, executing,
        Move("executing", "waiting", "", 15), Move("waiting", "executing", "", 21),
        end,
    )  # fmt: skip
    return edited(given, moves=moves, waits=True, permits=(Permit("go_on", 20.0),))


def found(given: History) -> set[str]:
    return {finding.rule for finding in check(given)}


@pytest.mark.parametrize("true", [succeeded, stopped, failed, undone, doubtful, looked_at, waited])
def test_a_true_history_has_no_finding(true: Callable[[], History]) -> None:
    assert check(true()) == []


def edited(given: History, **changes: object) -> History:
    """Return the history with another case; entries still agree."""
    case = replace(given.cases[0], entered_phases=(), entered_moves=(), **changes)  # type: ignore[arg-type]
    roles = given.roles
    kept = "".join(name for name in ROLES if not roles[name].login)
    return history(case, list(given.calls), kept=kept)


def and_calls(given: History, *calls: Call) -> History:
    return replace(given, calls=(*given.calls, *calls))


def with_role(given: History, role: Role) -> History:
    return replace(given, roles={**given.roles, role.name: role})


def without(given: History, step: int, phase: str) -> History:
    kept = tuple(p for p in given.cases[0].phases if (p.step, p.phase) != (step, phase))
    return edited(given, phases=kept)


DOCTORED: dict[str, tuple[str, Callable[[], History]]] = {
    "disabled twice": ("twice", lambda: and_calls(succeeded(), call("disable", "b", 50))),
    "perhaps disabled twice": (
        "twice",
        lambda: and_calls(succeeded(), call("disable", "b", 50, None)),
    ),
    "called without a record": ("without_intended", lambda: without(failed(), 0, "intended")),
    "called before the record's commit": (
        "without_intended",
        lambda: edited(succeeded(), phases=(Phase(0, "intended", 12.5), *done(0)[1:])),
    ),
    "sessions ended without a record": (
        "without_intended",
        lambda: and_calls(stopped(), call("terminate", "c", 70)),
    ),
    "undone by itself": ("given_back", lambda: edited(undone(), permits=())),
    "undone though a person said keep": (
        "given_back",
        lambda: edited(undone(), permits=(Permit("keep", 50.0),)),
    ),
    "undone by a statement that does not hold": (
        "given_back",
        lambda: edited(undone(), permits=(Permit("undo", None),)),
    ),
    "undone before the statement was verified": (
        "given_back",
        lambda: edited(undone(), permits=(Permit("undo", 61.5),)),
    ),
    "a login that nobody gave back": ("given_back", lambda: with_role(stopped(), Role("a", True))),
    "recorded as verified, never called": (
        "contradiction",
        lambda: replace(succeeded(), calls=tuple(called(0) + called(1))),
    ),
    "recorded as verified, refused by the target": (
        "contradiction",
        lambda: replace(
            with_role(succeeded(), Role("c", True)),
            calls=(*called(0), *called(1), call("disable", "c", 32, False)),
        ),
    ),
    "recorded as failed, and applied": (
        "contradiction",
        lambda: with_role(and_calls(stopped(), call("disable", "b", 22)), Role("b", False)),
    ),
    "recorded before it was called": (
        "contradiction",
        lambda: edited(succeeded(), phases=(*done(0), *done(1), *_early(2))),
    ),
    "recorded as undone, still disabled": (
        "contradiction",
        lambda: replace(with_role(undone(), Role("a", False)), calls=tuple(called(0))),
    ),
    "verified, and a session is open": (
        "open_session",
        lambda: with_role(succeeded(), Role("b", False, 1)),
    ),
    "succeeded without confirming": ("end_state", lambda: without(succeeded(), 2, "verified")),
    "failed, and something is changed": (
        "end_state",
        lambda: edited(stopped(), moves=_ends(stopped(), "failed")),
    ),
    "stopped, and nothing is kept": (
        "end_state",
        lambda: edited(failed(), moves=_ends(failed(), "stopped")),
    ),
    "rolled back, and something is kept": (
        "end_state",
        lambda: edited(stopped(), moves=_ends(stopped(), "rolled_back")),
    ),
    "refused, and the target was called": (
        "end_state",
        lambda: edited(failed(), moves=_ends(failed(), "refused")),
    ),
    "contained, and its identity has a session": (
        "contained",
        lambda: with_role(succeeded(), Role("a", False, 2)),
    ),
    "a look found no access while there was": (
        "looks",
        lambda: edited(failed(), looks=(Look("without", 80),)),
    ),
    "a look found access after the step was confirmed": (
        "looks",
        lambda: edited(succeeded(), looks=(Look("access", 80),)),
    ),
    "left unknown": ("not_ended", lambda: edited(stopped(), moves=_ends(stopped(), "unknown"))),
    "still executing": ("not_ended", lambda: edited(failed(), moves=_ends(failed(), "executing"))),
    "no reason": ("not_ended", lambda: edited(stopped(), moves=_ends(stopped(), "stopped", ""))),
    "a phase without its entry": (
        "audit",
        lambda: replace(
            succeeded(), cases=(replace(succeeded().cases[0], entered_phases=((0, "intended"),)),)
        ),
    ),
    "an entry of a move that is not": (
        "audit",
        lambda: replace(
            succeeded(), cases=(replace(succeeded().cases[0], entered_moves=(("a", "b"),)),)
        ),
    ),
    "a step before the last one was confirmed": (
        "order",
        lambda: without(succeeded(), 1, "verified"),
    ),
    "a wait that nobody answered": ("waited", lambda: edited(waited(), permits=())),
    "an answer that came too late": (
        "waited",
        lambda: edited(waited(), permits=(Permit("go_on", 21.5),)),
    ),
    "a wait that was left out": ("waited", lambda: edited(succeeded(), waits=True)),
    "a wait that nobody planned": ("waited", lambda: edited(waited(), waits=False)),
}


def _early(step: int) -> tuple[Phase, ...]:
    intended, applied, verified = done(step)
    return (replace(intended, at=30.5), replace(applied, at=31.0), verified)


def _ends(given: History, state: str, reason: str = "settled") -> tuple[Move, ...]:
    moves = given.cases[0].moves
    return (*moves[:-1], replace(moves[-1], target=state, reason=reason))


@pytest.mark.parametrize("name", DOCTORED)
def test_what_was_doctored_is_found(name: str) -> None:
    rule, doctored = DOCTORED[name]
    assert rule in found(doctored())


def test_every_rule_has_a_doctored_history() -> None:
    assert {rule for rule, _ in DOCTORED.values()} == set(RULES)


def test_a_late_result_was_told_and_is_no_contradiction() -> None:
    """Its step was settled as failed; the fact and the alarm say what came later."""
    late = with_role(and_calls(stopped(), call("disable", "b", 22)), Role("b", False))
    assert found(late) == {"contradiction"}
    told = replace(late, cases=(replace(late.cases[0], late=frozenset({1})),))
    assert check(told) == []
