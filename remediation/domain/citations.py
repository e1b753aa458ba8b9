"""Compare cited values with the artefacts, which are foreign JSON and parsed leniently."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection

from audit.tlog.canonical import Json
from remediation.domain.report import Citation
from remediation.domain.secrets.masking import mask_text
from remediation.domain.secrets.several import Known


class Unreadable(str):
    """Why an artefact cannot be read as JSON."""


def read_artefact(content: bytes | None) -> Json | Unreadable:
    """Parse an artefact as JSON, or return why not. Allows floats; refuses repeated keys."""
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
    """An object has a key twice, so a pointer to it has two values."""


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RepeatedKey
    return found


def problem_of(document: Json | Unreadable, citation: Citation) -> str:
    """Return why the citation does not hold; "" when the pointer leads to the cited value."""
    if isinstance(document, Unreadable):
        return str(document)
    try:
        value = resolve(document, citation.pointer)
    except LookupError:
        return "there is nothing"
    # In JSON, true is not 1; Python's == treats them as equal.
    if type(value) is not type(citation.value) or value != citation.value:
        return "another value stands there"
    return ""


class Stored:
    """Look for a cited value in the stored artefacts, as it is or with known secrets masked.

    Used after `problem_of` found another value. An intruder can write a name into a password field,
    so that it counts as a secret there and stays unmasked elsewhere (A60).
    Each lookup takes time, so after `MOST` lookups no further citation holds (A63).
    """

    MOST = 100
    LONGEST = 16_384

    def __init__(
        self,
        read: Callable[[str], bytes | None],
        known: Callable[[], Collection[str] | Known],
    ) -> None:
        self._read, self._known, self._looks = read, known, 0
        self._secrets: Known | None = None
        self._documents: dict[str, Json | Unreadable] = {}

    def holds(self, citation: Citation) -> bool:
        self._looks += 1
        if self._looks > self.MOST:
            return False
        if citation.evidence not in self._documents:
            self._documents[citation.evidence] = read_artefact(self._read(citation.evidence))
        document = self._documents[citation.evidence]
        if isinstance(document, Unreadable) or not problem_of(document, citation):
            return not isinstance(document, Unreadable)
        try:
            value = resolve(document, citation.pointer)
        except LookupError:
            return False
        if not isinstance(value, str) or len(value) > self.LONGEST:
            return False
        if self._secrets is None:
            self._secrets = Known.of(self._known())
        return mask_text(value, self._secrets) == citation.value


_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


def resolve(document: Json, pointer: str) -> Json:
    """Follow a JSON pointer (RFC 6901 section 4). Raises LookupError when it leads to nothing."""
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
