"""Build the form of a plan, from what was typed and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain import draft_second, inert
from remediation.domain.catalogue import ACTIONS, TARGETS, is_test
from remediation.domain.draft import Draft, DraftStep, Problem, check
from remediation.domain.draft_second import Offer
from remediation.domain.errors import BadInput
from remediation.domain.plan import ENVIRONMENTS, Plan, Target, target_at
from remediation.domain.report import load_diagnosis
from remediation.domain.schema_inputs import Input, inputs_of
from remediation.models import Incident, User
from remediation.services.reporting import make_plan, offer_targets
from remediation.views.cards.plan_waits import plan_flow
from remediation.views.cards.proposal import sentences, undone
from remediation.views.cards.step import step_cards
from remediation.views.plan import waits, words
from remediation.views.plan.page import (
    Addable,
    FormField,
    FormStep,
    OfferedCard,
    PlanPage,
    Preview,
    SecondStep,
)
from remediation.views.plan.words import Problems


def checked(draft: Draft) -> tuple[Plan | None, tuple[Problem, ...]]:
    """Return the plan that was typed, or None and what is wrong with it."""
    return check(
        draft,
        protected=settings.PROTECTED_CLUSTERS,
        allow_test=settings.ALLOW_TEST_ACTIONS,
    )


def environment_of(user: User, incident: Incident) -> str:
    """Return the environment of the incident's identity in the inventory, or ""."""
    own = (one for one in offer_targets.offered(user, incident) if one.own)
    return next((one.environment for one in own), "")


def plan_page(
    user: User,
    incident: Incident,
    draft: Draft,
    *,
    follows: UUID | None,
    problems: tuple[Problem, ...] = (),
    preview: Plan | None = None,
) -> PlanPage:
    """Return the form with everything that was typed; with ``preview`` the plan in words."""
    found = {problem.pointer: problem for problem in reversed(problems)}
    diagnosis = make_plan.newest_diagnosis(incident)
    offered = offer_targets.offered(user, incident)
    used = {f"{step.action} {step.locator}" for step in draft.steps}
    whole = found.get("/steps") or found.get("")
    return PlanPage(
        incident_id=incident.pk,
        incident_title_untrusted=incident.title,
        diagnosis_untrusted=load_diagnosis(bytes(diagnosis.body), allow_test=True).summary,
        by_agent=incident.agent.name,
        follows=follows,
        environment=_environment(draft, found),
        rationale=_rationale(draft, found),
        order=waits.order_field(draft, found),
        rotates=waits.rotates(draft),
        steps=_steps(draft, found),
        offered=tuple(_offered(one, used) for one in offered),
        others=_others(),
        no_action=not any(one.own for one in offered),
        error=words.plan_error(whole) if whole else "",
        problems=len(problems),
        preview=_preview(preview, draft) if preview else None,
    )


def _preview(plan: Plan, draft: Draft) -> Preview:
    return Preview(
        digest=plan.digest,
        sentences=sentences(plan),
        undone=undone(plan),
        steps=step_cards(plan, None),
        flow=plan_flow(plan, None),
        rationale_untrusted=draft.rationale,
    )


def _environment(draft: Draft, found: Problems) -> FormField:
    return FormField(
        name="environment",
        title=gettext("Environment"),
        kind="choice",
        typed=draft.environment,
        error=gettext("Choose the environment.") if "/environment" in found else "",
        help=gettext("The worker compares it with the inventory and with the target."),
        options=tuple((one, vocabulary.word(one)) for one in ENVIRONMENTS),
    )


def _rationale(draft: Draft, found: Problems) -> FormField:
    problem = found.get("/rationale")
    return FormField(
        name="rationale",
        title=gettext("Why this plan"),
        kind="long",
        typed=inert.visible(draft.rationale),
        error=words.rationale_error(problem) if problem else "",
        help=gettext("Those who decide read it. At least 10 characters, no secret."),
    )


def _steps(draft: Draft, found: Problems) -> tuple[FormStep, ...]:
    offered = draft_second.offers(draft, allow_test=settings.ALLOW_TEST_ACTIONS)
    return tuple(
        _step(draft.steps, index, found, [one for one in offered if one.index == index])
        for index in range(len(draft.steps))
    )


