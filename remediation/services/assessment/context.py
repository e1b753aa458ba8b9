"""Read the context of a proposal for the checks; every query is bounded.

The context is its evidence, similar names in the inventory, other proposals on its targets, and
targets that this worker must not touch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db.models import Case, OuterRef, Q, Subquery, When
from django.db.models.functions import Length

from remediation.domain.catalogue import TARGETS
from remediation.domain.catalogue.locators import escape, unescape
from remediation.domain.checks import Neighbour, OpenProposal, Rejection
from remediation.domain.checks.skeleton import latin, readable
from remediation.domain.errors import BadInput, TargetUnobservable
from remediation.domain.plan import Plan, Target, parse_target
from remediation.domain.report import Diagnosis
from remediation.domain.statement import REJECT_REASONS, Statement
from remediation.domain.states import ProposalState
from remediation.models import (
    EvidenceBlob,
    Identity,
    IdentityVersion,
    Proposal,
    Review,
    Transition,
)
from remediation.services import host_files
from remediation.services.reporting.propose import ALIVE

# A person reads these; a longer list helps nobody.
MOST_PROPOSALS = 20
MOST_NEIGHBOURS = 500
# Reports may add to an incident without end, and a diagnosis may cite all of it. What is cited is
# read first, then the newest of the agent's others; the checks name what was left out.
MOST_BYTES = 16 * 1024 * 1024
MOST_OTHER_ARTEFACTS = 50
# A look-alike is at most this much longer or shorter (domain.checks.skeleton).
_LONGER = 2


@dataclass(frozen=True)
class Artefacts:
    """Artefacts by SHA-256, which an attacker could have written to, and which were not read."""

    content: dict[str, bytes]
    attacker_writable: frozenset[str]
    unread: frozenset[str] = frozenset()


def artefacts(proposal: Proposal, diagnosis: Diagnosis) -> Artefacts:
    """Return the artefacts that the diagnosis cites, and the newest others of its own agent.

    What another agent put into the incident is read only if it is cited: otherwise it could slow
    or spoil this proposal's checks (docs/attacks.md A84). Artefacts that were erased under law are
    missing. Bytes that somebody else put there first count as theirs.
    """
    cited = {c.evidence for claim in diagnosis.claims for c in claim.citations}
    own = Q(agent__in={proposal.agent_id, proposal.diagnosis.agent_id})
    rows = list(
        proposal.incident.evidence.filter(own | Q(sha256__in=cited))
        .order_by("-pk")
        .values_list("sha256", "size", "attacker_writable")
    )
    wanted, left, others = set(), MOST_BYTES, 0
    for sha256, size, _ in sorted(rows, key=lambda row: row[0] not in cited):
        other = sha256 not in cited
        if size <= left and not (other and others >= MOST_OTHER_ARTEFACTS):
            wanted.add(sha256)
            left, others = left - size, others + other
    writable = frozenset(sha256 for sha256, _, writable in rows if writable)
    blobs = EvidenceBlob.objects.filter(sha256__in=wanted)
    return Artefacts(
        {blob.sha256: bytes(blob.content) for blob in blobs},
        writable,
        unread=frozenset(row[0] for row in rows) - wanted,
    )


def neighbours(plan: Plan) -> tuple[Neighbour, ...]:
    """Return the targets and identities with similar names in the same cluster or account.

    Similar: the same beginning or end, and about the same length. The checks decide whether
    people could confuse them.
    """
    names = IdentityVersion.objects.filter(identity=OuterRef("pk")).order_by("-pk")
    found: dict[str, Neighbour] = {}
    for target in plan.targets:
        rows = (
            Identity.objects.annotate(length=Length("locator"))
            .filter(_near(target))
            .annotate(called=Subquery(names.values("name")[:1]), rank=_rank(target))
            .order_by("rank", "length", "locator")
            .values_list("locator", "called")[:MOST_NEIGHBOURS]
        )
        found |= {locator: Neighbour(locator, called or "") for locator, called in rows}
    return tuple(found.values())


def _rank(target: Target) -> Case:
    """Sort the target first, then its user's other keys, so that the limit never drops them.

    Names with escaped characters come last: a cluster may have very many.
    """
    family = target.locator.rpartition("/")[0] + "/"
    own = [When(locator__startswith=family, then=1)] if target.locator.count("/") > 1 else []
    return Case(
        When(locator=target.locator, then=0),
        *own,
        When(locator__contains="%", then=3),
        default=2,
    )


def _near(target: Target) -> Q:
    """Match the target itself, other keys of its user, and similar names."""
    locator = target.locator
    container = "".join(locator.partition("/" if "/" in locator else ":")[:2])
    name = locator.removeprefix(container)
    alike = Q(locator__startswith=container + name[:2]) | Q(
        locator__startswith=container, locator__endswith=name[-3:]
    )
    length = len(locator)
    alike &= Q(length__gte=length - _LONGER, length__lte=length + _LONGER)
    near = Q(locator=locator) | alike | _near_as_read(target, container, name)
    if "/" in name:
        near |= Q(locator__startswith=locator.rpartition("/")[0] + "/")
    return near


def _near_as_read(target: Target, container: str, name: str) -> Q:
    """Match names that read like this one with other bytes; a locator writes each as %XX.

    A name in plain letters may have a look-alike of another script, and the other way round.
    """
    if not TARGETS[target.kind].escaped:
        return Q(pk__in=())
    read = "/".join(escape(latin(readable(unescape(part) or part))) for part in name.split("/"))
    first, last = read[:2], read[-3:]
    beginnings = Q()
    for variant in dict.fromkeys((first, first.upper(), first.capitalize(), "%")):
        beginnings |= Q(locator__startswith=container + variant)
    ends = Q(locator__endswith=last) | Q(locator__endswith=last.upper())
    foreign = Q(locator__startswith=container, locator__contains="%") & (beginnings | ends)
    if read == name:
        return foreign
    plain = Q(length__gte=len(container + read) - _LONGER)
    plain &= Q(length__lte=len(container + read) + _LONGER)
    return foreign | (plain & Q(locator__startswith=container) & (beginnings | ends))


def open_proposals(proposal: Proposal, plan: Plan) -> tuple[OpenProposal, ...]:
    """Return earlier proposals on these targets that can still run.

    Only the later one counts as the duplicate: otherwise an agent could spoil any proposal by
    submitting another one.
    """
    rows = (
        Proposal.objects.filter(
            state__in=ALIVE,
            recorded_at__lt=proposal.recorded_at,
            pk__in=_on(plan),
        )
        .exclude(pk=proposal.pk)
        # Alternatives of one choice are no duplicates: at most one of them runs.
        .exclude(choice__isnull=False, choice=proposal.choice_id)
        .order_by("recorded_at")
        .values_list("pk", "state", "plan")[:MOST_PROPOSALS]
    )
    return tuple(OpenProposal(str(pk), state, _steps(bytes(body))) for pk, state, body in rows)


def _on(plan: Plan) -> Subquery:
    locators = [target.locator for target in plan.targets]
    return Subquery(Proposal.objects.filter(targets__locator__in=locators).values("pk"))


def _steps(body: bytes) -> tuple[tuple[str, str], ...]:
    """Return action and locator of each step of a stored plan, also under an older catalogue."""
    found = []
    for step in json.loads(body)["steps"]:
        try:
            target = parse_target(step["target"], allow_test=settings.ALLOW_TEST_ACTIONS)
        except BadInput:
            continue
        found.append((str(step["action"]), target.locator))
    return tuple(found)


def rejections(proposal: Proposal, plan: Plan) -> tuple[Rejection, ...]:
    """Return rejected proposals on these targets, each with the reason that people gave."""
    rows = (
        Transition.objects.filter(to_state=ProposalState.REJECTED, proposal__in=_on(plan))
        .exclude(proposal=proposal.pk)
        .order_by("-pk")
        .values_list("proposal_id", "round", "reason")[:MOST_PROPOSALS]
    )
    found = list(rows)
    words = _reasons([row[0] for row in found])
    return tuple(
        Rejection(str(pk), words.get((pk, round_, code)) or REJECT_REASONS.get(code, code))
        for pk, round_, code in reversed(found)
    )


def _reasons(keys: Iterable[UUID]) -> dict[tuple[UUID, int, str], str]:
    """Return the rejecting reviews' reasons, by proposal, round and reason code."""
    rows = Review.objects.filter(proposal__in=list(keys), decision="reject").order_by("-pk")
    found = {}
    for review in rows[: 4 * MOST_PROPOSALS]:
        try:
            reason = Statement.parse(bytes(review.statement)).reason
        except BadInput:
            continue
        text = f"{REJECT_REASONS.get(reason.code, reason.code)}: {reason.text}"
        found[(review.proposal_id, review.round, reason.code)] = text
    return found


def protected(plan: Plan) -> dict[str, str]:
    """Return protected targets by locator with the reason: listed here, or used by the portal."""
    found = {
        target.locator: "it is on the worker's list (HITL_PROTECTED_TARGETS)"
        for target in plan.targets
        if target.locator in settings.PROTECTED_TARGETS
    }
    try:
        targets = host_files.targets()
    except TargetUnobservable:
        return found
    found |= {
        target.locator: "the portal itself works with it"
        for target in plan.targets
        if targets.is_own(target)
    }
    return found
