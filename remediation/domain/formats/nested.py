"""Read JSON that stands as text inside JSON: LookupEvents, CloudWatch Logs, SNS, Elastic, AKS.

The text is parsed only in members that exporters use for it, at most LEVELS deep, and never longer
than LONGEST: each level can only hold less text than the one around it, so that all parsing
together costs no more than LEVELS times the artefact, twice where a format asks what it holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NoReturn

from audit.tlog.canonical import Json
from remediation.domain.formats.body import Body

LEVELS = 3
LONGEST = 256 * 1024  # CloudTrail and CloudWatch Logs write at most 256 KiB an event
_HOLDERS = frozenset({"cloudtrailevent", "message", "original", "_raw", "log"})


def nested_in(body: Body) -> Iterator[tuple[str, Json]]:
    """Yield the name and the JSON of each member that holds an object or a list as text."""
    for name, value in body.items():
        if isinstance(value, str) and name.lower() in _HOLDERS:
            parsed = parsed_text(value)
            if parsed is not None:
                yield name, parsed


def parsed_text(text: str) -> Json:
    """Return the object or list that the text holds, None if it holds none. Raises nothing."""
    if len(text) > LONGEST or text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        parsed: Json = json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict | list) else None


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """Refuse an object that names a member twice: readers take the first or the last of them."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a member is there twice")
    return made


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
