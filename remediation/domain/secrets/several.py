"""Search many values in one pass, with an automaton (Aho-Corasick) that is built once.

An intruder can create thousands of secrets, of any length and each part of another, and an agent
texts of megabytes. So the time must not grow with their number or lengths times the text
(docs/attacks.md A83).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property

import ahocorasick  # built for Unicode: it searches texts, also with lone surrogates

# Characters of all values together: about 45 MB and half a second while the automaton lives.
MOST_CHARS = 1024 * 1024
# For each character of a text, the automaton follows at most so many shorter values. A longer value
# is searched in blocks of this length, so a part of it that has a whole block is covered too.
BLOCK = 128
# Matches in a text: so many, and so many for each of its characters. Only a text that repeats
# itself, with values that repeat themselves in many lengths, has more.
_MATCHES, _PER_CHAR = 10_000, 4
# Values that repeat in other artefacts are searched from this length on: shorter ones occur in
# many places by chance.
REPEATED = 16

Span = tuple[int, int]


class TooMany(Exception):
    """The values or their matches are too many, so the whole text has to be covered."""


class Several:
    """An automaton of many values. Empty values are left out."""

    def __init__(self, values: Collection[str]) -> None:
        self.words = frozenset(word for value in values for word in _words(value))
        # With too many values nothing is built, and every search raises TooMany.
        self.whole = sum(map(len, self.words)) <= MOST_CHARS
        self._automaton = ahocorasick.Automaton(ahocorasick.STORE_LENGTH)
        for word in self.words if self.whole else ():
            self._automaton.add_word(word)
        self._automaton.make_automaton()

    def matches(self, text: str) -> Iterator[Span]:
        """Yield, for each place where a value ends, the longest one there. Raises TooMany."""
        if not self.words or not text:
            return
        if not self.whole:
            raise TooMany
        left = _MATCHES + _PER_CHAR * len(text)
        ended = -1
        for last, length in self._automaton.iter(text):
            left -= 1
            if left < 0:
                raise TooMany
            # At one place the longest comes first, and it covers the others.
            if last != ended:
                ended = last
                yield last + 1 - length, last + 1

    def spans(self, text: str) -> list[Span]:
        """Return the parts of the text that the values cover, in order. Raises TooMany.

        Values that overlap are one part, so nothing of any of them is left over; values that only
        touch are two.
        """
        parts: list[Span] = []
        for start, end in self.matches(text):
            while parts and start < parts[-1][1]:
                start = min(start, parts.pop()[0])
            parts.append((start, end))
        return parts


class Known:
    """The known secrets of an incident, for texts and for bytes; each automaton is built once."""

    def __init__(self, values: Collection[str]) -> None:
        self._values = frozenset(values)

    @classmethod
    def of(cls, values: Collection[str] | Known) -> Known:
        """Return the values as known secrets; those that are already so stay the same object."""
        return values if isinstance(values, Known) else cls(values)

    def __bool__(self) -> bool:
        return bool(self._values)

    @cached_property
    def in_texts(self) -> Several:
        """Return the automaton for texts."""
        return Several(self._values)

    @cached_property
    def in_bytes(self) -> Several:
        """Return the automaton for bytes that are read as latin-1, without short values."""
        long = (value for value in self._values if len(value) >= REPEATED)
        return Several({one.encode("utf-8", "surrogatepass").decode("latin-1") for one in long})


def _words(value: str) -> Iterator[str]:
    """Yield what is searched for a value: itself, or its blocks if it is long.

    Each block has the last character of the one before, so that together they are one part.
    """
    if 0 < len(value) <= BLOCK:
        yield value
    elif value:
        last = len(value) - BLOCK
        for start in range(0, last, BLOCK - 1):
            yield value[start : start + BLOCK]
        yield value[last:]
