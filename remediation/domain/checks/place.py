"""Check that account, region and time of target, claims and records agree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from remediation.domain.catalogue import TARGETS
from remediation.domain.checks.budget import FIND
from remediation.domain.checks.finding import Result, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.formats.record import Event
from remediation.domain.plan import Target

# us-east-1, ap-southeast-2, us-gov-west-1, and invented ones of data sets (ap-central-2r).
_REGION = re.compile(
    r"\b[a-z]{2,7}(?:-[a-z]{3,4})?-(?:north|south|east|west|central){1,2}-\d[a-z]{0,2}\b"
)
# A smaller difference between the clocks of two machines means nothing.
_CLOCKS = timedelta(minutes=5)


def place_and_time_mismatch(given: CheckInput) -> Result:
    """Check that the cited records have the target's account, the claim's region and past times."""
    found = [*_accounts(given), *_regions(given), *_times(given)]
    return verdict(found, "Account, region and times of plan, claims and evidence agree.")


def _accounts(given: CheckInput) -> Iterator[str]:
    """Yield targets whose cited records are all of another account."""
    for target in given.plan.targets:
        wanted = target.fields.get(TARGETS[target.kind].account)
        accounts = {event.account for event in given.all_cited if _is_about(given, event, target)}
        accounts.discard("")
        if wanted and accounts and wanted not in accounts:
            yield (
                f"{target.locator} is in account {wanted}, the cited evidence is of account "
                f"{', '.join(sorted(accounts))}"
            )


def _is_about(given: CheckInput, event: Event, target: Target) -> bool:
    given.look(len(event.text) // FIND)
    return target.distinguishing in event.text


def _regions(given: CheckInput) -> Iterator[str]:
    for number, claim in enumerate(given.diagnosis.claims, 1):
        told = dict.fromkeys(_REGION.findall(claim.text))
        cited = given.cited_events(claim)
        for region in told:
            if cited and not any(_said(given, region, event) for event in cited):
                regions = sorted({event.region for event in cited} - {""})
                yield (
                    f"claim {number} speaks of {region}, the records that it cites are of "
                    f"{', '.join(regions) or 'no region'}"
                )


def _said(given: CheckInput, region: str, event: Event) -> bool:
    """Return whether a record names the region or a zone of it, as eu-central-1a."""
    given.look(len(event.text) // FIND + 1)
    return region.rstrip("abcdefgh") in event.text


def _times(given: CheckInput) -> Iterator[str]:
    times = [event.time for event in given.all_cited if event.time is not None]
    if not times:
        return
    first, last = min(times), max(times)
    if given.detected_at is not None and first > given.detected_at + _CLOCKS:
        yield (
            f"the incident was detected at {given.detected_at:%Y-%m-%d %H:%M} UTC, before anything "
            f"that the evidence shows ({first:%Y-%m-%d %H:%M} UTC)"
        )
    if given.assessed_at is not None and last > given.assessed_at + _CLOCKS:
        yield f"the evidence shows {last:%Y-%m-%d %H:%M} UTC, which is still to come"
