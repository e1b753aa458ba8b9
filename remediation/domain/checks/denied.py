"""Compare the outcome of the cited calls with the claim about them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from remediation.domain.checks.finding import Result, quoted, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.checks.wording import denied_before
from remediation.domain.formats.record import Event

# Words for a failure, unless "without" or "not" comes before them.
_FAILURES = re.compile(
    r"(?<!without )(?<!without an )(?<!without any )(?<!without being )(?<!no )(?<!not )(?<!never )"
    r"\b(?:fail(?:ed|s|ing|ures?)?|den(?:y|ied|ies|ial|ials)|refus\w+|reject\w+|block(?:ed|s)|"
    r"errors?|exceptions?|forbidden|throttled|prevent(?:ed|s)|insufficient|lack(?:s|ed|ing)?)\b",
    re.IGNORECASE,
)
_IN_VAIN = re.compile(
    r"\b(?:unsuccessful\w*|(?:without|no) success|in vain|to no avail|tried|tries|trying|"
    r"attempt\w*|unauthori[sz]ed|turned (?:away|down)|rebuffed|bounced|wrong passwords?|cannot|"
    r"nothing (?:was|were)|no effect|40[13]|none of|"
    r"not (?:allowed|permitted|authori[sz]ed))\b|"
    r"(?:\b(?:could|did|was|were|is|are) not\b|n['’]t\b)(?! (?:den|refus|reject|block|fail|prev))",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:ask(?:ed|s|ing)?|request(?:ed|s|ing)?|call(?:ed|s)|sought)\b", re.IGNORECASE
)
_BOASTS = re.compile(
    r"\b(?:succeed(?:ed|s|ing)?|successful(?:ly)?|success|managed to|went through)\b", re.IGNORECASE
)


def denied_told_as_done(given: CheckInput) -> Result:
    """Fail if a claim describes as done what the cited records show as denied or failed.

    Warn if a claim does not mention the failure ("asked for") and no other claim does.
    """
    elsewhere = set(_told_as_denied(given))
    failed, warned = [], []
    for number, claim in enumerate(given.diagnosis.claims, 1):
        denied = _denied_events(claim.text, given.cited_events(claim))
        if not denied or _admits(claim.text, denied):
            continue
        first = denied[0]
        what = f"claim {number}: {first.name or quoted(first.message)} failed ({first.error})"
        if _ASKS.search(claim.text) and not _boasts(claim.text):
            if any((event.actor, event.error) not in elsewhere for event in denied):
                warned.append(f"{what}, and the claim does not say so")
        else:
            failed.append(f"{what}, and the claim tells it as done")
    return verdict(failed, "What was denied is told as denied.", warned=warned)


def _told_as_denied(given: CheckInput) -> Iterator[tuple[str, str]]:
    """Yield the actors and errors that claims about a denial cite."""
    for claim in given.diagnosis.claims:
        failed = [event for event in given.cited_events(claim) if event.error]
        if _admits(claim.text, failed):
            yield from ((event.actor, event.error) for event in failed)


def _denied_events(text: str, cited: tuple[Event, ...]) -> list[Event]:
    """Return the cited records that failed, if no call that the claim names succeeded."""
    failed = [event for event in cited if event.error]
    done = {event.name for event in cited if not event.error and event.acts}
    if not done:
        return failed
    return [event for event in failed if event.name not in done and event.name in text]


def _admits(text: str, denied: Iterable[Event]) -> bool:
    """Return whether the claim admits the failure, by the error's name or in words not negated."""
    if any(event.error.rpartition(".")[2] in text for event in denied):
        return True
    told = _FAILURES.search(text) or _IN_VAIN.search(text)
    return told is not None and not _boasts(text)


def _boasts(text: str) -> bool:
    return any(not denied_before(text, match.start()) for match in _BOASTS.finditer(text))
