"""Was somebody able to act unseen? Audit logs, traffic logs and detectors switched off."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from remediation.domain.checks.finding import Result, quoted, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.formats.record import Event

# Calls that switch off, by service; `_NARROWS` are those that do it only with some settings.
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
# PostgreSQL: a setting of its log, or of pgaudit, set to nothing.
_LOG_OFF = re.compile(
    r"\b(?:log_\w+|logging_collector|pgaudit\.\w+)\s*(?:=|\bto\b)\s*"
    r"'?(?:none|off|false|panic|fatal|-1|0)\b",
    re.IGNORECASE,
)
_SETS = re.compile(r"\b(?:alter\s+(?:system|role|user|database)|set)\b", re.IGNORECASE)


def telemetry_switched_off(given: CheckInput) -> Result:
    """Nothing in the evidence switched off what would show more. Attempts that failed do not count.

    While it is off, silence proves nothing: restore it first. Where the evidence shows it
    restored, it is a warning.
    """
    off = [event for event in given.events if not event.error and _switches_off(event)]
    lasting = [event for event in off if not _restored(event, given.events)]
    over = [event for event in off if event not in lasting]
    return verdict(
        [
            f"{_told(event)}; restore it first, until then silence proves nothing"
            for event in lasting
        ],
        "No log or detector was switched off in the evidence.",
        warned=[f"{_told(event)}, and was restored later" for event in over],
    )


def _switches_off(event: Event) -> bool:
    if event.name in _STOPS.get(event.service, ()):
        return True
    if pattern := _NARROWS.get((event.service, event.name)):
        return pattern.search(_asked(event)) is not None
    return event.acts and bool(_SETS.search(event.message) and _LOG_OFF.search(event.message))


def _asked(event: Event) -> str:
    """The request, as JSON is written."""
    return json.dumps(event.value("requestParameters"))


def _restored(event: Event, events: tuple[Event, ...]) -> bool:
    """A later call undid it, for the same thing: the first text of both requests agrees."""
    return any(
        later.name in _RESTORES.get(event.name, ())
        and not later.error
        and not _switches_off(later)
        and event.time is not None
        and later.time is not None
        and later.time > event.time
        and _subject(later) == _subject(event)
        for later in events
    )


def _subject(event: Event) -> str:
    """The trail or recorder that a request names, without region and account."""
    asked = event.value("requestParameters")
    texts = [v for v in asked.values() if isinstance(v, str)] if isinstance(asked, dict) else []
    return texts[0].rpartition("/")[2] if texts else ""


def _told(event: Event) -> str:
    when = f" at {event.time:%Y-%m-%d %H:%M} UTC" if event.time else ""
    who = f" by {event.actor}" if event.actor else ""
    what = event.name or quoted(event.message.partition(":")[2])
    return f"{what}{when}{who}"
