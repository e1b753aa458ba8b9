"""Check the plan itself: the order of its steps, and whether each can be reversed.

The order of a containment: first what the intruder created, then what can create more. Disable
first and delete later, never at once. A rotation retires the old credential only after the new one
was seen in use; but where an intruder uses the old one, that comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from remediation.domain.catalogue import ACTIONS
from remediation.domain.checks.finding import Result, shown, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.formats.record import Event
from remediation.domain.plan import Order, Step

_REMOVES = re.compile(r"(?:^|[._])(?:delete|remove|destroy|terminate|purge|drop)(?:_|$)")


def grants(step: Step) -> bool:
    return step.action in ACTIONS and ACTIONS[step.action].grants_access


def removes(step: Step) -> bool:
    return _REMOVES.search(step.action) is not None


def takes_away(step: Step) -> bool:
    """Return whether the step removes or narrows access; so does an unknown action."""
    return not grants(step)


def made_keys(given: CheckInput) -> Iterator[tuple[str, str, str]]:
    """Yield (maker, key, user) for keys created by actors of the cited records or by targets.

    Leaves out keys that the evidence shows as deleted or deactivated later.
    """
    makers = {event.actor for event in given.all_cited}
    makers |= {target.distinguishing for target in given.plan.targets}
    over = {
        str(event.value("requestParameters", "accessKeyId"))
        for event in given.events
        if not event.error
        and (
            event.name == "DeleteAccessKey"
            or (event.name == "UpdateAccessKey" and "Inactive" in event.text)
        )
    }
    for event in given.events:
        made = event.say("responseElements", "accessKey", "accessKeyId")
        by_maker = event.name == "CreateAccessKey" and not event.error and event.actor in makers
        if by_maker and made and made not in over:
            yield event.actor, made, event.say("responseElements", "accessKey", "userName")


def containment_order(given: CheckInput) -> Result:
    """Check that the steps follow the order of a containment."""
    failed = [
        *_maker_first(given),
        *_blind_rotation(given),
        *_removed_first(given),
        *_left_to_intruder(given),
    ]
    return verdict(
        failed,
        "The steps follow the order of a containment.",
        warned=[*_given_back(given), *_needless_outage(given)],
    )


def _maker_first(given: CheckInput) -> Iterator[str]:
    place = {s.target.distinguishing: s.index for s in given.plan.steps if takes_away(s)}
    for maker, made, _ in made_keys(given):
        if maker in place and made in place and place[maker] < place[made]:
            yield (
                f"step {place[maker] + 1} takes {maker} away before step {place[made] + 1} takes "
                f"away {made}, which it made: the intruder can fall back on that one"
            )


def _blind_rotation(given: CheckInput) -> Iterator[str]:
    """Yield steps that retire a credential before its replacement was seen in use.

    A plan that states its order was judged when it was parsed: it waits, or cuts on purpose.
    """
    if given.plan.order is not Order.NONE:
        return
    for new in filter(grants, given.plan.steps):
        seen = given.observations.get(new.target.locator)
        family = new.target.locator.rpartition("/")[0]
        for old in filter(takes_away, given.plan.steps):
            if old.target.locator.rpartition("/")[0] != family or family == new.target.locator:
                continue
            if seen is None or not (seen.shown.get("last_used") or seen.shown.get("sessions")):
                leaves, comes = shown(old.target.distinguishing), shown(new.target.distinguishing)
                yield (
                    f"step {old.index + 1} retires {leaves} while nobody was seen using {comes}, "
                    f"which step {new.index + 1} starts"
                )


def _removed_first(given: CheckInput) -> Iterator[str]:
    last = max((s.index for s in given.plan.steps if not removes(s)), default=-1)
    for step in filter(removes, given.plan.steps):
        seen = given.observations.get(step.target.locator)
        state = seen.state if seen is not None else {}
        if step.index < last:
            yield f"step {step.index + 1} removes before step {last + 1} disables"
        elif state.get("status") == "Active" or state.get("login") is True:
            yield f"step {step.index + 1} removes {step.target.locator}, which was not disabled yet"


def _left_to_intruder(given: CheckInput) -> Iterator[str]:
    """Yield what the evidence shows in use, where the plan ends it only after the others moved."""
    if given.plan.order is not Order.MOVE_FIRST:
        return
    longest = max((wait.within_s for wait in given.plan.waits.values()), default=0)
    for name, events in _misused(given):
        yield (
            f"{shown(name)} is in use in the cited evidence ({_last(events)}), and the plan leaves"
            f" it valid until its consumers moved, for up to {longest} s a wait: the evidence asks"
            " for cut_first"
        )


def _needless_outage(given: CheckInput) -> Iterator[str]:
    """Yield that consumers would fail although nothing cited shows a use of what is cut."""
    if given.plan.order is Order.CUT_FIRST and not list(_misused(given)):
        yield (
            "it cuts first, and consumers fail until they have the new one, while the cited"
            " evidence shows no use of the old one: move_first would spare them"
        )


def _misused(given: CheckInput) -> Iterator[tuple[str, list[Event]]]:
    """Yield each retired or diagnosed credential with which cited records show that one acted."""
    old = [step.target for step in given.plan.steps if step.spec.retires]
    for target in dict.fromkeys((*old, given.diagnosis.identity)):
        name = target.distinguishing
        events = [
            event
            for event in given.all_cited
            if not event.error and name in (event.actor, event.key, event.user)
        ]
        if events:
            yield name, events


def _last(events: list[Event]) -> str:
    times = [event.time for event in events if event.time is not None]
    count = "1 record" if len(events) == 1 else f"{len(events)} records"
    return f"{count}, the last at {max(times):%Y-%m-%d %H:%M} UTC" if times else count


def _given_back(given: CheckInput) -> Iterator[str]:
    blamed = {given.diagnosis.identity.locator, *given.identity_locators}
    for step in filter(grants, given.plan.steps):
        if step.target.locator in blamed:
            yield (
                f"step {step.index + 1} gives access back to {step.target.locator}, which the "
                "diagnosis is about"
            )


def irreversible(given: CheckInput) -> Result:
    """Check that each step can be reversed."""
    found = [
        f"step {step.index + 1}, {step.action} on {step.target.locator}, cannot be undone"
        for step in given.plan.steps
        if step.rollback is None
        or step.action not in ACTIONS
        or not ACTIONS[step.action].reversible
    ]
    return verdict(found, "Each step can be undone.")
