"""Build the fields for the order of a plan, and for the wait after a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain.draft import CONDITION, Draft, DraftStep, DraftWait
from remediation.domain.plan import Order
from remediation.templatetags.portal import span
from remediation.views.plan import words
from remediation.views.plan.page import FormField, FormWait, WaitOption
from remediation.views.plan.words import Problems

MINUTE, HOUR, DAY = 60, 3600, 86_400
# The times that a wait can last; a plan can have others.
WITHIN = (10 * MINUTE, 30 * MINUTE, 2 * HOUR, 8 * HOUR, DAY, 7 * DAY, 31 * DAY)


def rotates(draft: Draft) -> bool:
    """Return whether the order matters: a step delivers a credential, or an order was chosen."""
    return draft.order != Order.NONE or any(
        step.spec is not None and step.spec.delivers for step in draft.steps
    )


def order_field(draft: Draft, found: Problems) -> FormField:
    return FormField(
        name="order",
        title=gettext("Order"),
        kind="choice",
        typed="" if draft.order == Order.NONE else draft.order,
        error=gettext("Choose one of the list.") if "/order" in found else "",
        help=gettext(
            "Cut first if the leak is in use: its consumers are interrupted until they have the new"
            " credential. Move first if they must not be: the old one stays valid until then."
        ),
        options=(
            (Order.CUT_FIRST.value, gettext("Cut first")),
            (Order.MOVE_FIRST.value, gettext("Move first")),
        ),
    )


def wait_fields(steps: Sequence[DraftStep], index: int, found: Problems) -> FormWait:
    """Return the fields of the wait after a step; it can be for what the steps so far did."""
    wait, name = steps[index].wait, f"step-{index}-wait"
    at = f"/steps/{index}/wait"
    inside = (one for pointer, one in found.items() if f"{pointer}/".startswith(f"{at}/"))
    problem = next(inside, None)
    return FormWait(
        name=name,
        options=tuple(_options(steps, index, _chosen(wait, index))),
        person=wait is not None and wait.person,
        within=_within(name, wait),
        chosen=wait is not None,
        error=words.wait_error(problem) if problem else "",
    )


def _chosen(wait: DraftWait | None, index: int) -> frozenset[str]:
    named = (CONDITION.fullmatch(typed.strip()) for typed in (wait.conditions if wait else ()))
    return frozenset(f"{one[1]}/{int(one[2] or index)}" for one in named if one is not None)


def _options(
    steps: Sequence[DraftStep], index: int, chosen: frozenset[str]
) -> Iterator[WaitOption]:
    for about, step in enumerate(steps[: index + 1]):
        for condition in step.spec.conditions if step.spec else ():
            title = vocabulary.word(condition)
            if about != index:
                title = gettext("%(what)s (step %(number)d)") % {
                    "what": title,
                    "number": about + 1,
                }
            value = f"{condition}/{about}"
            yield WaitOption(value, title, value in chosen)


def _within(name: str, wait: DraftWait | None) -> FormField:
    typed = wait.within_s.strip() if wait else ""
    times = set(WITHIN)
    if typed.isascii() and typed.isdecimal() and len(typed) < 8:
        times.add(int(typed))
    return FormField(
        name=f"{name}-within",
        title=gettext("For at most"),
        kind="choice",
        typed=typed,
        required=False,
        help=gettext("People are asked then. If nobody answers, the run stops."),
        options=tuple((str(each), span(each)) for each in sorted(times)),
    )
