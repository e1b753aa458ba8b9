"""What changed since the last version or round, in lines: added, left out, changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext

from audit.tlog.canonical import Json
from remediation import vocabulary
from remediation.domain.plan import Plan
from remediation.models import Assessment, DependencyVersion, Narrowing, Proposal, Transition
from remediation.views.cards.fields import format_canonical
from remediation.views.cards.proposal import plan_of
from remediation.views.cards.slots import titles_of
from remediation.views.names import Names

# The edges of a correction are recorded in its transaction, just before the old version ends.
_TOGETHER = timedelta(minutes=1)


PLUS, MINUS, CHANGED = "+", "\N{MINUS SIGN}", "~"


@dataclass(frozen=True)
class Line:
    """One difference; the text may be from an agent."""

    sign: str  # PLUS, MINUS or CHANGED
    text_untrusted: str


@dataclass(frozen=True)
class Change:
    """One step from a version or a round to the next."""

    title: str
    at: datetime
    why_untrusted: str
    lines: tuple[Line, ...]

    @property
    def folded(self) -> int:
        """Return how many lines the review page folds: it shows two of more than three."""
        return len(self.lines) - 2 if len(self.lines) > 3 else 0


def changed_since(proposal: Proposal) -> tuple[Change, ...]:
    """Return what the last round changed, and what this version changed; the newest first."""
    found = [*_round(proposal), *versions(proposal)]
    return tuple(found)


def successor(proposal: Proposal) -> UUID | None:
    """Return the proposal that supersedes this one."""
    return Proposal.objects.filter(supersedes=proposal).values_list("pk", flat=True).first()


def _round(proposal: Proposal) -> Iterator[Change]:
    if proposal.round < 2:
        return
    last = list(Assessment.objects.filter(proposal=proposal).order_by("-round")[:2])
    if len(last) < 2:
        return
    lines = assessment_lines(last[1], last[0])
    yield Change(
        title=gettext("Round %(number)d") % {"number": last[0].round},
        at=last[0].recorded_at,
        why_untrusted="",
        lines=lines or (Line(CHANGED, gettext("Read again; nothing differs.")),),
    )


def versions(proposal: Proposal) -> Iterator[Change]:
    """Yield what this version changed of the one that it supersedes."""
    old = proposal.supersedes
    if old is None:
        return
    ended = Transition.objects.filter(proposal=old, to_state="superseded").last()
    by = f"person:{proposal.editor}" if proposal.editor else proposal.agent.actor
    name = Names.of_actors([by]).actor(by)
    yield Change(
        title=_title(proposal, old) % {"name": name},
        at=proposal.recorded_at,
        why_untrusted=ended.reason if ended else "",
        lines=(*_plan_lines(old, proposal), *_diagnosis_lines(old, proposal),
               *scope_lines(proposal)),
    )  # fmt: skip


def _title(proposal: Proposal, old: Proposal) -> str:
    if Narrowing.objects.filter(proposal=proposal).exists():
        return gettext("%(name)s left something out")
    if proposal.editor and proposal.plan_digest == old.plan_digest:
        return gettext("%(name)s corrected this")
    return gettext("%(name)s sent a new version")


def _plan_lines(old: Proposal, new: Proposal) -> Iterator[Line]:
    before, after = plan_of(old), plan_of(new)
    if before is None or after is None or before.digest == after.digest:
        return
    was, now = _steps(before), _steps(after)
    for key, (sentence, _) in was.items():
        if key not in now:
            yield Line(MINUS, sentence)
    for key, (sentence, parameters) in now.items():
        if key not in was:
            yield Line(PLUS, sentence)
            continue
        for name, value in parameters.items():
            earlier = was[key][1].get(name)
            if earlier != value:
                yield Line(CHANGED, f"{sentence} {vocabulary.word(name)}: {_arrow(earlier, value)}")
    if before.environment != after.environment:
        yield Line(CHANGED, f"{before.environment} → {after.environment}")


def _steps(plan: Plan) -> dict[tuple[str, str], tuple[str, Mapping[str, Json]]]:
    return {
        (step.action, step.target.locator): (step.sentence, step.parameters) for step in plan.steps
    }


def _diagnosis_lines(old: Proposal, new: Proposal) -> Iterator[Line]:
    if old.diagnosis_id == new.diagnosis_id:
        return
    before, after = _json(old.diagnosis.body), _json(new.diagnosis.body)
    if before.get("confidence") != after.get("confidence"):
        word = gettext("confidence")
        change = _arrow(before.get("confidence"), after.get("confidence"))
        yield Line(CHANGED, f"{word}: {change} %")
    if before.get("summary") != after.get("summary"):
        yield Line(CHANGED, _pair(gettext("summary"), after.get("summary")))
    was, now = _claims(before), _claims(after)
    for text in was:
        if text not in now:
            yield Line(MINUS, text)
    for text in now:
        if text not in was:
            yield Line(PLUS, text)


def scope_lines(proposal: Proposal) -> tuple[Line, ...]:
    """Return the services that a person's correction added to the scope, by name."""
    if proposal.supersedes_id is None or proposal.editor is None:
        return ()
    rows = DependencyVersion.objects.filter(
        author=f"person:{proposal.editor}",
        present=True,
        dependency__identity__locator__in=proposal.targets.values("locator"),
        recorded_at__lte=proposal.recorded_at,
        recorded_at__gt=proposal.recorded_at - _TOGETHER,
    )
    names = rows.order_by("pk").values_list("dependency__source__name", flat=True)
    return tuple(Line(PLUS, name) for name in dict.fromkeys(names))


