"""The data of the help page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TermRow:
    """One house word, explained."""

    name: str
    title: str
    meaning: str


@dataclass(frozen=True)
class HelpPage:
    """What this person does here, and the words."""

    roles: frozenset[str]
    terms: tuple[TermRow, ...]
