"""append(): the only way for other apps to write to the audit log.

The entry is written in the caller's transaction: if the append fails, the business change fails,
too (docs/attacks.md A51); if the business change rolls back, there is no entry.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from django.conf import settings
from django.db import connections
from django.db.backends.utils import CursorWrapper
from django.utils.module_loading import import_string

from audit.tlog.canonical import Json, encode
from audit.tlog.errors import NotCanonical

# C2SP tlog-tiles entry bundles carry a uint16 length: an entry has at most 65,535 bytes.
MAX_BODY = 65_535
# Room for what the database adds, `,"writer":"<login>"`: a login has at most 63 bytes.
_STAMP = 75
# The limit of audit.entry for lists and objects, so that no reader's stack overflows.
MAX_BRACKETS = 6_000
_NO_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[^\[{"]+')
# As long as the hash, so that a guessed value cannot be confirmed without its salt.
SALT_SIZE = 32
COMMITTED = "hmac-sha256"
INFORMATIONAL = 1


class UnknownWord(ValueError):
    """The action is not in the closed vocabulary of the log (settings.AUDIT_VOCABULARY)."""


@dataclass(frozen=True)
class Appended:
    """The new entry: its id and the exact bytes that were stored."""

    id: int
    body: bytes


def append(
    *,
    action: str,
    actor: str,
    object: str,
    data: Mapping[str, Json],
    private: Mapping[str, str] | None = None,
    using: str = "default",
) -> Appended:
    """Store one fact as canonical JSON ``{v, at, action, actor, object, data}``.

    The database adds ``writer``, the login, and refuses an actor that this login may not write for
    (``audit/sql/writer.sql``).

    ``action`` is a word of the closed vocabulary, ``actor`` and ``object`` are opaque references
    such as ``person:<uuid>``. Values in ``private`` enter the entry only as commitments,
    ``{"hmac-sha256": hex}``; their salt and value are stored in a table and can be erased there.

    Raises UnknownWord for an unknown action and :class:`NotCanonical` for a value without canonical
    form or too long, before any SQL is sent, so the transaction stays usable.
    """
    if action not in vocabulary():
        raise UnknownWord(f"{action!r} is not in the vocabulary of the log")
    opened = {key: _commit(key, value) for key, value in (private or {}).items()}
    body = encode(
        {
            "v": 1,
            # isoformat() without timespec omits the fraction when it is 0.
            "at": datetime.now(UTC).isoformat(timespec="microseconds"),
            "action": str(action),
            "actor": actor,
            "object": object,
            "data": {**data, **{key: {COMMITTED: c.hex()} for key, (c, _, _) in opened.items()}},
        }
    )
    if len(body) + _STAMP > MAX_BODY:
        raise NotCanonical(
            f"an audit entry has at most {MAX_BODY} bytes, this one {len(body)} and {_STAMP} more"
            " for its writer"
        )
    if len(body) > MAX_BRACKETS and len(_NO_BRACKETS.sub(b"", body)) > MAX_BRACKETS:
        raise NotCanonical(f"an audit entry has at most {MAX_BRACKETS} lists and objects")
    with connections[using].cursor() as cursor:
        entry_id, writer = store(cursor, body)
        for secret in opened.values():
            cursor.execute(
                "INSERT INTO audit.secret (commitment, salt, value) VALUES (%s, %s, %s)", secret
            )
    return Appended(entry_id, stamped(body, writer))


def store(cursor: CursorWrapper, body: bytes) -> tuple[int, str]:
    """Insert one entry; return its id and the login that wrote it. Only `append` calls this."""
    # The stamped bytes cannot be returned: the web login may not read entries.
    cursor.execute(
        "INSERT INTO audit.entry (body) VALUES (%s) RETURNING id, current_user::text", [body]
    )
    entry_id, writer = cursor.fetchone()
    return entry_id, writer


def stamped(body: bytes, writer: str) -> bytes:
    """Return the bytes that the database stores: with the writer as the last member."""
    return body[:-1] + b',"writer":' + encode(writer) + b"}"


@cache
def vocabulary() -> frozenset[str]:
    """Return the allowed actions: the members of the enumeration that the settings name."""
    return frozenset(str(word) for word in import_string(settings.AUDIT_VOCABULARY))


@cache
def _severities() -> Mapping[str, int]:
    words = import_string(settings.AUDIT_VOCABULARY)
    return {str(word): int(getattr(word, "severity", INFORMATIONAL)) for word in words}


def severity(action: str) -> int:
    """Return OCSF's severity of an action; informational if the vocabulary does not have it."""
    return _severities().get(action, INFORMATIONAL)


def commitment(salt: bytes, value: str) -> bytes:
    """Return the HMAC-SHA256 of the value under its salt."""
    return hmac.digest(salt, value.encode(), "sha256")


def _commit(key: str, value: str) -> tuple[bytes, bytes, str]:
    # The value is stored in a text column, so it must be valid there, too.
    encode({key: value})
    salt = secrets.token_bytes(SALT_SIZE)
    return commitment(salt, value), salt, value
