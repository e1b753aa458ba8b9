"""append(): the only way into the audit log for other apps.

The entry is written in the caller's transaction: when the append fails the business change does
not happen (docs/attacks.md A51), and when the business change rolls back there is no entry.
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
from django.utils.module_loading import import_string

from audit.tlog.canonical import Json, encode
from audit.tlog.errors import NotCanonical

# C2SP tlog-tiles entry bundles carry a uint16 length: an entry has at most 65,535 bytes.
MAX_BODY = 65_535
# What audit.entry takes of lists and objects, so that no reader's stack is too small.
MAX_BRACKETS = 6_000
_NO_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[^\[{"]+')
# As long as the hash: a value that can be guessed cannot be confirmed without its salt.
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

    ``action`` is a word of the closed vocabulary, ``actor`` and ``object`` are opaque references
    such as ``person:<uuid>``. What stands in ``private`` enters the entry only as a commitment,
    ``{"hmac-sha256": hex}``, whose salt and value lie in a table from which they can be erased.

    Raises UnknownWord and :class:`NotCanonical` before any SQL is sent when the word is not known
    or the value has no canonical form or is too long, so the transaction is not poisoned.
    """
    if action not in vocabulary():
        raise UnknownWord(f"{action!r} is not in the vocabulary of the log")
    opened = {key: _commit(key, value) for key, value in (private or {}).items()}
    body = encode(
        {
            "v": 1,
            # isoformat() without timespec drops the fraction when it is 0.
            "at": datetime.now(UTC).isoformat(timespec="microseconds"),
            "action": str(action),
            "actor": actor,
            "object": object,
            "data": {**data, **{key: {COMMITTED: c.hex()} for key, (c, _, _) in opened.items()}},
        }
    )
    if len(body) > MAX_BODY:
        raise NotCanonical(f"an audit entry has at most {MAX_BODY} bytes, this one {len(body)}")
    if len(body) > MAX_BRACKETS and len(_NO_BRACKETS.sub(b"", body)) > MAX_BRACKETS:
        raise NotCanonical(f"an audit entry has at most {MAX_BRACKETS} lists and objects")
    with connections[using].cursor() as cursor:
        cursor.execute("INSERT INTO audit.entry (body) VALUES (%s) RETURNING id", [body])
        (entry_id,) = cursor.fetchone()
        for secret in opened.values():
            cursor.execute(
                "INSERT INTO audit.secret (commitment, salt, value) VALUES (%s, %s, %s)", secret
            )
    return Appended(entry_id, body)


@cache
def vocabulary() -> frozenset[str]:
    """The words that may be said: members of the enumeration that the settings name."""
    return frozenset(str(word) for word in import_string(settings.AUDIT_VOCABULARY))


@cache
def _severities() -> Mapping[str, int]:
    words = import_string(settings.AUDIT_VOCABULARY)
    return {str(word): int(getattr(word, "severity", INFORMATIONAL)) for word in words}


def severity(action: str) -> int:
    """How grave an entry is, by OCSF's numbers, as the vocabulary's word says; of a word that it
    does not know (any more), informational."""
    return _severities().get(action, INFORMATIONAL)


def commitment(salt: bytes, value: str) -> bytes:
    """HMAC-SHA256 of the value under its salt."""
    return hmac.digest(salt, value.encode(), "sha256")


def _commit(key: str, value: str) -> tuple[bytes, bytes, str]:
    # The value goes into a column of text: what has no form there has none here either.
    encode({key: value})
    salt = secrets.token_bytes(SALT_SIZE)
    return commitment(salt, value), salt, value
