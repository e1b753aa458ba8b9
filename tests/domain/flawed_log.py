"""Evidence whose log does not prove what people signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from remediation.domain import b64url
from remediation.domain.gate.evidence import (
    Evidence,
)
from remediation.domain.gate.inclusion import LogEvidence
from tests.domain import record
from tests.domain.record import Book
from tests.domain.story import (
    ALICE,
    EVE,
    KEYS,
    Story,
    sign,
)


def _logged(prove: Callable[[Book, list[int]], LogEvidence]) -> Callable[[], Evidence]:
    """A valid story whose log proves something else."""

    def make() -> Evidence:
        given = Story().evidence()
        return replace(given, log=prove(*record.told(given)))

    return make


def _unsigned(book: Book, needed: list[int]) -> LogEvidence:
    return book.prove(needed, note=book.head().text() + "\n— nobody AAAAAAAA\n")


def _altered(book: Book, needed: list[int]) -> LogEvidence:
    given = book.prove(needed)
    first = given.entries[0]
    body = first.body.replace('"slot":"security"', '"slot":"securitz"')
    return replace(given, entries=(replace(first, body=body), *given.entries[1:]))


def _other_place(book: Book, needed: list[int]) -> LogEvidence:
    given = book.prove(needed)
    first, second, *rest = given.entries
    moved = (replace(first, index=second.index), replace(second, index=first.index))
    return replace(given, entries=(*moved, *rest))


def _other_statement() -> Evidence:
    """The log holds what alice signed in another session; the row holds this one."""
    given = Story().evidence()
    other = sign(Story().statement(ALICE, "security", nonce="ab" * 32))
    log = record.proven(replace(given, reviews=(other, *given.reviews[1:])))
    return replace(given, log=log)


def _other_assertion() -> Evidence:
    given = Story().evidence()
    alices = given.reviews[0]
    assertion = replace(alices.assertion, authenticator_data=b"other")
    log = record.proven(
        replace(given, reviews=(replace(alices, assertion=assertion), *given.reviews[1:]))
    )
    return replace(given, log=log)


def _other_key() -> Evidence:
    """The record names a key by which alice's review does not verify."""
    given = Story().evidence()
    book, needed = record.told(given)
    body = book.bodies[needed[0]]
    keys = [b64url.encode(KEYS[person].cose_key).encode() for person in (ALICE, EVE)]
    book.bodies[needed[0]] = body.replace(*keys)
    return replace(given, log=book.prove(needed))


def _approval(**changes: Any) -> Callable[[], Evidence]:
    """The entry of the approval is in the log, and is about something else."""

    def make() -> Evidence:
        given = Story().evidence()
        if "data" in changes:
            usual = {"from": "in_review", "to": "approved", "reason": "", "round": given.round}
            changed = {**changes, "data": {**usual, **changes["data"]}}
        else:
            changed = changes
        book, needed = record.told(given, **changed)
        return replace(given, log=book.prove(needed))

    return make
