"""What a plan of version 2 says beyond its steps: waits, and values that earlier steps made.

A wait comes after its step. The run goes on when each condition was seen to be met and, if the wait
asks for one, a person has signed to go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from audit.tlog.canonical import Json
from remediation.domain.fields import Fields

# A wait is for people and programs that run at most once a month, with reserve.
MOST_WAIT_S = 45 * 24 * 3600
LEAST_WAIT_S = 10
MOST_CONDITIONS = 4


class Order(StrEnum):
    """Which comes first: the end of the old credential, or the move to the new one."""

    MOVE_FIRST = "move_first"  # both are valid until consumers were seen on the new one
    CUT_FIRST = "cut_first"  # the old one ends now; consumers fail until they have the new one
    NONE = "none"  # the plan makes no new credential


@dataclass(frozen=True)
class Condition:
    """A condition at the target of a step: its name (conditions.py), and the index of the step."""

    name: str
    step: int

    def to_json(self) -> dict[str, Json]:
        return {"condition": self.name, "step": self.step}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Condition:
        source = Fields(value, at, required=("condition", "step"))
        return cls(source.text("condition", 60, least=1), source.integer("step", 0, 100))


@dataclass(frozen=True)
class Wait:
    """A wait after a step: for conditions, for a person, or first for these and then for a person.

    ``within_s`` is the time for the conditions, or for the person where there are none.
    """

    conditions: tuple[Condition, ...]
    person: bool
    within_s: int

    def to_json(self) -> dict[str, Json]:
        return {
            "conditions": [one.to_json() for one in self.conditions],
            "person": self.person,
            "within_s": self.within_s,
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Wait:
        """Parse a wait. Raises BadInput; whether it waits for anything is the plan's to check."""
        source = Fields(value, at, required=("conditions", "person", "within_s"))
        return cls(
            source.array("conditions", Condition.from_json, most=MOST_CONDITIONS),
            source.boolean("person"),
            source.integer("within_s", LEAST_WAIT_S, MOST_WAIT_S),
        )


@dataclass(frozen=True)
class Reference:
    """A parameter's value that an earlier step makes: known only when that step has run."""

    made_by: int
    name: str

    def to_json(self) -> dict[str, Json]:
        return {"made_by": self.made_by, "name": self.name}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Reference:
        source = Fields(value, at, required=("made_by", "name"))
        return cls(source.integer("made_by", 0, 100), source.text("name", 60, least=1))


# What each applied step made, by step and name; never a secret.
Made = Mapping[int, Mapping[str, str]]


def is_reference(value: Json) -> bool:
    """Return whether a parameter's value is a reference."""
    return isinstance(value, dict) and set(value) == {"made_by", "name"}
