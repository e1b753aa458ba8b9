"""Read the secrets of an artefact again at the places that a scan recorded.

The record has places and rules, no values. To compare a person's words with the values, only the
neighbourhood of the places is searched, not the whole artefact (docs/attacks.md A83).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from remediation.domain.secrets import detector
from remediation.domain.secrets.detector import Found
from remediation.domain.secrets.masking import quotable

# What a rule reads before and behind a secret; the longest is a name with a server before it.
_NEAR = 512
# Base64 is decoded from its beginning, so a window takes in the run of it, up to this length.
_RUN = 8192
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-=\\\r\n"


def values(content: bytes, found: Found, exempt: Collection[str] = ()) -> frozenset[str] | None:
    """Return the secrets at the places in the forms in which a text may quote them.

    Returns None if the places do not say it all: too many secrets, or one that its neighbourhood
    does not show. Then the artefact has to be searched as a whole.
    """
    if not found.whole:
        return None
    told: set[str] = set()
    shown: list[tuple[int, int]] = []
    for start, end in _windows(content, found):
        looked = detector.look(content[start:end], exempt)
        if not looked.found.whole:
            return None
        told |= quotable(looked, exempt) | looked.values
        shown += [(start + one.offset, start + one.end) for one in looked.found.secrets]
    for one in found.secrets:
        raw = content[one.offset : one.end].decode("utf-8", "replace")
        seen = any(start <= one.offset and one.end <= end for start, end in shown)
        # What other evidence gives away is a value of that evidence.
        if not seen and raw not in told and one.rule != "repeated_secret":
            return None
    return quotable(detector.Looked(found, frozenset(told)), exempt)


def _windows(content: bytes, found: Found) -> Iterator[tuple[int, int]]:
    """Yield the neighbourhoods of the places in order, each byte at most once."""
    last: tuple[int, int] | None = None
    for one in found.secrets:
        start, end = _around(content, one.offset, one.end)
        if last is None:
            last = start, end
        elif start <= last[1]:
            last = last[0], max(last[1], end)
        else:
            yield last
            last = start, end
    if last is not None:
        yield last


def _around(content: bytes, start: int, end: int) -> tuple[int, int]:
    head = content[max(0, start - _RUN) : start]
    run = len(head) - len(head.rstrip(_BASE64))
    # An even distance, so that UTF-16 is read as it was.
    begun = max(start - max(_NEAR, run), start % 2)
    begun -= (start - begun) % 2
    tail = content[end : end + _RUN]
    return begun, min(len(content), end + max(_NEAR, len(tail) - len(tail.lstrip(_BASE64))))
