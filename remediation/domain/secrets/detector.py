"""Secret values in bytes of evidence: where they stand, by which rule; never the value itself.

The rules stand in `rules`; the bytes are read as they are, with the escapes of JSON and
URLs, and once out of base64 and UTF-16 (`decoding`). What is encoded twice, compressed or
encrypted is not found.
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

# Changes with every rule, so that older findings are told from newer ones.
VERSION = "detect-secrets 1.5.0, hitlportal 3"
# More than this in one artefact: it is a store of secrets, and none of it is shown.
MOST = 100
# So many of its values are looked for in texts.
MOST_VALUES = 2_000
# Findings, also of one secret by several rules, after which the whole is covered unread.
_ENOUGH = 5_000
# Rules that know less about a secret than the others.
_VAGUE = ("assigned_secret", "repeated_secret")
# Shorter values stand in many places by chance.
_REPEATED = 16
# Shorter ones are not looked for in texts at all (`masking`).
_LEAST = 8
_FEW = 50


@dataclass(frozen=True)
class Found:
    """The findings in one artefact; ``whole`` is False when there were too many to list."""

    secrets: tuple[Secret, ...] = ()
    whole: bool = True

    def __bool__(self) -> bool:
        return bool(self.secrets)


@dataclass(frozen=True)
class Looked:
    """An artefact looked through: where its secrets stand, and what they are."""

    found: Found
    values: frozenset[str] = field(repr=False)


@dataclass(frozen=True)
class _Seen:
    """A finding at its place in the bytes, and the value as it was read there."""

    secret: Secret
    value: str


def find(content: bytes, spared: Collection[str] = ()) -> Found:
    """The secrets in the bytes, in their order, none within another. Raises nothing."""
    return look(content, spared).found


def look(content: bytes, spared: Collection[str] = ()) -> Looked:
    """As `find`, with the secrets themselves, as they stand in the bytes and as they are read.

    ``spared`` are names: whoever writes a log can put the name of a target into the field of a
    password, and would cover it wherever else it stands.
    """
    text = _text(content)
    first = list(islice(_seen(text, spared), _ENOUGH))
    merged = _merged(sorted({*(seen.secret for seen in first), *_again(text, first)}))
    whole = len(merged) <= MOST and len(first) < _ENOUGH
    kept: set[str] = set()
    for seen in first[:MOST_VALUES]:
        kept |= {seen.value, text[seen.secret.offset : seen.secret.end]}
    told = frozenset(value.encode("latin-1").decode("utf-8", "replace") for value in kept)
    return Looked(Found(tuple(merged[:MOST]), whole), told)


def with_known(content: bytes, found: Found, known: Collection[str]) -> Found:
    """The findings, and where secrets stand that other artefacts of the incident gave away."""
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
    """Which of the secrets stand in the text. Of many in one walk: an intruder can make tens of
    thousands of them, and an agent a text of megabytes. None is shorter than `_LEAST`."""
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
    # One character for each byte, so that a place in the text is a place in the bytes.
    return content.decode("latin-1")


def _seen(text: str, spared: Collection[str]) -> Iterator[_Seen]:
    for reading in readings(text):
        for one in secret_rules.found(reading.text):
            value = reading.text[one.offset : one.end]
            if value in spared:
                continue
            start, end = reading.span(one.offset, one.end)
            yield _Seen(Secret(start, end - start, one.rule), value)


def _merged(found: Sequence[Secret]) -> list[Secret]:
    """None within another; the name is that of the rule that knows more than a field's name."""
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
    """Further places of what was found where its surroundings gave it away."""
    rules: dict[str, str] = {}
    for one in sorted(seen, key=lambda one: one.secret)[:MOST]:
        if one.secret.rule != "private_key":
            for value in (one.value, text[one.secret.offset : one.secret.end]):
                if len(value) >= _REPEATED:
                    rules.setdefault(value, one.secret.rule)
    for value, rule in rules.items():
        for match in re.finditer(re.escape(value), text):
            yield Secret(match.start(), len(value), rule)
