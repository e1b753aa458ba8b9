"""append(): the only way into the audit log for other apps.

The entry is written in the caller's transaction: when the append fails the business change does
not happen (attacks.md A51), and when the business change rolls back there is no entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connections

from audit.tlog.canonical import Json, encode
from audit.tlog.errors import NotCanonical

# C2SP tlog-tiles entry bundles carry a uint16 length: an entry has at most 65,535 bytes.
MAX_BODY = 65_535


@dataclass(frozen=True)
class Appended:
    """The new entry: its id and the exact bytes that were stored."""

    id: int
    body: bytes


def append(
    *, action: str, actor: str, object: str, data: Mapping[str, Json], using: str = "default"
) -> Appended:
    """Store one fact as canonical JSON ``{v, at, action, actor, object, data}``.

    ``action`` is a word of the caller's closed vocabulary, ``actor`` and ``object`` are opaque
    references such as ``person:<uuid>``. Raises :class:`NotCanonical` before any SQL is sent when
    the value has no canonical form or is too long, so the transaction is not poisoned.
    """
    body = encode(
        {
            "v": 1,
            # isoformat() without timespec drops the fraction when it is 0.
            "at": datetime.now(UTC).isoformat(timespec="microseconds"),
            "action": action,
            "actor": actor,
            "object": object,
            "data": dict(data),
        }
    )
    if len(body) > MAX_BODY:
        raise NotCanonical(f"an audit entry has at most {MAX_BODY} bytes, this one {len(body)}")
    with connections[using].cursor() as cursor:
        cursor.execute("INSERT INTO audit.entry (body) VALUES (%s) RETURNING id", [body])
        (entry_id,) = cursor.fetchone()
    return Appended(entry_id, body)
