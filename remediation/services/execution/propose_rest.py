"""Propose the rest of a stopped run: a new proposal with the steps that were not confirmed.

It is an ordinary proposal, assessed and reviewed like any other. The person who proposes it is
recorded as the plan's editor and cannot decide on it (promise 4); so are the editors of the stopped
plan, because the rest follows it in the chain of `supersedes`. When the agent is suspended, it is a
plan of that person (`make_plan`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from uuid import UUID

from django.conf import settings
from django.db import transaction

from audit.tlog.canonical import Json
from remediation.domain import errors, plan
from remediation.domain.errors import BadInput
from remediation.domain.plan import Plan, Step, resolved
from remediation.domain.states import ProposalState
from remediation.domain.waits import Condition, Made, Order, Reference
from remediation.models import Proposal, StepRecord, User
from remediation.services import transition
from remediation.services.access import visibility
from remediation.services.actors import PersonActor
from remediation.services.execution.halt import checked, told
from remediation.services.execution.waits import made_by
from remediation.services.load_plan import load_plan
from remediation.services.outbox import dispatch
from remediation.services.reporting import make_plan
from remediation.services.reporting import propose as proposing
from remediation.services.review.report_agent import is_enabled

MAX_REASON = 2_000
WAITED = (
    "the run stopped before its wait had ended, and the rest would end the old credential without"
    " that wait: undo what was applied, or make a plan that waits"
)


def rest_of(proposal: Proposal) -> Plan | None:
    """Return the plan of what a stopped run did not confirm, or None when nothing is left.

    A step that was applied only in part is in it again: applying twice changes nothing. So is one
    whose outcome is not known. There is none while it would end an old credential without the wait
    that had to come first.
    """
    return _rest(proposal)[0]


def why_none(proposal: Proposal) -> str:
    """Return why a stopped run with steps left has no rest; "" where nothing keeps it."""
    return _rest(proposal)[1]


def _rest(proposal: Proposal) -> tuple[Plan | None, str]:
    if proposal.state != ProposalState.STOPPED:
        return None, ""
    rows = StepRecord.objects.filter(execution__proposal=proposal)
    phases = set(rows.values_list("step", "phase"))
    # What was undone since is left to do again.
    confirmed = {step for step, phase in phases if phase == "verified"} - {
        step for step, phase in phases if phase == "undone"
    }
    try:
        done = load_plan(bytes(proposal.plan))
        left = [step for step in done.steps if step.index not in confirmed]
        if not left:
            return None, ""
        begun = max((step for step, phase in phases if phase == "intended"), default=-1)
        open_ = _open_wait(done, confirmed, begun)
        if open_ is not None and any(step.spec.retires for step in left if step.index > open_):
            return None, WAITED
        made = {row.step: made_by(row.data) for row in rows if row.phase == "applied"}
        rest = plan.parse(
            plan.written(done.environment, _steps(left, made), _order(done, left)),
            protected=settings.PROTECTED_CLUSTERS,
            allow_test=settings.ALLOW_TEST_ACTIONS,
        )
    except BadInput as refused:
        return None, f"what is left is no plan by itself: {refused.detail}"
    return rest, ""


def _open_wait(done: Plan, confirmed: Collection[int], begun: int) -> int | None:
    """Return the confirmed step after which the run was to wait and went no further.

    A wait comes after its step, so the rest, which begins behind it, cannot say it.
    """
    found = (step for step in done.waits if step in confirmed and step >= begun)
    return next(iter(found), None)


def _steps(left: list[Step], made: Made) -> list[dict[str, Json]]:
    """Return the steps that are left, renumbered: what a confirmed step made stands as its value,
    and a wait keeps those conditions that are about one of them."""
    places = {step.index: place for place, step in enumerate(left)}
    steps = []
    for step in left:
        parameters = {**_placed(step, made, places).parameters}
        value = {**step.to_json(), "parameters": parameters}
        value.pop("wait", None)
        wait = _wait(step, places)
        steps.append({**value, "wait": wait} if wait is not None else value)
    return steps


def _placed(step: Step, made: Made, places: Mapping[int, int]) -> Step:
    """Return the step with each reference as a value, or to its maker's new place."""
    parameters: dict[str, Json] = dict(step.parameters)
    for name, reference in step.references:
        if reference.made_by in places:
            moved = Reference(places[reference.made_by], reference.name)
            parameters[name] = moved.to_json()
        else:
            parameters[name] = resolved(step, made).parameters[name]
    return replace(step, parameters=parameters)


def _wait(step: Step, places: Mapping[int, int]) -> dict[str, Json] | None:
    if step.wait is None:
        return None
    kept = tuple(
        Condition(one.name, places[one.step]) for one in step.wait.conditions if one.step in places
    )
    wait = replace(step.wait, conditions=kept)
    return wait.to_json() if wait.conditions or wait.person else None


def _order(done: Plan, left: list[Step]) -> Order:
    """Return the order of the rest: the same as long as it still delivers something."""
    return done.order if any(step.spec.delivers for step in left) else Order.NONE


def propose(*, actor: User, proposal_id: UUID, reason: str) -> UUID:
    """Propose the rest of a stopped run; return the new proposal's id.

    If a proposal that follows this run is still open, its id is returned. Raises NoSuchObject,
    Separation, NotEntitled, ReasonRequired, TooLarge, BadValue, and WrongState when
    the run did not stop or nothing of it is left. A crash before the commit leaves nothing; after
    it the sweeper gets the new proposal assessed.
    """
    reason = checked(reason, MAX_REASON)
    with transaction.atomic():
        transition.lock(proposal_id)
        old = (
            Proposal.objects.select_related("incident", "diagnosis").filter(pk=proposal_id).first()
        )
        if old is None or not visibility.may_view(actor, old):
            raise errors.NoSuchObject()
        visibility.refuse_to_halt(actor, old)
        rest, why = _rest(old)
        if rest is None:
            raise errors.WrongState(why or "no step of this run is left to propose")
        by_agent = old.planner is None and is_enabled(old.agent_id)
        last = proposing.newest_after(old)
        if last.pk != old.pk and last.state in proposing.ALIVE:
            # Only this plan: what else follows the run is not what the page has shown.
            if last.plan_digest != rest.digest:
                raise errors.WrongState(
                    f"proposal {last.pk} follows this run and is still open; decide on it first"
                )
            return last.pk
        made = _insert(actor, old, rest, reason, last, by_agent=by_agent)
        transaction.on_commit(lambda: dispatch.wake("assess", made), robust=True)
    return made


def _insert(
    actor: User, old: Proposal, rest: Plan, reason: str, last: Proposal, *, by_agent: bool
) -> UUID:
    """Insert the rest: as an edit of the agent's plan, or as a plan of this person.

    The latter when the agent is suspended, or when the stopped plan was a person's.
    """
    rationale = f"The rest of proposal {old.pk}, which stopped. {reason}"
    if not by_agent:
        return make_plan.insert(
            actor=actor, incident=old.incident, plan=rest, rationale=rationale, supersedes=last
        )
    return proposing.insert(
        actor=PersonActor(actor.person, actor.pk),
        incident=old.incident,
        diagnosis=old.diagnosis,
        plan=rest,
        rationale=told(old, rationale),
        token_id=old.token_id,
        agent_id=old.agent_id,
        supersedes=last,
    )
