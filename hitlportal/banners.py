"""A line at the top of every page: for everybody, or for one person; a file of the operator.

JSON: user name, or "*" for everybody, to ``{"text": "…", "links": [["title", "/address/"], …]}``.
The demo says so who a person is and what to try; a training system could say that it is one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class Banner:
    text: str
    links: tuple[tuple[str, str], ...] = ()


def banner_of(username: str) -> Banner | None:
    """Return the person's banner, else everybody's, else None. Raises ImproperlyConfigured."""
    found = _read(settings.BANNERS_FILE) if settings.BANNERS_FILE else {}
    return found.get(username) or found.get("*")


@cache
def _read(path: str) -> Mapping[str, Banner]:
    """Read the file once; a process that runs keeps what it has read."""
    try:
        stated = json.loads(Path(path).read_text(encoding="utf-8"))
        return {str(name): _banner(one) for name, one in stated.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ImproperlyConfigured(f"HITL_BANNERS_FILE {path}: {error}") from error


def _banner(stated: Mapping[str, object]) -> Banner:
    links = stated.get("links", [])
    if not isinstance(links, list) or not all(
        isinstance(link, list) and len(link) == 2 and str(link[1]).startswith("/") for link in links
    ):
        raise ValueError("links are pairs of a title and an address of this portal")
    return Banner(str(stated["text"]), tuple((str(link[0]), str(link[1])) for link in links))
