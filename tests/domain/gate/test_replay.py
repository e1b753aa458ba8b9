"""Replaying a recorded review: any value at any place is a problem by name, never an exception."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit.tlog.incident import Entry
from remediation.domain.gate.approvers import Approvers
from remediation.management.signed_record import Signed, Trust, signed_review
from tests.domain import record
from tests.domain.story import ORIGIN, RP_ID
from tests.every import every

VECTORS = Path(__file__).parents[2] / "vectors"
TRUST = Trust(
    Approvers.parse((VECTORS / "approvers.json").read_bytes()), record.POLICY, RP_ID, ORIGIN
)
HOSTILE: tuple[Any, ...] = (
    None, True, 0, -1, 2**60, 1.5, "", "x", "é\x1b", [], {}, [[]], {"a": 1}, "A" * 5_000, "2026",
    "2026-11-22", "2026-11-22T10:06:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
)  # fmt: skip


def said(at: str = "2026-11-22T10:06:00.000000+00:00") -> dict[str, Any]:
    """Return the entry of a valid review from the vectors."""
    given = json.loads((VECTORS / "evidence_ok.json").read_bytes())["reviews"][0]
    statement = json.loads(given["statement"])
    return {
        "action": "person:review:signed",
        "actor": f"person:{statement['person']}",
        "object": f"proposal:{statement['proposal']}",
        "at": at,
        "data": {"statement": statement, "assertion": given["assertion"]},
    }


def judge(entry: dict[str, Any], trust: Trust = TRUST) -> Signed:
    return signed_review(Entry(1, b"", entry), trust)


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    inner = value.items() if isinstance(value, dict) else ()
    for key, one in inner:
        yield from paths(one, (*at, key))


def test_a_valid_review_holds() -> None:
    found = judge(said())
    assert (found.problem, found.decision) == ("", "approve")


@every("path", [p for p in paths(said()) if p != ("action",)], ids=str)
def test_any_other_value_is_a_problem_with_a_name(path: tuple[Any, ...]) -> None:
    for new in HOSTILE:
        entry = said()
        at: Any = entry
        for key in path[:-1]:
            at = at[key]
        old = at[path[-1]]
        same = (type(old), old) == (type(new), new)  # an approval's reason is empty
        at[path[-1]] = new
        assert bool(judge(entry).problem) is not same
        del at[path[-1]]
        assert judge(entry).problem


def test_a_review_counts_only_while_its_entry_is_valid() -> None:
    assert judge(said("2019-01-01T00:00:00+00:00")).problem.endswith("could be signed")
    assert "had expired" in judge(said("2027-01-01T00:00:00+00:00")).problem


def test_a46_relying_party_origin_and_keys_are_the_callers() -> None:
    for trust in (
        Trust(TRUST.approvers, TRUST.policy, "evil.example", ORIGIN),
        Trust(TRUST.approvers, TRUST.policy, RP_ID, "https://evil.example"),
        Trust(Approvers(()), TRUST.policy, RP_ID, ORIGIN),
    ):
        assert judge(said(), trust).problem
