"""The order of a plan and its waits in words, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext, ngettext

from remediation.domain.conditions import Consumer, Name
from remediation.domain.gate.waited import consumers_of
from remediation.domain.holds import waits_of
from remediation.domain.plan import Order, Plan
from remediation.domain.ruling import Ruling
from remediation.domain.scope import Scope, ScopeConsumer
from remediation.domain.waits import Condition, Wait
from remediation.models import Assessment
from remediation.services.inventory import consumers as inventory
from remediation.templatetags.portal import span

# Names in a sentence; the list below it has all.
NAMED = 3


@dataclass(frozen=True)
class ConsumerWords:
    """A service that uses the credential: how it learns a new value, and how often it signs in."""

    service: str
    takes_by: str
    period_s: int
    known: bool  # the inventory says what the records show of it

    @property
    def every(self) -> str:
        return every(self.period_s)


@dataclass(frozen=True)
class PlannedWait:
    """A wait after a step, as a reviewer reads it."""

    texts: tuple[str, ...]
    within_s: int
    person: bool
    consumers: tuple[ConsumerWords, ...] = ()
    too_short: bool = False  # the old one has to be unused for longer than the run waits


@dataclass(frozen=True)
class PlanFlow:
    """How the plan goes on from step to step."""

    title: str = ""  # "Cut first" or "Move first"; empty where nothing is moved
    text: str = ""
    waits: Mapping[int, PlannedWait] | None = None  # by the number of the step before

    def wait_after(self, number: int) -> PlannedWait | None:
        return (self.waits or {}).get(number)


def every(period_s: int) -> str:
    """Return the longest time between two uses, in words."""
    if not period_s:
        return gettext("always connected")
    return gettext("uses it at least every %(time)s") % {"time": span(period_s)}


def plan_flow(plan: Plan | None, assessment: Assessment | None) -> PlanFlow:
    """Return the order and the waits, with the ruling's holds once there is one."""
    if plan is None:
        return PlanFlow()
    ruling = Ruling.parse(bytes(assessment.ruling)) if assessment else None
    waits = waits_of(plan, ruling.holds if ruling else ())
    if not waits and plan.order is Order.NONE:
        return PlanFlow()
    known = known_consumers(plan, assessment)
    title, text = _order(plan, known)
    return PlanFlow(
        title,
        text,
        {
            step + 1: PlannedWait(
                texts=tuple(_texts(plan, wait, known)),
                within_s=wait.within_s,
                person=wait.person,
                consumers=_words_of(about := _about(plan, wait.conditions, known)),
                too_short=_is_too_short(wait, about),
            )
            for step, wait in waits.items()
        },
    )


def known_consumers(plan: Plan, assessment: Assessment | None) -> tuple[ScopeConsumer, ...]:
    """Return the consumers that are signed, and those that the inventory names now."""
    signed = Scope.parse(bytes(assessment.scope)).consumers if assessment else ()
    about = dict.fromkeys(target.locator for target in plan.targets)
    now = (
        ScopeConsumer(locator, one) for locator in about for one in inventory.consumers_of(locator)
    )
    return tuple(dict.fromkeys((*signed, *now)))


def strictest(consumers: Iterable[Consumer]) -> tuple[Consumer, ...]:
    """Return each service once, with its longest period, by name."""
    found: dict[str, Consumer] = {}
    for one in consumers:
        before = found.get(one.service)
        if before is None or before.period_s < one.period_s:
            found[one.service] = one
    return tuple(found[name] for name in sorted(found))


def listed(names: Sequence[str]) -> str:
    """Return a few names, and how many more there are."""
    some = ", ".join(names[:NAMED])
    more = len(names) - NAMED
    if more <= 0:
        return some
    return ngettext("%(names)s and %(number)d more", "%(names)s and %(number)d more", more) % {
        "names": some,
        "number": more,
    }


def _order(plan: Plan, known: Sequence[ScopeConsumer]) -> tuple[str, str]:
    if plan.order is Order.MOVE_FIRST:
        return gettext("Move first"), gettext(
            "The old credential stays valid until its consumers use the new one."
        )
    if plan.order is not Order.CUT_FIRST:
        return "", ""
    retired = {step.target.locator for step in plan.steps if step.spec.retires}
    down = [one.service for one in strictest(o.consumer for o in known if o.identity in retired)]
    ends = gettext("The old credential ends at once.")
    if not down:
        return gettext("Cut first"), " ".join(
            (ends, gettext("The inventory does not name the services that this interrupts."))
        )
    outage = ngettext(
        "%(names)s is interrupted until it has the new one.",
        "%(names)s are interrupted until they have the new one.",
        len(down),
    ) % {"names": listed(down)}
    return gettext("Cut first"), f"{ends} {outage}"


def _is_too_short(wait: Wait, consumers: Iterable[Consumer]) -> bool:
    asks_quiet = any(one.name == Name.OLD_QUIET for one in wait.conditions)
    return asks_quiet and any(one.period_s >= wait.within_s for one in consumers)


def _texts(plan: Plan, wait: Wait, known: Sequence[ScopeConsumer]) -> Iterable[str]:
    for condition in wait.conditions:
        yield _condition(condition, strictest(consumers_of(condition, plan.steps, known)))
    if wait.person:
        yield (
            gettext("Then a person decides whether it goes on.")
            if wait.conditions
            else gettext("Wait until a person lets it go on.")
        )


def _condition(condition: Condition, consumers: tuple[Consumer, ...]) -> str:
    names = [one.service for one in consumers]
    if condition.name == Name.CONSUMERS_MOVED:
        if not names:
            return gettext(
                "Wait until every consumer was seen on the new credential. The inventory names"
                " none, so only a person can let it go on."
            )
        return ngettext(
            "Wait until %(names)s was seen on the new credential.",
            "Wait until %(names)s were seen on the new credential.",
            len(names),
        ) % {"names": listed(names)}
    if condition.name == Name.OLD_QUIET:
        longest = max((one.period_s for one in consumers), default=0)
        if not longest:
            return gettext(
                "Wait until nobody uses the old credential, by a record of uses that works."
            )
        return gettext(
            "Wait until nobody used the old credential for %(time)s, by a record of uses that"
            " works."
        ) % {"time": span(longest)}
    return gettext("Wait for a condition that this version does not know: %(name)s.") % {
        "name": condition.name
    }


def _about(
    plan: Plan, conditions: Iterable[Condition], known: Sequence[ScopeConsumer]
) -> tuple[Consumer, ...]:
    return strictest(
        one for condition in conditions for one in consumers_of(condition, plan.steps, known)
    )


def _words_of(consumers: Iterable[Consumer]) -> tuple[ConsumerWords, ...]:
    return tuple(
        ConsumerWords(one.service, one.takes_by, one.period_s, bool(one.seen_as))
        for one in consumers
    )
