"""Check whether someone other than the intruder uses the target now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from remediation.domain.checks.finding import Result, shown, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.checks.order import takes_away
from remediation.domain.formats.record import Event
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.domain.second_step import acts_of, left_alive

RECENT = timedelta(hours=1)
# AWS reports the last use some minutes later than the trail.
_COARSE = timedelta(minutes=15)
_SESSIONS = "sessions"
# Global services: any reported region is right.
_GLOBAL = frozenset({"iam", "sts", "route53", "cloudfront", "organizations", "signin"})


def used_by_production(given: CheckInput) -> Result:
    """Check that within the last hour only the intruder used the target in production.

    Fail for a use of a service or region that the evidence does not show. Warn for a use that may
    be the intruder's, and for open sessions of unknown origin.
    """
    failed: list[str] = []
    warned: list[str] = []
    left_open = left_alive(acts_of(given.plan.steps))
    go_on = {left.index for left in left_open if left.lives_on.seen_in == _SESSIONS}
    for step in filter(takes_away, given.plan.steps):
        seen = given.observations.get(step.target.locator)
        if seen is None or not seen.exists or not _in_production(given, step):
            continue
        failed += _unexplained(given, step, seen)
        warned += _continued(given, step, seen)
        if step.index not in go_on:  # else `sessions_left_open` says so
            warned += _sessions(given, step, seen)
    return verdict(failed, "No use within the hour but what the evidence shows.", warned=warned)


def _in_production(given: CheckInput, step: Step) -> bool:
    here = {t.environment for t in given.scope.targets if t.locator == step.target.locator}
    here |= {s.environment for s in given.scope.services if s.via == step.target.locator}
    return "production" in here | {given.plan.environment}


def _last_use(given: CheckInput, seen: Observation) -> datetime | None:
    """Return when the key was last used, if within the last hour."""
    told = seen.shown.get("last_used")
    if given.assessed_at is None or not isinstance(told, str):
        return None
    try:
        used = datetime.fromisoformat(told)
    except ValueError:
        return None
    if used.tzinfo is None or given.assessed_at - used > RECENT:
        return None
    return used.astimezone(UTC)


def _of_target(given: CheckInput, step: Step) -> tuple[Event, ...]:
    return given.of_key(step.target.distinguishing)


def _shows_place(events: tuple[Event, ...], service: str, region: str) -> bool:
    """Return whether the evidence has calls of the service in the region."""
    regions = {event.region for event in events if event.service == service}
    return bool(regions) and (service in _GLOBAL or region in regions or not region)


def _place(seen: Observation) -> tuple[str, str]:
    service, region = seen.shown.get("last_used_service"), seen.shown.get("last_used_region")
    return str(service or ""), str(region or "")


def _unexplained(given: CheckInput, step: Step, seen: Observation) -> Iterator[str]:
    used, (service, region) = _last_use(given, seen), _place(seen)
    if used is None or _shows_place(_of_target(given, step), service, region):
        return
    yield (
        f"{step.target.locator} was used for {service or 'an unknown service'} in "
        f"{region or 'an unknown region'} at {used:%H:%M} UTC, which the evidence does not show: "
        "somebody may depend on it"
    )


def _continued(given: CheckInput, step: Step, seen: Observation) -> Iterator[str]:
    used, (service, region) = _last_use(given, seen), _place(seen)
    events = _of_target(given, step)
    if used is None or not _shows_place(events, service, region):
        return
    last = max((e.time for e in events if e.time and e.service == service), default=None)
    if last is not None and used > last + _COARSE:
        yield (
            f"{step.target.locator} was used for {service} at {used:%H:%M} UTC, later than "
            f"anything in the evidence ({last:%H:%M} UTC): by the intruder, or by somebody who "
            "depends on it"
        )


def _sessions(given: CheckInput, step: Step, seen: Observation) -> Iterator[str]:
    """Yield a warning if more sessions are open than the evidence shows."""
    count = seen.shown.get(_SESSIONS)
    if not isinstance(count, int) or isinstance(count, bool):
        return
    known = _open_in_evidence(given, step.target.distinguishing)
    if count > known:
        yield (
            f"{count} sessions of {shown(step.target.distinguishing)} are open, {known} of them "
            "are in the evidence: the others may be production's, and would end"
        )


def _open_in_evidence(given: CheckInput, role: str) -> int:
    open_now: set[str] = set()
    for event in given.events:
        if event.user == role and event.session:
            open_now.add(event.session)
            if event.ends_session:
                open_now.discard(event.session)
    return len(open_now)
