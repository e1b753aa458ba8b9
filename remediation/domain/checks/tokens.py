"""Find everything that claims name in the texts of evidence, each text read once.

Claims may name thousands of things and evidence have megabytes, so none of them is searched on its
own (docs/attacks.md A83).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Network, ip_address, ip_network

from remediation.domain.checks.budget import FIND, HIT, SPLIT, Budget
from remediation.domain.formats.times import Told, times_in

IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?(?!\.?\d)")
# A text is runs of these characters, and single other ones between them.
_PIECE = re.compile(r"[\w$-]+|[^\w$-]")
_IN_RUN = re.compile(r"[\w$-]")
_LETTERS = re.compile(r"[A-Za-z0-9]+")
_WORD = re.compile(r"[A-Z][a-z0-9]*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Token:
    """Something that a claim names and that evidence can confirm."""

    kind: str
    text: str
    time: Told | None = None


@dataclass
class _Node:
    """The tokens that go on with a piece, and those that end with it."""

    next: dict[str, _Node] = field(default_factory=dict)
    ends: dict[str, list[Token]] = field(default_factory=dict)
    longest: int = 0

    def add(self, pieces: list[str], token: Token) -> None:
        node = self
        for piece in pieces[:-1]:
            node = node.next.setdefault(piece, _Node())
        node.ends.setdefault(pieces[-1], []).append(token)
        node.longest = max(node.longest, len(pieces[-1]))


class Wanted:
    """Tokens to find: whole words, names of events, addresses of networks, and times."""

    def __init__(self, tokens: Iterable[Token], budget: Budget) -> None:
        self._budget = budget
        self._words, self._events = _Node(), _Node()
        self._networks: dict[int, dict[int, list[Token]]] = {}
        self._plain: list[Token] = []
        self._seconds: dict[int, list[Token]] = {}
        self._minutes: dict[int, list[Token]] = {}
        for token in dict.fromkeys(tokens):
            budget.spend(len(token.text))
            self._add(token)

    def _add(self, token: Token) -> None:
        if token.time is not None:
            seconds = _seconds(token.time)
            if token.time.by_the_second:
                self._seconds.setdefault(seconds, []).append(token)
            else:
                self._minutes.setdefault(seconds // 60, []).append(token)
        elif token.kind == "event":
            self._events.add(_WORD.findall(token.text), token)
        elif "/" in token.text and token.kind == "address":
            self._add_network(token)
        else:
            self._words.add(_PIECE.findall(token.text), token)

    def _add_network(self, token: Token) -> None:
        try:
            network = ip_network(token.text, strict=False)
        except ValueError:
            self._plain.append(token)
            return
        if isinstance(network, IPv4Network):
            size = 32 - network.prefixlen
            same = self._networks.setdefault(size, {})
            same.setdefault(int(network.network_address) >> size, []).append(token)

    def held_by(self, text: str) -> set[Token]:
        """Return those that the text names. Raises OutOfBudget."""
        self._budget.spend(len(text) // SPLIT + 1)
        found = {token for token in self._plain if self._stands(token, text)}
        if self._words.next or self._words.ends:
            found.update(self._counted(self._whole_words(_PIECE.findall(text))))
        if self._events.next:
            for run in set(_LETTERS.findall(text)):
                found.update(self._counted(self._in_run(_WORD.findall(run))))
        if self._networks:
            for address in {match[0] for match in IPV4.finditer(text)}:
                found.update(self._counted(self._around(address)))
        if self._seconds or self._minutes:
            for seconds in {_seconds(told) for told in times_in(text)}:
                found.update(self._counted(self._at(seconds)))
        return found

    def _counted(self, hits: Iterable[Token]) -> Iterator[Token]:
        """Count each hit: many tokens may have one address, time or word."""
        for token in hits:
            self._budget.spend(HIT)
            yield token

    def _stands(self, token: Token, text: str) -> bool:
        self._budget.spend(len(text) // FIND + 1)
        return token.text in text

    def _whole_words(self, pieces: list[str]) -> Iterator[Token]:
        """Yield tokens with no further character of a word before or after them."""
        root, last = self._words, len(pieces) - 1
        for start, first in enumerate(pieces):
            if first not in root.next and first not in root.ends:
                continue
            if start and not _IN_RUN.match(first) and _IN_RUN.match(pieces[start - 1]):
                continue
            node, at = root, start
            while True:
                piece = pieces[at]
                ended = node.ends.get(piece)
                if ended and (
                    at == last or _IN_RUN.match(piece) or not _IN_RUN.match(pieces[at + 1])
                ):
                    yield from ended
                if piece not in node.next or at == last:
                    break
                node, at = node.next[piece], at + 1
            self._budget.spend(at - start + 1)

    def _in_run(self, words: list[str]) -> Iterator[Token]:
        """Yield events whose name stands in the words of a run; the last word may go on."""
        for start, first in enumerate(words):
            node, at = self._events, start
            if first not in node.next:
                continue
            while at < len(words):
                word = words[at]
                most = min(len(word), node.longest)
                self._budget.spend(most + 1)
                for length in range(1, most + 1):
                    yield from node.ends.get(word[:length], ())
                if word not in node.next:
                    break
                node, at = node.next[word], at + 1

    def _around(self, address: str) -> Iterator[Token]:
        """Yield the networks that have this address."""
        self._budget.spend(len(self._networks) + 1)
        try:
            number = int(ip_address(address))
        except ValueError:
            return
        for size, networks in self._networks.items():
            yield from networks.get(number >> size, ())

    def _at(self, seconds: int) -> Iterator[Token]:
        """Yield the times that are this one as precisely as they are written (`Told.is_at`)."""
        self._budget.spend()
        yield from self._seconds.get(seconds, ())
        minute = seconds // 60
        for near in (minute, minute + 1) if seconds % 60 else (minute - 1, minute, minute + 1):
            yield from self._minutes.get(near, ())


_APART = 10**12


def _seconds(told: Told) -> int:
    """Return its instant; a time of unknown zone stands apart, so that it equals no sure one."""
    return int((told.at - _EPOCH).total_seconds()) + (0 if told.sure else _APART)
