"""Private keys in PEM: from the first line of each to its last, or as far as it looks like one.

Between the two lines only what a key is made of is taken: else two lines that an intruder wrote,
each into an event of his, would cover the events between them (docs/attacks.md A60).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_HEAD = re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
_TAIL = re.compile(r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
# Line ends as they are, and as JSON within JSON escapes them.
_GAP = r"(?:\s|\\{1,7}[nrt])*+"
_HEADERS = re.compile(
    rf"(?:{_GAP}(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash): ?[\w.,:/+@() -]{{1,100}})"
    r"{0,8}+",
    re.ASCII,
)
# Lines of base64. Words of a log are shorter; only the last line may be.
_LINE = re.compile(rf"{_GAP}([A-Za-z0-9+/=]{{16,}}+)", re.ASCII)
_LAST = re.compile(rf"{_GAP}=?[A-Za-z0-9+/=]{{1,15}}+(?![A-Za-z0-9])", re.ASCII)
# A key whose lines are the items of a list, each in its quotes.
_ITEM = re.compile(
    r"\\{0,3}[\"']\s{0,20},\s{0,40}\\{0,3}[\"']([A-Za-z0-9+/=]{16,80}+)(?=\\{0,3}[\"'])", re.ASCII
)
_CLOSE = re.compile(rf"{_GAP}(?=-----END )")


def private_keys(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while head := _HEAD.search(text, at):
        end, lines = _body(text, head.end())
        close = _CLOSE.match(text, end)
        tail = _TAIL.match(text, close.end()) if close else None
        if tail:
            end = tail.end()
        yield head.start(), end
        # A list may be short of lines here: what follows the first line stands in items.
        while not lines and (item := _ITEM.match(text, end)):
            yield item.span(1)
            end = item.end()
        at = max(end, head.end())


def _body(text: str, at: int) -> tuple[int, bool]:
    """Where the key's lines end, and whether there were any."""
    headers = _HEADERS.match(text, at)
    end = headers.end() if headers else at
    begun = False
    while line := _LINE.match(text, end):
        end, begun = line.end(), True
    if begun and (last := _LAST.match(text, end)):
        end = last.end()
    return (end, True) if begun else (at, False)
