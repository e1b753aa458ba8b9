"""Page data of the steps of a plan, and of the observations of their targets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain.catalogue import after
from remediation.domain.headline import headline_of
from remediation.domain.observation import Observation, parse_observations
from remediation.domain.plan import Plan, Step, format_name
from remediation.models import Assessment
from remediation.views.cards.fields import Field, format_canonical
from remediation.views.cards.limits import DoesNotStop, does_not_stop


@dataclass(frozen=True)
class ObservedCard:
    exists: bool
    simulated: bool
    fields: tuple[Field, ...]

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


def step_cards(plan: Plan | None, assessment: Assessment | None) -> tuple[StepCard, ...]:
    """Return one card per step; none when the plan cannot be read."""
    seen = observations_of(assessment)
    at = assessment.recorded_at if assessment else None
    return tuple(_step_card(step, seen, at) for step in plan.steps) if plan else ()


def _step_card(step: Step, seen: dict[str, Observation | None], at: datetime | None) -> StepCard:
    spec, locator = step.spec, step.target.locator
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
            Field(name, format_canonical(value)) for name, value in step.parameters.items()
        ),
        reversible=spec.reversible and step.rollback is not None,
        rollback=step.rollback or "",
        timeout_s=spec.hard_timeout_s,
        propagation_s=spec.propagation_s,
        ends_sessions=vocabulary.saying(spec.ends_sessions),
        unpinned_reason=vocabulary.saying(spec.unpinned_reason),
        does_not_stop=does_not_stop(step, observation, at),
        observed=_observed(step.action, observation) if observation else None,
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


def _observed(action: str, observation: Observation) -> ObservedCard:
    """Return the observation, pinned fields first: they must not change before the step."""
    then = after(action, observation.state) if observation.exists else observation.state
    pinned = [
        Field(
            name,
            format_canonical(value),
            True,
            format_canonical(then[name]) if then[name] != value else "",
        )
        for name, value in observation.state.items()
    ]
    shown = [Field(name, format_canonical(value)) for name, value in observation.shown.items()]
    return ObservedCard(observation.exists, observation.simulated, (*pinned, *shown))


def observations_of(assessment: Assessment | None) -> dict[str, Observation | None]:
    """Return what the worker saw, by locator; None for a target that it could not read."""
    return parse_observations(bytes(assessment.observation)) if assessment else {}
