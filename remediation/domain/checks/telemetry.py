"""Find calls that switched off audit logs, traffic logs or detectors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime

from remediation.domain.checks.budget import FIND
from remediation.domain.checks.finding import Result, listed, quoted, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.formats.record import Event

# Calls that always switch something off, by service; `_NARROWS` do so only with some settings.
_STOPS: Mapping[str, frozenset[str]] = {
    "cloudtrail": frozenset({"StopLogging", "DeleteTrail", "DeleteEventDataStore"}),
    "ec2": frozenset({"DeleteFlowLogs"}),
    "route53resolver": frozenset(
        {"DeleteResolverQueryLogConfig", "DisassociateResolverQueryLogConfig"}
    ),
    "guardduty": frozenset(
        {"DeleteDetector", "DisassociateFromMasterAccount", "DeletePublishingDestination"}
    ),
    "config": frozenset(
        {"StopConfigurationRecorder", "DeleteConfigurationRecorder", "DeleteDeliveryChannel"}
    ),
    "securityhub": frozenset({"DisableSecurityHub"}),
    "macie2": frozenset({"DisableMacie"}),
    "access-analyzer": frozenset({"DeleteAnalyzer"}),
    "inspector2": frozenset({"Disable"}),
    "logs": frozenset({"DeleteLogGroup", "DeleteLogStream", "DeleteSubscriptionFilter"}),
    "monitoring": frozenset({"DeleteAlarms", "DisableAlarmActions"}),
    "bedrock": frozenset({"DeleteModelInvocationLoggingConfiguration"}),
    "wafv2": frozenset({"DeleteLoggingConfiguration"}),
}
_NARROWS: Mapping[tuple[str, str], re.Pattern[str]] = {
    ("cloudtrail", "PutEventSelectors"): re.compile(
        r"(?:includeManagementEvents\"?: ?false|readWriteType\"?: ?\"(?:ReadOnly|WriteOnly))", re.I
    ),
    ("s3", "PutBucketLogging"): re.compile(r"(?s)\A(?=.*BucketLoggingStatus)(?!.*LoggingEnabled)"),
    ("guardduty", "UpdateDetector"): re.compile(r"\"enable\": ?false", re.I),
}
_RESTORES: Mapping[str, frozenset[str]] = {
    "StopLogging": frozenset({"StartLogging"}),
    "StopConfigurationRecorder": frozenset({"StartConfigurationRecorder"}),
    "PutEventSelectors": frozenset({"PutEventSelectors"}),
    "DisableAlarmActions": frozenset({"EnableAlarmActions"}),
}
_RESTORING = frozenset[str]().union(*_RESTORES.values())
# PostgreSQL: a log or pgaudit setting is switched off.
_LOG_OFF = re.compile(
    r"\b(?:log_\w+|logging_collector|pgaudit\.\w+)\s*(?:=|\bto\b)\s*"
    r"'?(?:none|off|false|panic|fatal|-1|0)\b",
    re.IGNORECASE,
)
_SETS = re.compile(r"\b(?:alter\s+(?:system|role|user|database)|set)\b", re.IGNORECASE)


def telemetry_switched_off(given: CheckInput) -> Result:
    """Check that no call in the evidence switched off a log or detector; failed calls do not count.

    Fail while it is off, because missing records then prove nothing. Warn if the evidence shows
    that it was restored.
    """
    off: list[Event] = []
    on: list[Event] = []
    for event in given.events:
        if not event.error:
            given.look(len(event.text) // FIND)
            (off if _switches_off(event) else on).append(event)
    latest = _restorations(on)
    over = [event for event in off if _restored(event, latest)]
    lasting = [event for event in off if not _restored(event, latest)]
    return verdict(
        [_off(lasting)] if lasting else [],
        "No log or detector was switched off in the evidence.",
        warned=[f"{_told(event)}, and was restored later" for event in over],
    )


def _off(events: list[Event]) -> str:
    calls = "1 call" if len(events) == 1 else f"{len(events)} calls"
    return (
        f"{calls} turned logging off ({listed([_told(event) for event in events])})."
        " Until it is back, missing log lines prove nothing"
    )


def _switches_off(event: Event) -> bool:
    if event.name in _STOPS.get(event.service, ()):
        return True
    if pattern := _NARROWS.get((event.service, event.name)):
        return pattern.search(_asked(event)) is not None
    return event.acts and bool(_SETS.search(event.message) and _LOG_OFF.search(event.message))


def _asked(event: Event) -> str:
    """Return the request as JSON text."""
    return json.dumps(event.value("requestParameters"))


def _restorations(on: list[Event]) -> dict[tuple[str, str], datetime]:
    """Return when each call last restored something, by its name and what it restored."""
    latest: dict[tuple[str, str], datetime] = {}
    for event in on:
        if event.name in _RESTORING and event.time is not None:
            what = (event.name, _subject(event))
            latest[what] = max(latest.get(what, event.time), event.time)
    return latest


def _restored(event: Event, latest: Mapping[tuple[str, str], datetime]) -> bool:
    """Return whether a later call restored the same thing (the first text of both requests)."""
    if event.time is None:
        return False
    subject = _subject(event)
    times = (latest.get((name, subject)) for name in _RESTORES.get(event.name, ()))
    return any(time is not None and time > event.time for time in times)


def _subject(event: Event) -> str:
    """Return the trail or recorder that a request names, without region and account."""
    asked = event.value("requestParameters")
    texts = [v for v in asked.values() if isinstance(v, str)] if isinstance(asked, dict) else []
    return texts[0].rpartition("/")[2] if texts else ""


def _told(event: Event) -> str:
    when = f" at {event.time:%Y-%m-%d %H:%M} UTC" if event.time else ""
    who = f" by {event.actor}" if event.actor else ""
    what = event.name or quoted(event.message.partition(":")[2])
    return f"{what}{when}{who}"
