"""Which entries of a bundle rest on which, and which documents they name: data of the product.

The log knows no word of the product that writes it. What must be in a bundle comes as a `Rules`;
`default` reads the file `rules.json` that lies beside this one, and in the verifier's one file. The
product generates it (`python -m remediation.management.bundle_rules`).
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
    """The words of a product's entries, as far as a verifier needs them."""

    # Of the entry that lets something run; what it saw is one of the documents.
    cleared: str
    # Of entries that make another object part of the incident that they name.
    proposed: tuple[str, ...]
    # Digests in an entry of this kind: path in its data -> domain of the digest ("": SHA-256).
    named: Mapping[str, Mapping[str, str]]
    # The one kind of document whose bytes may go, under law: (kind of entry, path).
    erasable: tuple[str, str]
    # An entry of this kind rests on one of that kind about the same object.
    rests_on: Mapping[str, str]

    def dump(self) -> bytes:
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def parse(cls, raw: bytes) -> Rules:
        """Read what `dump` wrote. Raises ValueError, KeyError, TypeError for anything else."""
        given = json.loads(raw)
        kind, path = given["erasable"]
        return cls(
            cleared=str(given["cleared"]),
            proposed=tuple(map(str, given["proposed"])),
            named={str(word): dict(paths) for word, paths in given["named"].items()},
            erasable=(str(kind), str(path)),
            rests_on={str(word): str(other) for word, other in given["rests_on"].items()},
        )


@cache
def default() -> Rules:
    """The rules of the product that this log, or this verifier, came with."""
    raw = pkgutil.get_data(__package__ or "audit.tlog", FILE)
    assert raw is not None
    return Rules.parse(raw)
