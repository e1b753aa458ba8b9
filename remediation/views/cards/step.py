"""Page data of the steps of a plan, and of the observations of their targets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain.dry_run import DryStep, dry_run
from remediation.domain.headline import headline_of
from remediation.domain.observation import Observation, parse_observations
from remediation.domain.plan import Plan, Step, format_name
from remediation.models import Assessment
from remediation.services.access import looks
from remediation.views.cards.fields import Field, format_canonical
from remediation.views.cards.limits import (
    CredentialRow,
    DoesNotStop,
    credential_row,
    does_not_stop,
)
from remediation.views.cards.new_values import format_parameter, format_value, state_after


@dataclass(frozen=True)
class ObservedCard:
    exists: bool
    simulated: bool
    fields: tuple[Field, ...]
    left_by: int = 0  # the number of the earlier step that leaves this state; 0: it was read

    @property
    def changes(self) -> tuple[Field, ...]:
        """Return the fields that the action changes."""
        return tuple(f for f in self.fields if f.after)

    @property
    def last_use(self) -> tuple[Field, ...]:
        """Return who used the target and when, as far as the target records it."""
        return tuple(f for f in self.fields if f.name.startswith(("last_", "sessions")))


@dataclass(frozen=True)
class StepCard:
    number: int
    action: str
    sentence: str
    headline: str
    undone: str  # what its undoing gives back; empty when it cannot be undone
    locator: str
    name_untrusted: str  # the field that distinguishes the target, as sentences write it
    target: tuple[Field, ...]
    parameters: tuple[Field, ...]
    reversible: bool
    rollback: str
    timeout_s: int
    propagation_s: int
    ends_sessions: str
    unpinned_reason: str
    does_not_stop: DoesNotStop
    observed: ObservedCard | None
    unobservable: str = ""
    creates: bool = False  # the target must not exist before
    changes_state: bool = True  # it changes a pinned field
    credential: CredentialRow | None = None  # what the worker's login can do besides the step


def step_cards(plan: Plan | None, assessment: Assessment | None) -> tuple[StepCard, ...]:
    """Return one card per step; none when the plan cannot be read."""
    seen = observations_of(assessment)
    at = assessment.recorded_at if assessment else None
    if plan is None:
        return ()
    walked = dry_run(plan, seen, state_after)
    return tuple(_step_card(one, seen, at, _of_others(one, walked)) for one in walked)


def _of_others(one: DryStep, walked: tuple[DryStep, ...]) -> frozenset[str]:
    """Return the fields that were read for another step on the same target alone."""
    found = {
        name
        for each in walked
        if each.step.target.locator == one.step.target.locator
        for name in each.step.spec.shows
    }
    return frozenset(found - {*one.step.spec.shows})


def _step_card(
    one: DryStep,
    seen: dict[str, Observation | None],
    at: datetime | None,
    of_others: frozenset[str],
) -> StepCard:
    step, spec, locator = one.step, one.step.spec, one.step.target.locator
    observation = seen.get(locator)
    unobservable = locator in seen and observation is None
    return StepCard(
        number=step.index + 1,
        action=step.action,
        sentence=step.sentence,
        headline=headline_of(step),
        undone=_undone(step),
        locator=locator,
        name_untrusted=format_name(step.target.distinguishing),
        target=tuple(Field(name, value) for name, value in step.target.fields.items()),
        parameters=tuple(
            Field(name, format_parameter(value)) for name, value in step.parameters.items()
        ),
        reversible=spec.reversible and step.rollback is not None,
        rollback=step.rollback or "",
        timeout_s=spec.hard_timeout_s,
        propagation_s=spec.propagation_s,
        ends_sessions=vocabulary.saying(spec.ends_sessions),
        unpinned_reason=vocabulary.saying(spec.unpinned_reason),
        does_not_stop=does_not_stop(step, observation, at),
        observed=_observed(one, observation, of_others) if observation else None,
        creates=spec.creates,
        changes_state=bool(spec.leads_to or spec.leads_to_from),
        credential=credential_row(step, observation),
        unobservable=(
            gettext("The worker could not read %(target)s.") % {"target": locator}
            if unobservable
            else ""
        ),
    )


def _undone(step: Step) -> str:
    if step.rollback is None or not step.spec.reversible:
        return ""
    return vocabulary.saying(step.spec.undone) or gettext("it can be undone")


def _observed(one: DryStep, observation: Observation, of_others: frozenset[str]) -> ObservedCard:
    """Return what the step meets and leaves, pinned fields first: they must not change before it.

    In: the step of the dry run, what was read of its target, and what of it concerns other steps.
    """
    now = one.before or observation
    pinned = [
        Field(
            name,
            format_value(value),
            True,
            format_value(one.after[name]) if one.after[name] != value else "",
        )
        for name, value in now.state.items()
    ]
    made = [
        Field(name, "", True, format_value(value))
        for name, value in one.after.items()
        if name not in now.state
    ]
    left_by = 0 if one.left_by is None else one.left_by + 1
    shown = [
        Field(name, format_canonical(value))
        for name, value in observation.shown.items()
        # Most of what was read before another step says nothing of what that one leaves.
        if (name in one.step.spec.shows if left_by else name not in of_others)
    ]
    fields = (*pinned, *made, *shown)
    return ObservedCard(now.exists, observation.simulated, fields, left_by)


def observations_of(assessment: Assessment | None) -> dict[str, Observation | None]:
    """Return what the worker saw, by locator; None for a target that it could not read."""
    return parse_observations(looks.observation(assessment)) if assessment else {}
