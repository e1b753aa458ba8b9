"""Find secrets in bytes of evidence; a finding has place and rule, never the value.

`rules` has the rules. They search the bytes as they are, with JSON and URL escapes decoded, and
with one level of base64 and UTF-16 decoded (`decoding`). Values that are encoded twice, compressed
or encrypted are not found.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from remediation.domain.secrets import rules as secret_rules
from remediation.domain.secrets.decoding import readings
from remediation.domain.secrets.rules import TITLES, Secret

__all__ = [
    "MOST",
    "TITLES",
    "VERSION",
    "Found",
    "Looked",
    "Secret",
    "find",
    "look",
    "standing_in",
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
# Shorter values occur in many places by chance.
_REPEATED = 16
# Shorter values are not searched in texts at all (`masking`).
_LEAST = 8
_FEW = 50


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
    merged = _merged(sorted({*(seen.secret for seen in first), *_again(text, first)}))
    whole = len(merged) <= MOST and len(first) < _ENOUGH
    kept: set[str] = set()
    for seen in first[:MOST_VALUES]:
        kept |= {seen.value, text[seen.secret.offset : seen.secret.end]}
    told = frozenset(value.encode("latin-1").decode("utf-8", "replace") for value in kept)
    return Looked(Found(tuple(merged[:MOST]), whole), told)


def with_known(content: bytes, found: Found, known: Collection[str]) -> Found:
    """Add the places of ``known`` secrets from other artefacts of the incident to the findings."""
    if not found.whole:
        return found
    text = _text(content)
    long = {value.encode().decode("latin-1") for value in known if len(value) >= _REPEATED}
    more = [
        Secret(match.start(), len(value), "repeated_secret")
        for value in standing_in(text, long)
        for match in re.finditer(re.escape(value), text)
    ]
    merged = _merged(sorted({*found.secrets, *more}))
    return Found(tuple(merged[:MOST]), whole=len(merged) <= MOST)


def standing_in(text: str, known: Collection[str]) -> frozenset[str]:
    """Return those of the secrets that occur in the text.

    Searches many secrets in one pass, because an intruder can create tens of thousands of them and
    an agent a text of megabytes. No secret is shorter than `_LEAST`.
    """
    if len(known) <= _FEW:
        return frozenset(value for value in known if value in text)
    heads: dict[str, dict[int, set[str]]] = {}
    for value in known:
        heads.setdefault(value[:_LEAST], {}).setdefault(len(value), set()).add(value)
    return frozenset(
        text[at : at + length]
        for at in range(len(text) - _LEAST + 1)
        for length, group in heads.get(text[at : at + _LEAST], {}).items()
        if text[at : at + length] in group
    )


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
    """Yield further places of found values, also where no rule matches."""
    rules: dict[str, str] = {}
    for one in sorted(seen, key=lambda one: one.secret)[:MOST]:
        if one.secret.rule != "private_key":
            for value in (one.value, text[one.secret.offset : one.secret.end]):
                if len(value) >= _REPEATED:
                    rules.setdefault(value, one.secret.rule)
    for value, rule in rules.items():
        for match in re.finditer(re.escape(value), text):
            yield Secret(match.start(), len(value), rule)
