"""Entries for people: by what they are about, out of the list that the sequencer keeps."""

from __future__ import annotations

from collections.abc import Sequence

from audit import tree


def about(objects: Sequence[str], using: str = "default") -> list[int]:
    """The ids of listed entries about any of these references, in the order of the log."""
    query = tree.query_of(using)
    rows = query(
        "SELECT s.entry_id FROM audit.search s WHERE s.object = ANY (%s) ORDER BY s.idx",
        (list(objects),),
    )
    return [int(row[0]) for row in rows]


def secrets(commitments: Sequence[str], using: str = "default") -> list[tuple[str, str, str]]:
    """What opens these commitments (hex), as (commitment, salt, value); erased ones are absent."""
    query = tree.query_of(using)
    rows = query(
        "SELECT encode(commitment, 'hex'), encode(salt, 'hex'), value FROM audit.secret"
        " WHERE commitment = ANY (%s) ORDER BY 1",
        ([bytes.fromhex(one) for one in commitments],),
    )
    return [(str(a), str(b), str(c)) for a, b, c in rows]
