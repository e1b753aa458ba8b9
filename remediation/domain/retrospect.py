"""How it turned out, in the words that people choose from, and the figures made of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

RIGHT, TOO_BROAD, TOO_NARROW = "right", "too_broad", "too_narrow"
WRONG, UNNECESSARY, OUTAGE = "wrong", "unnecessary", "caused_outage"
NOT_SAID = ""

# What can be said of each; nothing is preselected, and nobody has to say something of all three.
ANSWERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "diagnosis": (RIGHT, TOO_BROAD, TOO_NARROW, WRONG),
        "scope": (RIGHT, TOO_BROAD, TOO_NARROW),
        "action": (RIGHT, TOO_BROAD, TOO_NARROW, UNNECESSARY, OUTAGE),
    }
)
MOST_UNSEEN = 1000


@dataclass(frozen=True)
class Answer:
    """One person's answer about one incident or run."""

    diagnosis: str = NOT_SAID
    scope: str = NOT_SAID
    action: str = NOT_SAID

    @property
    def is_valid(self) -> bool:
        """Return whether each word is one of its list, and something is said at all."""
        said = {"diagnosis": self.diagnosis, "scope": self.scope, "action": self.action}
        return any(said.values()) and all(
            word == NOT_SAID or word in ANSWERS[about] for about, word in said.items()
        )


def worst(words: Iterable[str], about: str) -> str:
    """Return the gravest word: one person who saw an outage outweighs any who did not."""
    order = {word: rank for rank, word in enumerate(ANSWERS[about], 1)}
    return max((word for word in words if word in order), key=lambda w: order[w], default=NOT_SAID)


@dataclass(frozen=True)
class Figures:
    """How often each word is the gravest, over runs or incidents; `whole` counts all of them."""

    whole: int
    answered: int
    counts: tuple[tuple[str, int], ...]

    def count(self, word: str) -> int:
        return dict(self.counts).get(word, 0)


def figures(groups: Iterable[Iterable[str]], about: str) -> Figures:
    """Return the figures over groups of words: those of one run or incident each."""
    gravest = [worst(group, about) for group in groups]
    told = [word for word in gravest if word]
    return Figures(
        len(gravest),
        len(told),
        tuple((word, told.count(word)) for word in ANSWERS[about]),
    )
