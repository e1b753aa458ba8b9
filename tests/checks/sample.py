"""One labelled proposal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.checks.tale import Tale


@dataclass(frozen=True)
class Sample:
    """`flaw` names the check that has to find what was planted, "" for a right proposal.

    `honest` names checks that rightly say something about it, for nobody planted anything there:
    a trail was deleted, the user has a second key. `hard`: it is right and does not look so.
    """

    name: str
    make: Callable[[], Tale]
    flaw: str = ""
    honest: frozenset[str] = field(default_factory=frozenset)
    hard: bool = False
