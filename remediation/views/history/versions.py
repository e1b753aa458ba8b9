"""Compare rounds of a proposal, and two proposals."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable

from django.utils.translation import gettext_lazy

from audit.tlog.canonical import Json
from remediation.domain.differences import differences, items, said, words
from remediation.models import Assessment, Proposal
from remediation.views.history.page import RoundChange, Section, Versions
from remediation.views.names import Names

BODIES = ("scope", "checks", "ruling", "pin")


TITLES = {
    "scope": gettext_lazy("Scope"),
    "checks": gettext_lazy("Checks"),
    "ruling": gettext_lazy("Ruling"),
    "pin": gettext_lazy("Pin"),
    "observation": gettext_lazy("What the worker read"),
}


def round_changes(proposal: Proposal) -> tuple[RoundChange, ...]:
    """Compare each round with the previous one, newest first."""
    found = list(Assessment.objects.filter(proposal=proposal).order_by("round"))
    moves = {t.round: t for t in proposal.transitions.filter(to_state="in_review")}
    reviews = list(proposal.reviews.values_list("round", flat=True))
    names = Names.of_actors(move.actor for move in moves.values())
    return tuple(
        RoundChange(
            number=after.round,
            at=after.recorded_at,
            why=moves[after.round].reason if after.round in moves else "",
            actor=names.actor(moves[after.round].actor) if after.round in moves else "",
            reviews=reviews.count(before.round),
            sections=_sections(before, after),
        )
        for before, after in reversed(list(itertools.pairwise(found)))
    )


def _sections(before: Assessment, after: Assessment) -> tuple[Section, ...]:
    signed = [
        _section(
            name,
            bytes(getattr(before, name)),
            bytes(getattr(after, name)),
            (getattr(before, f"{name}_digest"), getattr(after, f"{name}_digest")),
        )
        for name in BODIES
    ]
    seen = (bytes(before.observation), bytes(after.observation))
    shown = _section("observation", *seen, ("", "") if seen[0] == seen[1] else ("other", "another"))
    return (*signed, shown)


def _section(name: str, old: bytes, new: bytes, digests: tuple[str, str]) -> Section:
    try:
        rows = differences(_value(old), _value(new))
    except ValueError:
        return Section(str(TITLES[name]), *digests, (), unreadable=True)
    return Section(str(TITLES[name]), *digests, rows)


def _value(body: bytes) -> Json:
    """Parse a stored body as JSON. Raises ValueError."""
    value: Json = json.loads(body)
    return value


def compare(old: Proposal, new: Proposal) -> Versions | None:
    """Compare two proposals of one incident; None when a stored body cannot be read."""
    try:
        plans = [_mapping(bytes(row.plan)) for row in (old, new)]
        diagnoses = [_mapping(bytes(row.diagnosis.body)) for row in (old, new)]
    except ValueError:
        return None
    steps, claims = _taken(plans, "steps"), _taken(diagnoses, "claims")
    summaries = [said(diagnosis.pop("summary", "")) for diagnosis in diagnoses]
    return Versions(
        other=old.pk,
        other_at=old.recorded_at,
        supersedes=new.supersedes_id == old.pk,
        plan=differences(dict(plans[0]), dict(plans[1])),
        steps=items(*steps, key=_target, text=_step),
        rationale=words(old.rationale, new.rationale),
        rationale_same=old.rationale == new.rationale,
        diagnosis=differences(dict(diagnoses[0]), dict(diagnoses[1])),
        summary=words(*summaries),
        claims=items(*claims, key=_claim, text=_claim),
        old_version=old.diagnosis.version,
        new_version=new.diagnosis.version,
        same_diagnosis=old.diagnosis.digest == new.diagnosis.digest,
        same_plan=old.plan_digest == new.plan_digest,
        assessed=_assessed(old, new),
    )


def _assessed(old: Proposal, new: Proposal) -> tuple[Section, ...]:
    """Compare the last assessments, where both have one."""
    last = [Assessment.objects.filter(proposal=p).order_by("-round").first() for p in (old, new)]
    before, after = last
    return _sections(before, after) if before and after else ()


def _mapping(body: bytes) -> dict[str, Json]:
    value = _value(body)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _taken(values: Iterable[dict[str, Json]], name: str) -> list[list[Json]]:
    found = []
    for value in values:
        taken = value.pop(name, [])
        found.append(taken if isinstance(taken, list) else [])
    return found


def _target(step: Json) -> str:
    return said(step.get("target")) if isinstance(step, dict) else said(step)


def _step(step: Json) -> str:
    """Return action and target of a step; other changed fields are in the rows."""
    if not isinstance(step, dict):
        return said(step)
    return f"{said(step.get('action'))} on {said(step.get('target'))}"


def _claim(claim: Json) -> str:
    return said(claim.get("text")) if isinstance(claim, dict) else said(claim)