def _step(
    steps: Sequence[DraftStep], index: int, found: Problems, offered: Sequence[Offer]
) -> FormStep:
    step = steps[index]
    at, spec = f"/steps/{index}", step.spec
    parts = (f"{at}/action", f"{at}/target", at, f"{at}/parameters")
    problem = next((found[one] for one in parts if one in found), None)
    target = _target_of(step)
    if problem is None and target is not None:
        # An offered target has no field that could show its problem.
        inside = (one for pointer, one in found.items() if pointer.startswith(f"{at}/target/"))
        problem = next(inside, None)
    return FormStep(
        index=index,
        action=step.action,
        title=spec.title if spec else gettext("Unknown action"),
        sentence=target.describe(spec.sentence) if spec and target else "",
        locator=step.locator,
        target=() if step.locator else _target_fields(step, index, found),
        parameters=tuple(_parameter(step, index, one, found) for one in inputs_of(spec.parameters))
        if spec
        else (),
        wait=waits.wait_fields(steps, index, found),
        ends_sessions=vocabulary.saying(spec.ends_sessions) if spec else "",
        seconds=tuple(_second(one) for one in offered),
        error=words.step_error(problem) if problem else "",
        last=index == len(steps) - 1,
    )


def _second(offer: Offer) -> SecondStep:
    if offer.target is not None:
        sentence = offer.target.describe(ACTIONS[offer.action].sentence)
        return SecondStep(f"end {offer.name}", gettext("Add this step"), sentence)
    word = vocabulary.word(offer.parameter)
    return SecondStep(f"end {offer.name}", gettext("Choose yes for: %(what)s") % {"what": word})


def _target_of(step: DraftStep) -> Target | None:
    if not step.locator or step.spec is None:
        return None
    try:
        target = target_at(step.locator, allow_test=settings.ALLOW_TEST_ACTIONS)
    except BadInput:
        return None
    return target if target.kind == step.spec.target_kind else None


def _target_fields(step: DraftStep, index: int, found: Problems) -> tuple[FormField, ...]:
    spec = step.target_spec
    if spec is None:
        return ()
    fields = []
    for name in spec.fields:
        problem = found.get(f"/steps/{index}/target/{name}")
        fields.append(
            FormField(
                name=f"step-{index}-target-{name}",
                title=vocabulary.word(name),
                kind="text",
                # Hidden characters become visible code points, as everywhere on pages.
                typed=inert.visible(step.fields.get(name, "")),
                error=words.target_error(problem) if problem else "",
                help=gettext("For example %(example)s") % {"example": spec.example[name]},
            )
        )
    return tuple(fields)


def _parameter(step: DraftStep, index: int, one: Input, found: Problems) -> FormField:
    at = f"/steps/{index}/parameters/{one.name}"
    # A list or an object may name a place inside it.
    inside = (p for pointer, p in found.items() if f"{pointer}/".startswith(f"{at}/"))
    problem = next(inside, None)
    return FormField(
        name=f"step-{index}-parameter-{one.name}",
        title=vocabulary.word(one.name),
        kind=one.kind.value,
        typed=inert.visible(step.parameters.get(one.name, "")),
        required=one.required,
        error=words.parameter_error(problem, one) if problem else "",
        help=_help(one),
        options=tuple((each, vocabulary.word(each)) for each in one.choices),
    )


def _help(one: Input) -> str:
    if one.description:
        return one.description
    if one.kind == "lines":
        return gettext("One a line.")
    return ""


def _offered(one: offer_targets.Offered, used: set[str]) -> OfferedCard:
    locator = one.target.locator
    return OfferedCard(
        locator=locator,
        name_untrusted=one.name,
        own=one.own,
        actions=tuple(
            Addable(
                value=f"{spec.kind} {locator}",
                sentence=one.target.describe(spec.sentence),
                gives_access=spec.grants_access,
                used=f"{spec.kind} {locator}" in used,
            )
            for spec in one.actions
        ),
    )


def _others() -> tuple[tuple[str, str], ...]:
    """Return all actions, for a target that is not offered."""
    return tuple(
        (kind, f"{spec.title} ({vocabulary.saying(TARGETS[spec.target_kind].title)})")
        for kind, spec in sorted(ACTIONS.items())
        if settings.ALLOW_TEST_ACTIONS or not is_test(kind)
    )
