"""Does a cited value stand where the claim says? Artefacts are foreign JSON, read leniently."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from audit.tlog.canonical import Json
from remediation.domain.masking import covered
from remediation.domain.report import Citation


class Unreadable(str):
    """Why an artefact cannot be read as JSON."""


def read_artefact(content: bytes | None) -> Json | Unreadable:
    """Parse an artefact. It is a foreign document, so floats are fine; repeated keys are not."""
    if content is None:
        return Unreadable("the artefact is not part of this incident")
    try:
        value: Json = json.loads(content, object_pairs_hook=_unique)
    except _RepeatedKey:
        return Unreadable("the artefact repeats a key in one object")
    except (ValueError, RecursionError):
        return Unreadable("the artefact is not JSON")
    return value


class _RepeatedKey(Exception):
    """One object has a key twice, so "the value at the pointer" has two answers."""


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RepeatedKey
    return found


def problem_of(document: Json | Unreadable, citation: Citation) -> str:
    """Say why the citation does not hold; empty when the value stands at its pointer."""
    if isinstance(document, Unreadable):
        return str(document)
    try:
        value = resolve(document, citation.pointer)
    except LookupError:
        return "there is nothing"
    # As JSON, true is not 1: Python's == alone would say it is.
    if type(value) is not type(citation.value) or value != citation.value:
        return "another value stands there"
    return ""


def stands_in_stored(content: bytes, citation: Citation, known: Collection[str]) -> bool:
    """Whether the cited value stands in the artefact as it is stored, as it is or with the secrets
    covered that the incident's evidence holds.

    Asked where `problem_of` found another value: what is a secret in one place, because an intruder
    put it into the field of a password there, may stand uncovered in the other (attacks.md A60).
    """
    try:
        value = resolve(read_artefact(content), citation.pointer)
    except LookupError:
        return False
    if type(value) is not type(citation.value):
        return False
    return value == citation.value or (
        isinstance(value, str) and covered(value, known) == citation.value
    )


_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


def resolve(document: Json, pointer: str) -> Json:
    """Follow a JSON pointer (RFC 6901 section 4). Raises LookupError when nothing is there."""
    value = document
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value[key]
        elif isinstance(value, list) and _INDEX.fullmatch(key):
            value = value[int(key)]
        else:
            raise LookupError(key)
    return value
