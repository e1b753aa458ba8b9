"""Decode a text as programs do: escapes of JSON and URLs, and one level of base64 and UTF-16.

A reading knows the place of each of its characters in the bytes, so that a secret found in it can
be masked there. The running time is linear in the size (docs/attacks.md A63).
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Span = Callable[[int, int], tuple[int, int]]

# Separates pieces; no rule matches across it.
_BETWEEN = "\n\0\n"
# Characters escaped by JSON, also by JSON within JSON, and base64 characters escaped by URLs.
# Quotes and backslashes stay escaped, because they would move the ends of texts.
_ESCAPED = re.compile(
    r"\\{1,3}(?:/|u00(?!22|5[cC])(0[9aAdD]|[2-7][0-9A-Fa-f])|x(?!22|5[cC])([2-7][0-9A-Fa-f]))"
    r"|%(2[BbFf]|3[ADad]|40)"
)
_PRINTED = r"[\t\n\r\x20-\x7e]"
# Little and big endian; twelve characters in a row do not occur by chance.
_WIDE = re.compile(rf"(?:{_PRINTED}\0){{12,}}+|(?:\0{_PRINTED}){{12,}}+")
# Runs of base64 in either alphabet, across line ends, which JSON may have escaped.
_BASE64 = re.compile(
    r"[A-Za-z0-9+/_-]{24,}+(?:(?:(?:\\{1,3}r)?\\{1,3}n|\r?\n)[A-Za-z0-9+/_-]{4,}+)*+={0,2}",
    re.ASCII,
)
_BREAK = re.compile(r"(?:\\{1,3}r)?\\{1,3}n|\r?\n")
_READABLE = re.compile(rf"{_PRINTED}{{12}}|(?:{_PRINTED}\0){{12}}")
_URLS = str.maketrans("-_", "+/")


@dataclass(frozen=True)
class Reading:
    """A decoded text that maps its characters to their places in the bytes."""

    text: str
    span: Span


def as_it_is(text: str) -> Reading:
    return Reading(text, lambda start, end: (start, end))


def readings(text: str) -> Iterator[Reading]:
    """Yield all readings of the text, the text itself first."""
    plain = as_it_is(text)
    for one in (plain, _wide(plain)):
        if one is None:
            continue
        yield one
        escaped = _escaped(one)
        if escaped:
            yield escaped
        decoded = _decoded(escaped or one)
        if decoded:
            yield decoded
            again = _escaped(decoded)
            if again:
                yield again


def _escaped(of: Reading) -> Reading | None:
    """Return the reading with its escapes decoded, or None if it has none."""
    text, pieces, at = of.text, list[str](), 0
    # Pairs of places from which both texts run in parallel.
    read, written = [0], [0]
    for match in _ESCAPED.finditer(text):
        code = match[1] or match[2] or match[3]
        pieces += text[at : match.start()], chr(int(code, 16)) if code else "/"
        at = match.end()
        read.append(read[-1] + len(pieces[-2]) + 1)
        written.append(at)
    if not pieces:
        return None
    pieces.append(text[at:])

    def span(start: int, end: int) -> tuple[int, int]:
        first = bisect_right(read, start) - 1
        last = bisect_right(read, end) - 1
        return of.span(written[first] + start - read[first], written[last] + end - read[last])

    return Reading("".join(pieces), span)


def _wide(of: Reading) -> Reading | None:
    """Return the UTF-16 parts as ASCII."""
    if "\0" not in of.text:
        return None
    found = []
    for match in _WIDE.finditer(of.text):
        big = match[0][0] == "\0"
        found.append((match[0][big::2], _every_second(match.start())))
    return _joined(found, of)


def _every_second(at: int) -> Span:
    return lambda start, end: (at + 2 * start, at + 2 * end)


def _decoded(of: Reading) -> Reading | None:
    """Return the content of base64 where it is text."""
    found = []
    for match in _BASE64.finditer(of.text):
        packed, places = _unbroken(match[0], match.start())
        raw = base64.b64decode(packed.translate(_URLS) + "=" * (-len(packed) % 4))
        text = raw.decode("latin-1")
        if not _READABLE.search(text):
            continue
        wide = _WIDE.search(text)
        step = 1
        if wide and len(wide[0]) * 2 > len(text):
            text, step = text[::2], 2
        found.append((text, _in_base64(places, step)))
    return _joined(found, of)


def _unbroken(run: str, at: int) -> tuple[str, list[tuple[int, int]]]:
    """Return the run without padding and line ends, with pairs of (place in it, in the text)."""
    pieces, places, length, begun = list[str](), [(0, at)], 0, 0
    run = run.rstrip("=")
    for gap in _BREAK.finditer(run):
        pieces.append(run[begun : gap.start()])
        length += gap.start() - begun
        begun = gap.end()
        places.append((length, at + begun))
    packed = "".join((*pieces, run[begun:]))
    # A single character after a multiple of four encodes nothing.
    return packed[: len(packed) - (len(packed) % 4 == 1)], places


def _in_base64(places: list[tuple[int, int]], step: int) -> Span:
    """Map decoded bytes to places: four characters encode three bytes."""
    starts = [place for place, _ in places]

    def written(place: int) -> int:
        known, at = places[bisect_right(starts, place) - 1]
        return at + place - known

    def span(start: int, end: int) -> tuple[int, int]:
        first, last = start * step * 4 // 3, -(-end * step * 4 // 3)
        return written(first), written(last - 1) + 1

    return span


def _joined(found: list[tuple[str, Span]], of: Reading) -> Reading | None:
    """Join the pieces of a text, so that each rule searches once."""
    if not found:
        return None
    starts, at = [], 0
    for text, _ in found:
        starts.append(at)
        at += len(text) + len(_BETWEEN)

    def span(start: int, end: int) -> tuple[int, int]:
        number = bisect_right(starts, start) - 1
        text, inner = found[number]
        begun = starts[number]
        first, last = inner(start - begun, min(end - begun, len(text)))
        return of.span(first, last)

    return Reading(_BETWEEN.join(text for text, _ in found), span)
