"""Find text that addresses its reader, a person or a model (prompt injection, A60)."""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterator
from urllib.parse import unquote

from remediation.domain.checks.budget import FIND, SLOW
from remediation.domain.checks.finding import Result, quoted, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.checks.phrases import AGENT, ANYWHERE, HINTS, MARKERS, WORDED
from remediation.domain.checks.skeleton import latin, readable
from remediation.domain.checks.texts import agent_texts
from remediation.domain.citations import Unreadable
from remediation.domain.formats.body import strings_in

_CODED = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{40,}={0,2}")
_JOINTS = re.compile(r"[^\w]+|_+")
_OTHERS = re.compile(r"[^\w-]+")
# Texts are searched in overlapping pieces, which bounds the input of each pattern.
_PIECE, _OVERLAP = 4_000, 300
# The limit for texts that contain one of the words; searching them takes some seconds at most.
MOST_CHARACTERS = 4 * 1024 * 1024


def addresses_the_reader(given: CheckInput) -> Result:
    """Check that neither the agent's texts nor the evidence address the reader.

    In evidence such words come from an intruder and may have misled the agent. In the agent's
    texts they ask for a decision that the agent may not make.
    """
    looking = _Looking(given)
    given.look()
    evidence = [found for sha256 in given.evidence for found in looking.at(given, sha256)]
    quotes = {phrase for _, phrase in evidence}
    found = [
        f"possible prompt injection in {where}: {quoted(phrase)}" for where, phrase in evidence
    ]
    found += [
        f"{where} of the agent speaks to the reviewer: {quoted(phrase)}"
        for where, text in dict.fromkeys(agent_texts(given))
        if (phrase := _spoken_by(given, text)) and phrase not in quotes
    ]
    passed = "Neither the agent nor the evidence speaks to the reader."
    return verdict(found, passed, warned=looking.left_out())


class _Looking:
    """Search each text of the evidence once, up to `MOST_CHARACTERS` in total."""

    def __init__(self, given: CheckInput) -> None:
        self._budget = given.budget
        self._seen: set[str] = set()
        self._left = MOST_CHARACTERS
        self._skipped = 0

    def at(self, given: CheckInput, sha256: str) -> Iterator[tuple[str, str]]:
        """Yield the places in an artefact that address the reader, with the words."""
        mark = ", attacker-writable" if sha256 in given.attacker_writable else ""
        document = given.documents[sha256]
        whole = isinstance(document, Unreadable)
        texts = [("", given.texts[sha256])] if whole else _all_texts(document)
        for pointer, text in texts:
            if phrase := self._phrase(text):
                yield f"evidence {sha256[:12]}… {pointer or 'as a whole'}{mark}", phrase

    def _phrase(self, text: str) -> str:
        if text in self._seen:
            return ""
        self._seen.add(text)
        self._budget.spend(len(text) // FIND + 1)
        if not _may_speak(text):
            return ""
        if len(text) > self._left:
            self._skipped += len(text)
            return ""
        self._left -= len(text)
        self._budget.spend(len(text) // SLOW)
        return _phrase(text, ANYWHERE)

    def left_out(self) -> list[str]:
        if not self._skipped:
            return []
        return [f"{self._skipped:,} characters of the evidence were too many to look through"]


def _spoken_by(given: CheckInput, text: str) -> str:
    """Return the agent's words that address the reader, or ""."""
    given.budget.spend(len(text) // SLOW + 1)
    return _phrase(text, (*ANYWHERE, *AGENT))


def _all_texts(document: object) -> Iterator[tuple[str, str]]:
    """Yield all values and long keys: callers choose keys, too."""
    yield from strings_in(document)  # type: ignore[arg-type]
    rest = [document]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            yield from (("as a key", key) for key in item if len(key) > 20)
            rest += item.values()
        elif isinstance(item, list):
            rest += item


def _phrase(text: str, patterns: tuple[re.Pattern[str], ...]) -> str:
    """Return the words that address the reader, or ""."""
    for piece in _pieces(text):
        for reading in _readings(piece):
            if found := _spoken(reading, patterns):
                return found
    return ""


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, max(1, len(text)), _PIECE):
        yield text[max(0, start - _OVERLAP) : start + _PIECE]


def _readings(text: str) -> Iterator[str]:
    """Yield the text as a person reads it, and as a model would decode it."""
    seen = readable(text)
    yield seen
    if not seen.isascii():
        yield latin(seen)
    if "%" in text or "&" in text:
        yield readable(html.unescape(unquote(text)))
    for match in _CODED.finditer(text):
        if decoded := _decoded(match[0]):
            yield readable(decoded)


def _decoded(coded: str) -> str:
    """Return the content of base64 if it is text, else ""."""
    plain = coded.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        said = base64.b64decode(plain + "=" * (-len(plain) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""
    return said if said.isprintable() or "\n" in said else ""


def _may_speak(text: str) -> bool:
    """Return whether the text needs the slow search; most texts contain none of the words."""
    if not text.isascii() or _CODED.search(text) or "%" in text or "&" in text:
        return True
    lowered = text.casefold()
    return any(hint in lowered for hint in HINTS)


def _spoken(text: str, patterns: tuple[re.Pattern[str], ...]) -> str:
    if not any(hint in text for hint in HINTS):
        return ""
    for marker in MARKERS:
        if match := marker.search(text):
            return match[0]
    # Names contain no spaces, so the surest phrases are searched across dashes and dots, too.
    apart, together = _JOINTS.sub(" ", text), _OTHERS.sub(" ", text)
    for pattern in WORDED:
        if match := pattern.search(apart):
            return match[0]
    for pattern in patterns:
        if match := pattern.search(together):
            return match[0]
    return ""
