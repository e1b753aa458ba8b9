"""An incident story in which every text that an agent can hand in is hostile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import transaction

from audit import log
from audit.tlog.canonical import Json, encode
from remediation.domain import report as reports
from remediation.domain.errors import BadValue
from remediation.domain.events import Event
from remediation.services.access import record_refusal
from remediation.services.reporting import comment, submit, withdraw
from tests import stepup
from tests.flows.world import World, acts
from tests.hostile.corpus import CORPUS, REFUSED

WEB = "hitl_web"
TEXTS = [one.text for one in CORPUS]
BETWEEN = " ‖ "
IDENTITY = {"kind": "test.target", "name": "t1"}


def packed(texts: Iterable[str], most: int) -> Iterator[list[str]]:
    """The texts in groups that fit into a field of so many characters, in their order; what is
    longer by itself is cut to its first part."""
    group: list[str] = []
    for text in texts:
        text = text[: most - 1]
        if group and len(BETWEEN.join([*group, text])) > most:
            yield group
            group = []
        group.append(text)
    if group:
        yield group


TITLES = list(packed(TEXTS, 200))
# The whole corpus, in two diagnoses of at most 200 claims.
HALVES = (TEXTS[: len(TEXTS) // 2], TEXTS[len(TEXTS) // 2 :])


@dataclass
class Scene:
    """What was made, so that pages can be opened."""

    reviews: list[UUID]
    withdrawn: UUID
    closed: UUID
    incidents: list[UUID]
    whole: str  # the digest of the artefact that holds the corpus
    binary: list[str]
    entries: list[int]


def artefact(content: bytes, source: str) -> dict[str, Any]:
    return {"sha256": sha256(content).hexdigest(), "source": source, "content": content}


def whole() -> bytes:
    """The corpus as one text, each string behind its number."""
    return "".join(f"\n{number:03} {text}" for number, text in enumerate(TEXTS)).encode()


def make(world: World) -> Scene:
    reviews = [_reviewed(world, number) for number in range(len(HALVES))]
    proposals = [
        _reported(world, f"title-{number}", BETWEEN.join(group))
        for number, group in enumerate(TITLES)
    ]
    for text in TEXTS:
        with acts(WEB):
            record_refusal.record(
                actor=world.agent,
                event=Event.AGENT_REQUEST_REFUSED,
                error=BadValue(text),
                object=f"proposal:{reviews[0]}",
                proposal_id=reviews[0],
            )
    with acts(WEB), transaction.atomic():
        withdraw.withdraw(
            actor=world.agent, proposal_id=proposals[0], reason=BETWEEN.join(TITLES[0])
        )
    closed = world.get(proposals[1]).incident_id
    why = BETWEEN.join(next(packed(TEXTS, 3_900)))
    with acts(WEB):
        stepup.close(world.people["alice"], world.get(proposals[1]).incident, "false_positive", why)
    with acts(WEB):
        comment.comment(
            actor=world.people["alice"].user,
            incident_id=closed,
            text=BETWEEN.join(next(packed(list(reversed(TEXTS)), 3_900))),
        )
    return Scene(
        reviews=reviews,
        withdrawn=proposals[0],
        closed=closed,
        incidents=[world.get(proposal).incident_id for proposal in (*reviews, *proposals)],
        whole=sha256(whole()).hexdigest(),
        binary=[sha256(content).hexdigest() for _, content in REFUSED],
        entries=[_entry(half) for half in HALVES],
    )


def _reviewed(world: World, number: int) -> UUID:
    """A proposal in review: each claim is a string, each citation quotes it from an artefact."""
    half = HALVES[number]
    cited = encode({f"s{place}": text for place, text in enumerate(half)})
    digest = sha256(cited).hexdigest()
    claims: list[Json] = [
        {
            "text": text[:2_000],
            "citations": [{"evidence": digest, "pointer": f"/s{place}", "value": text}],
        }
        for place, text in enumerate(half)
    ]
    sources = [BETWEEN.join(group) for group in TITLES]
    artefacts = [artefact(cited, sources[-1])]
    if number == 0:
        artefacts.append(artefact(whole(), sources[0]))
        artefacts += [
            artefact(content, source)
            for (_, content), source in zip(REFUSED, sources, strict=False)
        ]
    else:
        artefacts += [
            artefact(b'{"seen": %d}' % place, source) for place, source in enumerate(sources[:49])
        ]
    made = _reported(
        world,
        f"review-{number}",
        BETWEEN.join(TITLES[number]),
        artefacts=artefacts,
        claims=claims,
        summary=BETWEEN.join(next(packed(half, 3_900))),
        rationale=BETWEEN.join(next(packed(reversed(half), 3_900))),
    )
    world.assess(made)
    return made


def _reported(
    world: World,
    kind: str,
    title: str,
    *,
    artefacts: list[dict[str, Any]] | None = None,
    claims: list[Json] | None = None,
    summary: str = "It is misused.",
    rationale: str = "",
) -> UUID:
    usual = world.report(
        incident={
            "kind": kind,
            "title": title,
            "identity": IDENTITY,
            "detected_at": "2026-11-22T10:00:00Z",
        },
        diagnosis={
            "summary": summary,
            "identity": IDENTITY,
            "confidence": 90,
            "claims": claims or [],
        },
    )
    report = reports.Report(
        usual.incident,
        tuple(
            reports.Artefact(
                sha256=one["sha256"],
                source=one["source"],
                media_type="text/plain",
                collected_at=usual.evidence[0].collected_at,
                attacker_writable=True,
                content=one["content"],
            )
            for one in artefacts or []
        )
        or usual.evidence,
        usual.diagnosis,
        usual.plan,
        rationale,
    )
    with acts(WEB), transaction.atomic():
        made = submit.report(report, actor=world.agent)
    assert made.proposal_id is not None
    return made.proposal_id


def _entry(half: list[str]) -> int:
    """What a taken-over web process could append: the strings as fields of an entry."""
    with acts(WEB), transaction.atomic():
        return log.append(
            action=Event.AGENT_INCIDENT_OPENED,
            actor="agent:" + half[0],
            object="incident:" + half[1],
            data={
                "title": half[2],
                "kind": half[3],
                "identity": half[4],
                **{f"s{place}": text for place, text in enumerate(half)},
            },
        ).id