def assessment_lines(before: Assessment, after: Assessment) -> tuple[Line, ...]:
    """Return what another assessment found: services, checks, approvals, state of the targets."""
    return (
        *_service_lines(before, after),
        *_check_lines(before, after),
        *_ruling_lines(before, after),
        *_pin_lines(before, after),
    )


def _service_lines(before: Assessment, after: Assessment) -> Iterator[Line]:
    was, now = ({str(s.get("name")) for s in _list(_json(a.scope), "services")}
                for a in (before, after))  # fmt: skip
    yield from (Line(PLUS, name) for name in sorted(now - was))
    yield from (Line(MINUS, name) for name in sorted(was - now))


def _check_lines(before: Assessment, after: Assessment) -> Iterator[Line]:
    was, now = ({str(c.get("name")): str(c.get("outcome")) for c in _checks(a)}
                for a in (before, after))  # fmt: skip
    for name, outcome in now.items():
        if was.get(name) != outcome:
            words = [vocabulary.word(o) for o in (was.get(name, ""), outcome) if o]
            yield Line(CHANGED, f"{vocabulary.word(name)}: {' → '.join(words)}")


def _ruling_lines(before: Assessment, after: Assessment) -> Iterator[Line]:
    if before.risk != after.risk:
        risks = f"{vocabulary.word(before.risk)} → {vocabulary.word(after.risk)}"
        yield Line(CHANGED, _pair(gettext("risk"), risks))
    if before.slots != after.slots:
        was, now = (", ".join(titles_of(each)) for each in (before, after))
        yield Line(CHANGED, _pair(gettext("needed"), f"{was} → {now}"))


def _pin_lines(before: Assessment, after: Assessment) -> Iterator[Line]:
    was = {str(t.get("locator")): t for t in _list(_json(before.pin), "targets")}
    for target in _list(_json(after.pin), "targets"):
        locator = str(target.get("locator"))
        earlier = was.get(locator, {})
        if earlier.get("exists") != target.get("exists"):
            gone = gettext("is gone") if not target.get("exists") else gettext("is there again")
            yield Line(CHANGED, f"{locator} {gone}")
        state, old = target.get("state"), earlier.get("state")
        for name, value in state.items() if isinstance(state, dict) else ():
            had = old.get(name) if isinstance(old, dict) else None
            if had != value:
                yield Line(CHANGED, f"{locator}: {vocabulary.word(name)} {_arrow(had, value)}")


def _arrow(old: Json, new: Json) -> str:
    return f"{format_canonical(old)} → {format_canonical(new)}"


def _claims(diagnosis: Mapping[str, Json]) -> list[str]:
    return [str(claim.get("text")) for claim in _list(diagnosis, "claims")]


def _checks(assessment: Assessment) -> Sequence[Mapping[str, Json]]:
    value = json.loads(bytes(assessment.checks))
    if isinstance(value, dict):
        return _list(value, "checks")
    return [one for one in value if isinstance(one, dict)]


def _list(value: Mapping[str, Json], name: str) -> list[dict[str, Json]]:
    found = value.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _json(body: bytes | memoryview) -> dict[str, Json]:
    """Return a stored body; an empty one where it is no object."""
    value = json.loads(bytes(body))
    return value if isinstance(value, dict) else {}


def _pair(name: str, value: object) -> str:
    return f"{name}: {value}"
