"""How the cited calls ended, and whether the claim says so."""

from __future__ import annotations

import re
from collections.abc import Iterable

from remediation.domain.checks.finding import Result, quoted, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.checks.records import Event

_ADMITS = re.compile(
    r"\b(?:fail\w*|den(?:y|ied|ies|ial)|refus\w+|reject\w+|unsuccessful\w*|without success|in vain|"
    r"tried|tries|trying|attempt\w*|block(?:ed|s)|unauthori[sz]ed|forbidden|turned (?:away|down)|"
    r"errors?|exceptions?|wrong|invalid|rebuffed|bounced|could not|cannot|did not|was not|were not|"
    r"nothing (?:was|were)|no effect|not (?:allowed|permitted|authori[sz]ed))\b|n['’]t\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:ask(?:ed|s|ing)?|request(?:ed|s|ing)?|call(?:ed|s)|sought)\b", re.IGNORECASE
)
_BOASTS = re.compile(
    r"(?<!without )(?<!no )(?<!not )\b(?:succeed(?:ed|s)|successful(?:ly)?|success|managed to|"
    r"went through)\b",
    re.IGNORECASE,
)


def denied_told_as_done(given: CheckInput) -> Result:
    """No claim tells as done what the cited records say was denied or failed.

    To say nothing of the failure ("asked for") is a warning.
    """
    failed, warned = [], []
    for number, claim in enumerate(given.diagnosis.claims, 1):
        denied = _denied_events(claim.text, given.cited_events(claim))
        if not denied or _admits(claim.text, denied):
            continue
        first = denied[0]
        what = f"claim {number}: {first.name or quoted(first.message)} failed ({first.error})"
        if _ASKS.search(claim.text) and not _BOASTS.search(claim.text):
            warned.append(f"{what}, and the claim does not say so")
        else:
            failed.append(f"{what}, and the claim tells it as done")
    return verdict(failed, "What was denied is told as denied.", warned=warned)


def _denied_events(text: str, cited: tuple[Event, ...]) -> list[Event]:
    """The cited records that failed, if nothing of the kind that the claim names succeeded."""
    failed = [event for event in cited if event.error]
    done = {event.name for event in cited if not event.error and event.acts}
    if not done:
        return failed
    return [event for event in failed if event.name not in done and event.name in text]


def _admits(text: str, denied: Iterable[Event]) -> bool:
    named = any(event.error in text for event in denied)
    return named or bool(_ADMITS.search(text) and not _BOASTS.search(text))
