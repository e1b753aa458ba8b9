"""How a service uses an identity, as a version of the dependency states it; checks of values."""

from __future__ import annotations

from dataclasses import dataclass

from remediation.domain.errors import BadValue
from remediation.domain.inert import visible
from remediation.models import DependencyVersion
from remediation.models.inventory import MOST_PERIOD_S, TakesBy


@dataclass(frozen=True)
class ConsumerFacts:
    """How a service uses an identity, in one version of the dependency; empty means not known.

    See `models.DependencyVersion` for the fields.
    """

    seen_as: str = ""
    period_s: int | None = None
    takes_by: str = ""

    def check(self) -> None:
        """Refuse values that are not allowed. Raises BadValue."""
        check_text("seen as", self.seen_as, 200, least=0)
        if self.period_s is not None and not 0 <= self.period_s <= MOST_PERIOD_S:
            raise BadValue(f"period: 0 to {MOST_PERIOD_S} seconds")
        check_one_of("takes a new value by", self.takes_by, ["", *TakesBy.values])

    @classmethod
    def of(cls, version: DependencyVersion) -> ConsumerFacts:
        return cls(version.seen_as, version.period_s, version.takes_by)


def check_text(what: str, value: str, most: int, *, least: int = 1) -> None:
    """Refuse text for pages and mails with a wrong length, invisible characters or outer spaces."""
    if not least <= len(value) <= most:
        raise BadValue(f"{what}: {least} to {most} characters")
    if value != value.strip() or visible(value) != value or "\n" in value or "\t" in value:
        raise BadValue(f"{what}: an invisible character, or a space at the start or end")


def check_one_of(what: str, value: str, allowed: list[str]) -> None:
    if value not in allowed:
        raise BadValue(f"{what}: one of {', '.join(allowed)}")
