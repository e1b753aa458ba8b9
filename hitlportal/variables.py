"""Load the list of environment variables from `variables.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

# Values of HITL_PROCESS that use Django's settings; beat does not.
DJANGO_PROCESSES = ("web", "worker", "owner", "sequencer", "eraser", "operator")
PROCESSES = (*DJANGO_PROCESSES, "beat")


@dataclass(frozen=True)
class Variable:
    """One variable; the fields are explained at the head of `variables.toml`."""

    name: str
    used_by: tuple[str, ...]
    meaning: str
    default: str | None = None
    otherwise: str = ""
    secret: bool = False

    @property
    def required(self) -> bool:
        """Return whether the processes that use it refuse to start without it."""
        return self.default is None


def _read(path: Path) -> dict[str, Variable]:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        name: Variable(name, tuple(entry.pop("used_by")), **entry) for name, entry in table.items()
    }


VARIABLES = _read(Path(__file__).with_name("variables.toml"))


def required_by(process: str) -> list[Variable]:
    """Return the variables that the process requires; for an unknown name those of all."""
    asked = {process} if process in PROCESSES else set(PROCESSES)
    return [each for each in VARIABLES.values() if each.required and asked & set(each.used_by)]
