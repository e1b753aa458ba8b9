"""Compare the text of claims with the records that they cite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from remediation.domain.checks.finding import Result, quoted, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.checks.wording import not_asserted
from remediation.domain.formats.times import Told, times_in
from remediation.domain.report import Claim

_VERBS = (
    "Accept|Activate|Add|Assign|Associate|Assume|Attach|Authorize|Batch|Cancel|Change|Configure|"
    "Confirm|Console|Copy|Create|Deactivate|Decrypt|Delete|Deregister|Describe|Detach|Disable|"
    "Disassociate|Enable|Encrypt|Execute|Export|Generate|Get|Head|Import|Invite|Invoke|Leave|List|"
    "Lookup|Modify|Move|Publish|Purchase|Put|Query|Reboot|Register|Reject|Release|Remove|Replace|"
    "Request|Reset|Restore|Resume|Resync|Retire|Revoke|Rotate|Run|Scan|Schedule|Select|Send|Set|"
    "Share|Start|Stop|Suspend|Switch|Tag|Terminate|Transfer|Untag|Update|Upload|Verify"
)
# Patterns of events, credentials, resources, accounts and addresses in a sentence.
_EVENT = re.compile(rf"\b(?:{_VERBS})(?:[A-Z][a-z0-9]*)+\b")
_WORDS = (
    ("key", re.compile(r"\bA(?:KIA|SIA|BIA|CCA|IDA|ROA|GPA|NPA|IPA)[A-Z0-9]{12,124}\b")),
    (
        "resource",
        re.compile(r"(?<![\w-])[a-z]{1,12}-(?=[0-9a-zA-Z]*\d)[0-9a-fA-F][0-9a-zA-Z]{6,31}\b"),
    ),
    ("ARN", re.compile(r"\barn:aws[\w-]*:[^\s\"'`“”,;()]{5,500}")),
    ("account", re.compile(r"(?<![\w.-])\d{12}(?!\.?\d|[\w-])")),
)
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?(?!\.?\d)")
_IPV6 = re.compile(r"(?<![\w:])(?=[0-9a-fA-F:]*::|(?:[0-9a-fA-F]+:){7})[0-9a-fA-F:]{3,39}(?![\w:])")
_NAMED = re.compile(
    r"\b(?:user|role|login|principal|session)\s+([`\"'“‘]?)([A-Za-z_][\w.@+$-]{1,63})",
    re.IGNORECASE,
)
# Ordinary words that can follow "user": they count as a name only after a quote, or with a digit,
# dot or dash in them.
_NAMELIKE = re.compile(r"[\d_@+$]|\w[.-]\w")


@dataclass(frozen=True)
class Token:
    """Something that a claim names and that evidence can confirm."""

    kind: str
    text: str
    time: Told | None = None

    def stands_in(self, text: str) -> bool:
        """Return whether a text of evidence names it."""
        if self.time is not None:
            return any(self.time.is_at(other.at) for other in times_in(text))
        if self.kind == "event":
            return self.text in text
        if "/" in self.text and self.kind == "address":
            return _holds_one_of(self.text, text)
        return re.search(rf"(?<![\w$-]){re.escape(self.text)}(?![\w$-])", text) is not None


def claim_not_in_evidence(given: CheckInput) -> Result:
    """Check that the cited records contain each event, key, address, user and time of a claim.

    Fail for one that occurs nowhere in the evidence. Warn for one that occurs only in records of
    actors other than those of the cited records: a reviewer must look at it.
    """
    everything = "\n".join(given.texts.values())
    looking = _Looking(given)
    failed, warned = [], []
    for number, claim in enumerate(given.diagnosis.claims, 1):
        near = looking.near(claim)
        for token in _tokens(claim.text):
            if not claim.citations or (near and token.stands_in(near)):
                continue
            said = f"claim {number} names {token.kind} {quoted(token.text)}"
            if not token.stands_in(everything):
                failed.append(f"{said}, which no evidence holds")
            elif near:
                warned.append(f"{said}, which the records that it cites do not hold")
    failed += _in_the_title(given, everything)
    return verdict(failed, "The cited evidence holds what the claims name.", warned=warned)


class _Looking:
    """The texts of records related to a claim, cached for claims about the same actors."""

    def __init__(self, given: CheckInput) -> None:
        self._given = given
        self._beside: dict[frozenset[str], str] = {}

    def near(self, claim: Claim) -> str:
        """Return the cited records and all others of the same actors or addresses.

        A claim may summarise records that it does not cite.
        """
        cited = self._given.cited_events(claim)
        actors = {event.actor for event in cited} | {event.address for event in cited}
        known = frozenset(actors - {""})
        if known not in self._beside:
            beside = (e for e in self._given.events if e.actor in known or e.address in known)
            self._beside[known] = "\n".join(event.text for event in beside)
        return "\n".join((*(event.text for event in cited), self._beside[known]))


def _in_the_title(given: CheckInput, everything: str) -> Iterator[str]:
    """Yield what the title names and neither the evidence nor the plan contains."""
    known = f"{everything}\n{given.plan.body.decode()}"
    for token in (*_matches("key", _WORDS[0][1], given.title), *_addresses(given.title)):
        if given.cited and not token.stands_in(known):
            yield f"the title names {token.kind} {quoted(token.text)}, which no evidence holds"


def _tokens(text: str) -> tuple[Token, ...]:
    found = [token for kind, pattern in _WORDS for token in _matches(kind, pattern, text)]
    found += _addresses(text)
    found += [Token("time", told.text, told) for told in times_in(text)]
    found += _names(text)
    found += (
        Token("event", match[0])
        for match in _EVENT.finditer(text)
        if not not_asserted(text, match.start(), match.end())
    )
    return tuple(dict.fromkeys(found))


def _matches(kind: str, pattern: re.Pattern[str], text: str) -> Iterator[Token]:
    for match in pattern.finditer(text):
        yield Token(kind, match[0].rstrip(".:"))


def _addresses(text: str) -> Iterator[Token]:
    for pattern in (_IPV4, _IPV6):
        yield from _matches("address", pattern, text)


def _names(text: str) -> Iterator[Token]:
    for match in _NAMED.finditer(text):
        name = match[2].rstrip(".-,")
        if match[1] or _NAMELIKE.search(name):
            yield Token("name", name)


def _holds_one_of(network: str, text: str) -> bool:
    """Return whether the text contains an address of the network."""
    try:
        wanted = ip_network(network, strict=False)
    except ValueError:
        return network in text
    return any(_in(match[0], wanted) for match in _IPV4.finditer(text))


def _in(address: str, network: object) -> bool:
    try:
        return ip_address(address) in network  # type: ignore[operator]
    except ValueError:
        return False
