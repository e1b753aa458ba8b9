"""Observe targets with read-only credentials; only inventory targets, within a budget per agent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import connection

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.run import run_observe
from remediation.services import host_files, lines


@dataclass(frozen=True)
class Seen:
    """Observations by locator (None where one failed), and the reasons of the failures."""

    observations: Mapping[str, Observation | None]
    failures: Mapping[str, str]


def observe(steps: Iterable[Step], *, agent_id: UUID | None = None) -> Seen:
    """Observe the target of each step; a target that fails is reported, not raised.

    Only identities of the inventory are observed. With ``agent_id`` each observation also counts
    against that agent's hourly budget; otherwise an agent could make the worker use its
    credentials without limit.
    """
    chosen = list(steps)
    locators = [step.target.locator for step in chosen]
    known = _known(locators)
    found: dict[str, Observation | None] = {}
    looked: dict[str, list[Mapping[str, Json]]] = {}
    failures: dict[str, str] = {}
    for step in chosen:
        locator = step.target.locator
        before = found.get(locator)
        parameters = looked.setdefault(locator, [])
        if locator in found and _has_fields(before, step) and _is_seen(step, parameters):
            continue  # an earlier step on the same target
        parameters.append(step.parameters)
        try:
            if locator not in known:
                raise TargetUnobservable("the inventory does not know the target")
            if agent_id is not None:
                _spend(agent_id)
            seen = run_observe(step, host_files.targets())
            if before is not None and before.exists:
                # Another step pins other fields of the same target, or names something else.
                seen = replace(
                    before,
                    state={**seen.state, **before.state},
                    shown=_shown_by_both(before, seen),
                )
            found[locator] = seen
        except TargetUnobservable as error:
            found[locator], failures[locator] = None, error.detail or error.message
            lines.say(
                lines.Line.UNOBSERVED,
                identity=known.get(locator),
                action=step.action,
                refusal=error.name,
                agent=agent_id,
            )
    return Seen(found, failures)


def _shown_by_both(first: Observation, second: Observation) -> dict[str, Json]:
    """What only the later step shows would else be seen by nobody: a look leaves it empty."""
    return {**second.shown, **{n: _both(v, second.shown.get(n)) for n, v in first.shown.items()}}


def _both(first: Json, second: Json) -> Json:
    if isinstance(first, list) and isinstance(second, list):
        return [*first, *(one for one in second if one not in first)]
    # What was looked at and found empty says more than what was not looked at.
    return first if first or second is None else second


def _is_seen(step: Step, looked: Iterable[Mapping[str, Json]]) -> bool:
    """Return whether an earlier look shows what this step's would: some depend on its parameters,
    such as the events that other selectors would no longer record."""
    return not step.parameters or step.parameters in looked


def _has_fields(seen: Observation | None, step: Step) -> bool:
    return seen is None or not seen.exists or set(step.spec.pin_fields) <= set(seen.state)


def _known(locators: list[str]) -> dict[str, object]:
    """Return the ids of those of the locators that the inventory knows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT locator, id FROM public.remediation_identity WHERE locator = ANY (%s)",
            [locators],
        )
        return dict(cursor.fetchall())


def _spend(agent_id: UUID) -> None:
    key = f"observed:{agent_id}"
    cache.add(key, 0, timeout=3600)
    if cache.incr(key) > settings.OBSERVE_BUDGET_PER_HOUR:
        raise TargetUnobservable("the agent's hourly budget of observations is used up")
