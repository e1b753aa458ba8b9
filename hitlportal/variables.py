"""Which variables of the environment there are; `variables.toml` says what each means."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

# What HITL_PROCESS may say to Django's settings; beat has none of them.
DJANGO_PROCESSES = ("web", "worker", "owner", "sequencer", "eraser")
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
        """Whether the processes that use it stop without it."""
        return self.default is None


def _read(path: Path) -> dict[str, Variable]:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        name: Variable(name, tuple(entry.pop("used_by")), **entry) for name, entry in table.items()
    }


VARIABLES = _read(Path(__file__).with_name("variables.toml"))


def required_by(process: str) -> list[Variable]:
    """What this process stops without; when it is none of them, what any process stops without."""
    asked = {process} if process in PROCESSES else set(PROCESSES)
    return [each for each in VARIABLES.values() if each.required and asked & set(each.used_by)]
