"""Find private keys in PEM: from first to last line, or as far as the text looks like a key.

Only key data between the two lines counts. Otherwise an intruder could write one line into each of
two events and get all events between them masked (docs/attacks.md A60).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_HEAD = re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
_TAIL = re.compile(r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
# Line ends, plain or escaped by JSON or JSON within JSON.
_GAP = r"(?:\s|\\{1,7}[nrt])*+"
_HEADERS = re.compile(
    rf"(?:{_GAP}(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash): ?[\w.,:/+@() -]{{1,100}})"
    r"{0,8}+",
    re.ASCII,
)
# Lines of base64. Words in a log are shorter; of a key only the last line may be shorter.
_LINE = re.compile(rf"{_GAP}([A-Za-z0-9+/=]{{16,}}+)", re.ASCII)
_LAST = re.compile(rf"{_GAP}=?[A-Za-z0-9+/=]{{1,15}}+(?![A-Za-z0-9])", re.ASCII)
# A key as a list of quoted lines.
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
        # In a list the lines after the first one are separate items.
        while not lines and (item := _ITEM.match(text, end)):
            yield item.span(1)
            end = item.end()
        at = max(end, head.end())


def _body(text: str, at: int) -> tuple[int, bool]:
    """Return where the key's lines end, and whether there are any."""
    headers = _HEADERS.match(text, at)
    end = headers.end() if headers else at
    begun = False
    while line := _LINE.match(text, end):
        end, begun = line.end(), True
    if begun and (last := _LAST.match(text, end)):
        end = last.end()
    return (end, True) if begun else (at, False)
