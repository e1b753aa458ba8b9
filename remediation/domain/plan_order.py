"""The order of a rotation: what a plan delivers, waits for and ends, judged when it is made.

So nobody reviews a plan that would end an old credential before its consumers can have the new one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from audit.tlog.canonical import Json
from remediation.domain.catalogue import Trust
from remediation.domain.conditions import Name
from remediation.domain.errors import RotationOrder
from remediation.domain.step import Step
from remediation.domain.waits import Order, Wait

_DESTROYS = re.compile(r"(?:^|[._])(?:delete|remove|destroy|purge|drop)(?:_|$)")


def destroys(action: str) -> bool:
    """Return whether an action of this name removes its target for good."""
    return _DESTROYS.search(action) is not None


def refuse_order(steps: Sequence[Step], order: Order, at: str) -> None:
    delivers = [step for step in steps if step.spec.delivers]
    retires = [step for step in steps if step.spec.retires]
    _refuse_destroyed(steps, retires, at)
    _refuse_given_back(steps, at)
    _refuse_second_look(steps, at)
    match order:
        case Order.NONE:
            for step in delivers:
                raise RotationOrder(
                    "it makes a new credential: say cut_first or move_first",
                    pointer=f"{at}/{step.index}",
                )
        case Order.MOVE_FIRST:
            _refuse_early_cut(steps, delivers, retires, at)
        case Order.CUT_FIRST:
            _refuse_late_cut(delivers, retires, at)


def refuse_delivery(steps: Sequence[Step], at: str) -> None:
    """A plan of version 1 has no wait: it would end the old one before consumers have the new."""
    for step in steps:
        if step.spec.delivers:
            raise RotationOrder(
                "it makes a new credential: say cut_first or move_first, in version 2",
                pointer=f"{at}/{step.index}",
            )


def _refuse_destroyed(steps: Sequence[Step], retires: Sequence[Step], at: str) -> None:
    retired = {step.target.locator: step.index for step in retires}
    for step in steps:
        by = retired.get(step.target.locator, step.index)
        if destroys(step.action) and by != step.index:
            raise RotationOrder(
                f"step {by + 1} retires it: delete it later, in a plan of its own",
                pointer=f"{at}/{step.index}",
            )


def _refuse_given_back(steps: Sequence[Step], at: str) -> None:
    """What the plan took away it does not give back: its order would say that the old one ends."""
    taken: dict[str, int] = {}
    for step in steps:
        by = taken.get(step.target.locator)
        if step.spec.grants_access and by is not None:
            raise RotationOrder(
                f"step {by + 1} took this access away: give it back in a plan of its own",
                pointer=f"{at}/{step.index}",
            )
        if step.spec.retires or step.spec.removes_access:
            taken.setdefault(step.target.locator, step.index)


def _refuse_second_look(steps: Sequence[Step], at: str) -> None:
    """One observation stands for a target: what is read for one step must not be read as another's.

    Else people would sign what the second step brings by the sight of what the first one brings.
    """
    read: dict[tuple[str, str], int] = {}
    for step in steps:
        for name in step.spec.shows:
            by = read.setdefault((step.target.locator, name), step.index)
            if by != step.index:
                raise RotationOrder(
                    f"step {by + 1} needs the same look at this target: make a plan of its own",
                    pointer=f"{at}/{step.index}",
                )


def refuse_trust(steps: Sequence[Step], at: str) -> None:
    """Trust first, the new credential second, distrust last."""
    delivers = [step for step in steps if step.spec.delivers]
    narrows = [step for step in steps if step.spec.trust is Trust.NARROWS]
    for step in steps:
        pointer = f"{at}/{step.index}"
        before = [one for one in delivers if one.index < step.index]
        if step.spec.trust is Trust.WIDENS and before:
            raise RotationOrder(
                f"step {before[0].index + 1} delivers before clients trust what it makes: trust"
                " comes first",
                pointer=pointer,
            )
        if step.spec.trust is not Trust.NARROWS and narrows and narrows[0].index < step.index:
            raise RotationOrder(
                f"step {narrows[0].index + 1} takes trust away: that comes last", pointer=pointer
            )
    for step in narrows:
        if delivers and not _waits_for_each(steps, delivers, step):
            raise RotationOrder(
                "nothing waits until the new one was seen, or a person says so, before trust is"
                " taken away",
                pointer=f"{at}/{step.index}",
            )


def _refuse_early_cut(
    steps: Sequence[Step], delivers: Sequence[Step], retires: Sequence[Step], at: str
) -> None:
    if not delivers:
        raise RotationOrder("it delivers nothing to move to", pointer=at)
    for step in delivers:
        if step.spec.retires:
            raise RotationOrder(
                "this step ends the old one when it delivers the new one: cut_first, or two roles",
                pointer=f"{at}/{step.index}",
            )
    for step in retires:
        pointer = f"{at}/{step.index}"
        if not _waits_for_each(steps, delivers, step):
            raise RotationOrder(
                "nothing waits until consumers were seen on the new one, or a person says so",
                pointer=pointer,
            )
        if not _replaced(steps, delivers, step):
            raise RotationOrder(
                "nothing that the plan delivers before replaces what this step ends: deliver that"
                " first, or wait for a person",
                pointer=pointer,
            )
        for made in _unquiet(steps, delivers, step):
            raise RotationOrder(
                f"what is seen after step {made.index + 1} are uses, not processes, and one of a"
                " consumer's can still have the old one: wait for old_quiet, too, or for a person",
                pointer=pointer,
            )


def _waits_for_each(steps: Sequence[Step], delivers: Sequence[Step], retiring: Step) -> bool:
    """Return whether, for each delivery before the step, a wait after it is about who moved to what
    it made, or for a person.

    A wait about another delivery says nothing about that.
    """
    before = [step for step in delivers if step.index < retiring.index]
    return bool(before) and all(
        any(_moves(wait, one) for wait in _between(steps, one, retiring)) for one in before
    )


def _replaced(steps: Sequence[Step], delivers: Sequence[Step], retiring: Step) -> bool:
    """Return whether a delivery before the step replaces what it ends, or a person is asked after
    the last one."""
    before = [one for one in delivers if one.index < retiring.index]
    return any(replaces(one, retiring) for one in before) or any(
        wait.person for one in before[-1:] for wait in _between(steps, one, retiring)
    )


def replaces(delivery: Step, retiring: Step) -> bool:
    """Return whether what a step delivers replaces what another one ends, as the catalogue says."""
    if delivery.target.kind.split(".")[0] != retiring.target.kind.split(".")[0]:
        return False
    said = {**delivery.parameters, **delivery.target.fields}
    ended = {**retiring.parameters, **retiring.target.fields}
    wanted = {name: text for name, text in delivery.spec.replaces.items() if name in ended}
    return bool(wanted) and all(_fits(text, said, ended[name]) for name, text in wanted.items())


def says_what_it_replaces(delivery: Step) -> bool:
    """Return whether a step that delivers names all that tells which credential it replaces."""
    said = {**delivery.parameters, **delivery.target.fields}
    return all(_filled(text, said) is not None for text in delivery.spec.replaces.values())


def _fits(template: str, said: Mapping[str, Json], ended: Json) -> bool:
    wanted = _filled(template, said)
    if wanted is None or not isinstance(ended, str):
        return False
    return ended.startswith(wanted) if template.endswith("*") else ended == wanted


def _filled(template: str, said: Mapping[str, Json]) -> str | None:
    try:
        return template.removesuffix("*").format_map(said)
    except KeyError:  # an optional parameter that the plan leaves out
        return None


def _unquiet(steps: Sequence[Step], delivers: Sequence[Step], retiring: Step) -> Iterator[Step]:
    """Yield each delivery before the step whose consumers are seen by uses, and for which nothing
    waits until nobody uses the old one, or for a person."""
    for one in delivers:
        asked = any(_asks(wait, one, Name.OLD_QUIET) for wait in _between(steps, one, retiring))
        if one.index < retiring.index and one.spec.seen_by_uses and not asked:
            yield one


def _between(steps: Sequence[Step], first: Step, last: Step) -> Iterator[Wait]:
    for step in steps[first.index : last.index]:
        if step.wait is not None:
            yield step.wait


def _moves(wait: Wait, delivery: Step) -> bool:
    return _asks(wait, delivery, Name.CONSUMERS_MOVED, Name.SERVED_NEW)


def _asks(wait: Wait, delivery: Step, *names: Name) -> bool:
    """Return whether a wait is for one of these conditions about a delivery, or for a person."""
    return wait.person or any(
        one.name in names and one.step == delivery.index for one in wait.conditions
    )


def _refuse_late_cut(delivers: Sequence[Step], retires: Sequence[Step], at: str) -> None:
    if not retires:
        raise RotationOrder("it cuts nothing off", pointer=at)
    first = min((step.index for step in delivers), default=retires[-1].index)
    for step in retires:
        # A step that does both cuts its own.
        if step.index > first and not step.spec.delivers:
            raise RotationOrder(
                f"step {first + 1} delivers before this step cuts: say move_first, or cut earlier",
                pointer=f"{at}/{step.index}",
            )


def delivered_before(steps: Sequence[Step], order: Order, index: int) -> tuple[Step, ...]:
    """Return the steps whose new credential must be as they left it when this step ends an old one.

    Those at other targets; its own is judged anyway. Only where consumers move first: then the new
    one is all that they have. After a cut, nothing that somebody does to a new one may keep a later
    step from taking access away.
    """
    ending = steps[index]
    if order is not Order.MOVE_FIRST or not ending.spec.retires:
        return ()
    before = (one for one in steps[:index] if one.spec.delivers and one.spec.leaves)
    return tuple(one for one in before if one.target != ending.target)
