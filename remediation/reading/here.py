"""Read a report in this process. The child process does the same for its parent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from remediation.domain.plan import Target
from remediation.domain.report import Report
from remediation.domain.secrets import masking
from remediation.domain.secrets.masking import Masked


@dataclass(frozen=True)
class Rules:
    """What parsing depends on beside the bytes."""

    protected: frozenset[str]
    allow_test: bool


@dataclass(frozen=True)
class About:
    """By which fields the report's incident is found."""

    kind: str
    locator: str

    @classmethod
    def of(cls, report: Report) -> About:
        return cls(report.incident.kind, report.incident.identity.locator)


class Reading(Protocol):
    """A parsed report, whose search and masking need what only the record knows in between."""

    @property
    def about(self) -> About: ...

    @property
    def targets(self) -> Sequence[Target]: ...

    def search(self, exempt: Collection[str]) -> str:
        """Search the artefacts; return the masked external id."""

    def mask(self, known: frozenset[str]) -> tuple[Masked, Masked]:
        """Mask all texts: by all secrets, and by the report's own only."""


class Here:
    """A reading in this process."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._searched: masking.Searched | None = None

    @property
    def about(self) -> About:
        return About.of(self.report)

    @property
    def targets(self) -> Sequence[Target]:
        return masking.targets_of(self.report)

    def search(self, exempt: Collection[str]) -> str:
        self._searched = masking.searched(self.report, exempt)
        return self._searched.external_id

    def mask(self, known: frozenset[str]) -> tuple[Masked, Masked]:
        searched = self._searched
        assert searched is not None  # `search` comes first
        own = masking.mask_report(searched)
        if known - searched.secrets:
            return masking.mask_report(searched, known), own
        return own, own
