"""Check whether what is open at a target outlives the plan that takes its access away."""

from __future__ import annotations

from collections.abc import Iterator

from audit.tlog.canonical import Json
from remediation.domain.catalogue import provider_of
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.checks.finding import Result, shown, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.formats.record import Event
from remediation.domain.observation import Observation
from remediation.domain.second_step import Left, acts_of, left_alive
from remediation.domain.step import Target


def sessions_left_open(given: CheckInput) -> Result:
    """Check that what was opened before a step does not outlive the plan.

    Warn for what was seen open, for what could not be seen, and for what the evidence shows as
    opened; each with the step that would end it.
    """
    warned = [
        f"step {left.index + 1} leaves {what}{_remedy(left)}"
        for left in left_alive(acts_of(given.plan.steps))
        if left.target is not None
        for what in _left(given, left.target, left.lives_on)
    ]
    return verdict([], "Nothing that was seen open outlives the plan.", warned=warned)


def _left(given: CheckInput, target: Target, one: LivesOn) -> Iterator[str]:
    """Yield in words what a step leaves, if anything was or may have been opened."""
    name, seen = shown(target.distinguishing), given.observations.get(target.locator)
    if one.seen_in and seen is not None and seen.exists:
        count = _number(seen, one.seen_in)
        if count:
            yield f"{_word(target, one.seen_in)} of {name} alive, {count} now"
        elif count is None and not one.none:
            yield f"{_word(target, one.seen_in)} of {name} alive, if there are any: nobody saw"
    opened = [event for event in given.events if _opens(event, target, one)]
    if opened:
        calls = ", ".join(dict.fromkeys(event.name for event in opened))
        times = "once" if len(opened) == 1 else f"{len(opened)} times"
        yield f"alive what {name} opened by {calls}, {times} in the evidence"


def _opens(event: Event, target: Target, one: LivesOn) -> bool:
    if event.name not in one.opened_by or event.error:
        return False
    return target.distinguishing in (event.actor, event.key, event.user)


def _number(seen: Observation, field: str) -> int | None:
    """Return how many were seen; None if nobody looked."""
    value: Json = seen.shown.get(field, seen.state.get(field))
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    return len(value) if isinstance(value, list | dict) else int(bool(value))


def _word(target: Target, field: str) -> str:
    provider = provider_of(target.kind)
    word = provider.words.get(field) if provider else None
    return word.text if word else field.replace("_", " ")


def _remedy(left: Left) -> str:
    """Return what to add to the plan, exactly."""
    one, ways = left.lives_on, []
    if one.parameter:
        ways.append(f"set {one.parameter} of this step to true")
    if one.action and left.second is not None:
        until = f", with {one.before}" if one.before else ""
        ways.append(f"add {one.action} on {left.second.locator} after it{until}")
    return f": {', or '.join(ways)}" if ways else f". {one.none}"
