"""Rules about a bundle: which entries rely on which, and which documents they name.

The log does not know the product's words, so the product generates these rules as a file
(`python -m remediation.management.bundle_rules`). `default` reads this `rules.json` from this
folder or from the verifier's file.
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache

FILE = "rules.json"


@dataclass(frozen=True)
class Rules:
    """The words of a product's entries that a verifier needs."""

    # The action of an entry that clears a run; its gate evidence is one of the documents.
    cleared: str
    # Actions of entries that make their object part of the incident that they name.
    proposed: tuple[str, ...]
    # By action, the digests in an entry: path in its data -> domain of the digest ("": SHA-256).
    named: Mapping[str, Mapping[str, str]]
    # The only kind of document whose bytes may be erased: (action of the entry, path).
    erasable: tuple[str, str]
    # An entry with this action relies on one with that action about the same object.
    rests_on: Mapping[str, str]
    # By login, the entries that it may write: an action, or `kind:*` (`audit.tlog.writers`).
    writers: Mapping[str, tuple[str, ...]]

    def dump(self) -> bytes:
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def parse(cls, raw: bytes) -> Rules:
        """Parse the output of `dump`. Raises ValueError, KeyError, TypeError otherwise."""
        given = json.loads(raw)
        kind, path = given["erasable"]
        return cls(
            cleared=str(given["cleared"]),
            proposed=tuple(map(str, given["proposed"])),
            named={str(word): dict(paths) for word, paths in given["named"].items()},
            erasable=(str(kind), str(path)),
            rests_on={str(word): str(other) for word, other in given["rests_on"].items()},
            writers={
                str(login): tuple(map(str, actions)) for login, actions in given["writers"].items()
            },
        )


@cache
def default() -> Rules:
    """Return the rules that belong to this log or verifier."""
    raw = pkgutil.get_data(__package__ or "audit.tlog", FILE)
    assert raw is not None
    return Rules.parse(raw)
