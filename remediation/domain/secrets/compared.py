"""The record of compared secrets: artefacts, places, rules and answers; no value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.tlog.canonical import Json, encode
from remediation.domain.errors import BadValue
from remediation.domain.fields import Fields
from remediation.domain.strict import parse as parse_json

# The guard has the same number.
MAX_BYTES = 64 * 1024
YES, NO, UNKNOWN = "yes", "no", "unknown"
_ANSWERS = {True: YES, False: NO, None: UNKNOWN}


@dataclass(frozen=True)
class Spot:
    """The place of a secret in an artefact."""

    sha256: str
    offset: int
    length: int
    rule: str


@dataclass(frozen=True)
class Checked:
    """A recorded comparison: the answer for each place."""

    at: str
    place: str
    why: str
    answers: tuple[tuple[Spot, str], ...]
    left_out: int


def verdict(answers: Sequence[bool | None], why: str) -> str:
    """Return "yes" if one is in force, "no" if none of those that can be compared is."""
    if True in answers:
        return YES
    told = False in answers and (not why or None not in answers)
    return NO if told else UNKNOWN


def body(
    spots: Sequence[Sequence[Spot]],
    answers: Sequence[bool | None],
    *,
    at: str,
    place: str = "",
    why: str = "",
    left_out: int = 0,
) -> bytes:
    """Return what is recorded, as canonical JSON; `spots` are the places of each candidate."""
    by_artefact: dict[str, list[Json]] = {}
    for places, answer in zip(spots, answers, strict=True):
        for one in places:
            row: list[Json] = [one.offset, one.length, one.rule, _ANSWERS[answer]]
            by_artefact.setdefault(one.sha256, []).append(row)
    return encode(
        {
            "at": at,
            "place": place[:300],
            "why": why[:500],
            "artefacts": {sha256: rows for sha256, rows in by_artefact.items()},
            "left_out": left_out,
        }
    )


def parse(recorded: bytes) -> Checked:
    """Read a recorded comparison. Raises BadInput."""
    source = Fields(
        parse_json(recorded, max_bytes=MAX_BYTES),
        "",
        required=("at", "place", "why", "artefacts", "left_out"),
    )
    answers = [
        _answer(sha256, row)
        for sha256, rows in source.mapping("artefacts").items()
        for row in (rows if isinstance(rows, list) else ())
    ]
    return Checked(
        source.text("at", 40),
        source.text("place", 300),
        source.text("why", 500),
        tuple(answers),
        source.integer("left_out", 0, 2**31),
    )


def _answer(sha256: str, row: Json) -> tuple[Spot, str]:
    match row:
        case [int(offset), int(length), str(rule), "yes" | "no" | "unknown" as answer]:
            return Spot(sha256, offset, length, rule), str(answer)
        case _:
            raise BadValue("not the answer for a secret")
