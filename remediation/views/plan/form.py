"""Read the form of a plan: what was typed, and what the pressed button asks for.

The form works without a script: each button posts everything, and the page comes back with it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.http import QueryDict
from django.utils import timezone

from remediation.domain import draft_moves, draft_second, errors, inert
from remediation.domain.draft import Draft, DraftStep, DraftWait
from remediation.domain.plan import MAX_STEPS, Order

_ACTION = re.compile(r"step-([0-9]{1,3})-action", re.ASCII)
_VERBS = ("submit", "edit", "remove", "up", "end")
# A whole form has a few thousand characters; a field of a plan is bounded by the plan's size.
_LONGEST = 40_000


class Asked(NamedTuple):
    """The pressed button and on what: `preview`, `submit`, `edit`, `add`, `remove`, `up`, `end`."""

    verb: str
    about: str = ""


def asked(sent: QueryDict) -> Asked:
    """Return what the pressed button asks for; a preview when none is named."""
    if added := sent.get("add", ""):
        return Asked("add", added)
    verb, _, about = sent.get("do", "preview").partition(" ")
    if verb == "add":
        return Asked("add", sent.get("other", ""))
    return Asked(verb, about) if verb in _VERBS else Asked("preview")


def draft(sent: QueryDict) -> Draft:
    """Return what was typed. Raises TooLarge."""
    numbers = sorted({int(found[1]) for name in sent if (found := _ACTION.fullmatch(name))})
    if len(numbers) > MAX_STEPS:
        raise errors.TooLarge(f"at most {MAX_STEPS} steps")
    return Draft(
        environment=_text(sent, "environment"),
        steps=tuple(_step(sent, f"step-{number}-") for number in numbers),
        rationale=_text(sent, "rationale"),
        order=_text(sent, "order") or Order.NONE,
    )


def changed(made: Draft, button: Asked) -> Draft:
    """Return the draft with the step added, removed or moved up, or its second step added."""
    steps = made.steps
    if button.verb == "end":
        allow_test = settings.ALLOW_TEST_ACTIONS
        return draft_second.taken(made, button.about, now=timezone.now(), allow_test=allow_test)
    if button.verb == "add":
        action, _, locator = button.about.partition(" ")
        step = DraftStep(action, locator)
        if step.spec is not None and len(steps) < MAX_STEPS:
            steps = (*steps, step)
        return replace(made, steps=steps)
    index = int(button.about) if re.fullmatch("[0-9]{1,3}", button.about, re.ASCII) else len(steps)
    if index < len(steps):
        change = draft_moves.moved_up if button.verb == "up" else draft_moves.removed
        steps = change(steps, index)
    return replace(made, steps=steps)


def follows(sent: QueryDict) -> UUID | None:
    """Return the proposal to begin with. Raises NoSuchObject for what is no id."""
    given = sent.get("from", "")
    try:
        return UUID(given) if given else None
    except ValueError:
        raise errors.NoSuchObject() from None


def _step(sent: QueryDict, prefix: str) -> DraftStep:
    def fields(part: str) -> dict[str, str]:
        start = f"{prefix}{part}-"
        return {
            name.removeprefix(start): _text(sent, name) for name in sent if name.startswith(start)
        }

    return DraftStep(
        action=_text(sent, f"{prefix}action"),
        locator=_text(sent, f"{prefix}locator"),
        fields=fields("target"),
        # As the page shows it again: hidden characters as code points.
        parameters={name: inert.visible(text) for name, text in fields("parameter").items()},
        wait=_wait(sent, f"{prefix}wait-"),
    )


def _wait(sent: QueryDict, prefix: str) -> DraftWait | None:
    """Return the wait after a step; None where nothing of it was chosen."""
    conditions = tuple(sent.getlist(f"{prefix}condition"))
    person, within = f"{prefix}person" in sent, _text(sent, f"{prefix}within")
    if not (conditions or person or within):
        return None
    return DraftWait(conditions, person, within)


def _text(sent: QueryDict, name: str) -> str:
    value = sent.get(name, "").replace("\r\n", "\n")
    if len(value) > _LONGEST:
        raise errors.TooLarge(f"{name} has over {_LONGEST} characters")
    return value
