"""Whether a leaked secret is the one in force, as the worker compared it; never its value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.dateparse import parse_datetime

from remediation import vocabulary
from remediation.domain.errors import BadInput
from remediation.domain.secrets.compared import NO, UNKNOWN, YES, Checked, Spot, parse
from remediation.domain.secrets.detector import TITLES
from remediation.models import Incident, SecretCheck

# Comparisons that are searched for the last time when a secret was in force.
MOST = 200
MOST_SHOWN = 10


@dataclass(frozen=True)
class SecretRow:
    """One secret that is, or was, in force."""

    artefact: str
    source_untrusted: str
    rule: str
    still: bool  # in force at the newest comparison
    # When it was last seen in force, and when it was first seen not to be any more.
    at: datetime
    gone_at: datetime | None = None


@dataclass(frozen=True)
class SecretsCard:
    """The newest comparison of one identity."""

    at: datetime
    place_untrusted: str
    why_untrusted: str
    verdict: str
    rows: tuple[SecretRow, ...]
    not_in_force: int  # secrets in evidence that are not the one in force, and never were seen so
    not_compared: int
    left_out: int


def secrets_card(incident: Incident, locator: str) -> SecretsCard | None:
    """Return what is known of the secrets; None if none was ever compared."""
    recorded = list(
        SecretCheck.objects.filter(request__incident=incident, request__locator=locator).order_by(
            "-pk"
        )[:MOST]
    )
    if not recorded:
        return None
    checks = [(row, one) for row in recorded if (one := _parsed(row)) is not None]
    if not checks:
        return None
    row, newest = checks[0]
    found = tuple(_rows(incident, [one for _, one in checks]))
    answers = dict(newest.answers)
    shown = {(one.artefact, one.rule) for one in found}
    return SecretsCard(
        at=_time(newest) or row.recorded_at,
        place_untrusted=newest.place,
        why_untrusted=vocabulary.saying(newest.why),
        verdict=row.in_force,
        rows=found[:MOST_SHOWN],
        not_in_force=sum(
            answer == NO and (spot.sha256, TITLES.get(spot.rule, spot.rule)) not in shown
            for spot, answer in answers.items()
        ),
        not_compared=sum(answer == UNKNOWN for answer in answers.values()),
        left_out=newest.left_out,
    )


def _rows(incident: Incident, checks: Sequence[Checked]) -> Iterator[SecretRow]:
    """Yield one row for each artefact and rule that was in force; the newest check comes first."""
    sources = dict(incident.evidence.values_list("sha256", "source"))
    yielded: set[tuple[str, str]] = set()
    for spot in {spot: None for one in checks for spot, answer in one.answers if answer == YES}:
        rule = TITLES.get(spot.rule, spot.rule)
        if (spot.sha256, rule) in yielded:
            continue
        yielded.add((spot.sha256, rule))
        last, gone = _span(spot, checks)
        if last is not None:
            yield SecretRow(
                spot.sha256, sources.get(spot.sha256, ""), rule, gone is None, last, gone
            )


def _span(spot: Spot, checks: Sequence[Checked]) -> tuple[datetime | None, datetime | None]:
    """Return when the secret was last in force, and when it was first seen not to be since."""
    gone: datetime | None = None
    for check in checks:
        answer = dict(check.answers).get(spot)
        if answer == YES:
            return _time(check), gone
        if answer == NO:
            gone = _time(check)
    return None, gone


def _parsed(row: SecretCheck) -> Checked | None:
    try:
        return parse(bytes(row.body))
    except BadInput:
        return None


def _time(check: Checked) -> datetime | None:
    return parse_datetime(check.at)
