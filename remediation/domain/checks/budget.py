"""The work that a check may do, counted in units, so that every worker finds the same.

A unit is about a microsecond. Seconds are not measured: a busy machine would find other things
than an idle one (docs/attacks.md A83).
"""

from __future__ import annotations

# For each check. All of them on 16 MiB of ordinary records need less than a tenth each.
MOST = 10_000_000
# What one loop over records costs for each of them, and how many characters cost one unit where a
# text is searched for a constant, split into words, or searched by slow patterns.
EVENT = 4
FIND, SPLIT, SLOW = 100, 8, 1
# What a token costs that was found, with its place among those of the same record.
HIT = 8


class OutOfBudget(Exception):
    """A check did as much work as it may; what is left was not looked at."""


class Budget:
    """The units that are left to one check, and whether it looked at evidence and its records."""

    def __init__(self, most: int = MOST) -> None:
        self.begin(most)

    def begin(self, most: int) -> None:
        """Begin the next check."""
        self.left = self.most = most
        self.looked = self.cited_records = self.all_records = False

    def spend(self, units: int = 1) -> None:
        """Count work before it is done. Raises OutOfBudget."""
        self.left -= units
        if self.left < 0:
            raise OutOfBudget

    @property
    def spent(self) -> int:
        return self.most - self.left
