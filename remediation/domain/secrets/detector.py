"""Find secrets in bytes of evidence; a finding has place and rule, never the value.

`rules` has the rules. They search the bytes as they are, with JSON and URL escapes decoded, and
with one level of base64 and UTF-16 decoded (`decoding`). Values that are encoded twice, compressed
or encrypted are not found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from remediation.domain.secrets import rules as secret_rules
from remediation.domain.secrets.decoding import readings
from remediation.domain.secrets.rules import TITLES, Secret
from remediation.domain.secrets.several import REPEATED, Known, Several, TooMany

__all__ = [
    "MOST",
    "TITLES",
    "VERSION",
    "Found",
    "Looked",
    "Secret",
    "find",
    "look",
    "with_known",
]

# Change it with every rule, to distinguish older findings from newer ones.
VERSION = "detect-secrets 1.5.0, hitlportal 3"
# An artefact with more secrets counts as a store of secrets, and none of it is shown.
MOST = 100
# How many of an artefact's values are searched in texts.
MOST_VALUES = 2_000
# After this many findings (several rules may find one secret) the whole artefact is masked.
_ENOUGH = 5_000
# Rules that know less about a secret than the others.
_VAGUE = ("assigned_secret", "repeated_secret")


@dataclass(frozen=True)
class Found:
    """The findings in one artefact; ``whole`` is False if there are too many to list."""

    secrets: tuple[Secret, ...] = ()
    whole: bool = True

    def __bool__(self) -> bool:
        return bool(self.secrets)


@dataclass(frozen=True)
class Looked:
    """The findings in a searched artefact, with the secret values."""

    found: Found
    values: frozenset[str] = field(repr=False)


@dataclass(frozen=True)
class _Seen:
    """A finding at its place in the bytes, and its decoded value."""

    secret: Secret
    value: str


def find(content: bytes, exempt: Collection[str] = ()) -> Found:
    """Return the secrets in the bytes in order, without overlaps. Raises nothing."""
    return look(content, exempt).found


def look(content: bytes, exempt: Collection[str] = ()) -> Looked:
    """Return the findings as `find` does, with the secret values, both raw and decoded.

    ``exempt`` are exempt names: otherwise an intruder could get a target's name masked everywhere
    by writing it into a password field.
    """
    text = _text(content)
    first = list(islice(_seen(text, exempt), _ENOUGH))
    places, whole = {seen.secret for seen in first}, len(first) < _ENOUGH
    try:
        places.update(_again(text, first))
    except TooMany:
        whole = False
    merged = _merged(sorted(places))
    whole = whole and len(merged) <= MOST
    kept: set[str] = set()
    for seen in first[:MOST_VALUES]:
        kept |= {seen.value, text[seen.secret.offset : seen.secret.end]}
    told = frozenset(value.encode("latin-1").decode("utf-8", "replace") for value in kept)
    return Looked(Found(tuple(merged[:MOST]), whole), told)


def with_known(content: bytes, found: Found, known: Collection[str] | Known) -> Found:
    """Add the places of ``known`` secrets from other artefacts of the incident to the findings.

    Too many of them for one search make the whole artefact count as a secret.
    """
    if not found.whole:
        return found
    try:
        spans = Known.of(known).in_bytes.spans(_text(content))
    except TooMany:
        return Found(found.secrets, whole=False)
    more = (Secret(start, end - start, "repeated_secret") for start, end in spans)
    merged = _merged(sorted({*found.secrets, *more}))
    return Found(tuple(merged[:MOST]), whole=len(merged) <= MOST)


def _text(content: bytes) -> str:
    # One character per byte, so that places in the text are places in the bytes.
    return content.decode("latin-1")


def _seen(text: str, exempt: Collection[str]) -> Iterator[_Seen]:
    for reading in readings(text):
        for one in secret_rules.found(reading.text):
            value = reading.text[one.offset : one.end]
            if value in exempt:
                continue
            start, end = reading.span(one.offset, one.end)
            yield _Seen(Secret(start, end - start, one.rule), value)


def _merged(found: Sequence[Secret]) -> list[Secret]:
    """Merge overlapping findings, and keep the more specific rule."""
    merged: list[Secret] = []
    for one in found:
        if merged and one.offset < merged[-1].end:
            last = merged[-1]
            rule = one.rule if last.rule in _VAGUE else last.rule
            merged[-1] = Secret(last.offset, max(last.end, one.end) - last.offset, rule)
        else:
            merged.append(one)
    return merged


def _again(text: str, seen: Collection[_Seen]) -> Iterator[Secret]:
    """Yield further places of found values, also where no rule matches. Raises TooMany."""
    rules: dict[str, str] = {}
    for one in sorted(seen, key=lambda one: one.secret)[:MOST]:
        if one.secret.rule != "private_key":
            for value in (one.value, text[one.secret.offset : one.secret.end]):
                if len(value) >= REPEATED:
                    rules.setdefault(value, one.secret.rule)
    for start, end in Several(rules).matches(text):
        # A block of a long value has no rule of its own.
        yield Secret(start, end - start, rules.get(text[start:end], "repeated_secret"))
