"""Compare the text of claims with the records that they cite."""

from __future__ import annotations

import re
from collections.abc import Iterator

from remediation.domain.checks.budget import SLOW
from remediation.domain.checks.finding import Result, quoted, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.checks.tokens import IPV4, Token, Wanted
from remediation.domain.checks.wording import not_asserted
from remediation.domain.formats.record import Event
from remediation.domain.formats.times import times_in
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
_IPV6 = re.compile(r"(?<![\w:])(?=[0-9a-fA-F:]*::|(?:[0-9a-fA-F]+:){7})[0-9a-fA-F:]{3,39}(?![\w:])")
_NAMED = re.compile(
    r"\b(?:user|role|login|principal|session)\s+([`\"'“‘]?)([A-Za-z_][\w.@+$-]{1,63})",
    re.IGNORECASE,
)
# Ordinary words that can follow "user": they count as a name only after a quote, or with a digit,
# dot or dash in them.
_NAMELIKE = re.compile(r"[\d_@+$]|\w[.-]\w")


def claim_not_in_evidence(given: CheckInput) -> Result:
    """Check that the cited records contain each event, key, address, user and time of a claim.

    Fail for one that occurs nowhere in the evidence. Warn for one that occurs only in records of
    actors other than those of the cited records: a reviewer must look at it.
    """
    named = [_named_by(given, claim) for claim in given.diagnosis.claims]
    title = _named_by_title(given)
    held = _Held(given, [*title, *(token for tokens in named for token in tokens)])
    failed, warned = [], []
    for number, (claim, tokens) in enumerate(zip(given.diagnosis.claims, named, strict=True), 1):
        near = _Near(given, claim)
        for token in tokens:
            if near.cited and held.near(token, near):
                continue
            said = f"claim {number} names {token.kind} {quoted(token.text)}"
            if token not in held.anywhere:
                failed.append(f"{said}, which no evidence holds")
            elif near.cited:
                warned.append(f"{said}, which the records that it cites do not hold")
    planned = Wanted(title, given.budget).held_by(given.plan.body.decode())
    failed += [
        f"the title names {token.kind} {quoted(token.text)}, which no evidence holds"
        for token in title
        if token not in held.anywhere and token not in planned
    ]
    return verdict(failed, "The cited evidence holds what the claims name.", warned=warned)


def _named_by(given: CheckInput, claim: Claim) -> tuple[Token, ...]:
    given.budget.spend(len(claim.text) // SLOW)
    return _tokens(claim.text) if claim.citations else ()


def _named_by_title(given: CheckInput) -> tuple[Token, ...]:
    """Return the keys and addresses in the title, if anything is cited to compare them with."""
    if not given.cited:
        return ()
    return (*_matches("key", _WORDS[0][1], given.title), *_addresses(given.title))


class _Near:
    """The records that a claim cites, and whose they are."""

    def __init__(self, given: CheckInput, claim: Claim) -> None:
        self.cited = frozenset(given.cited_events(claim))
        who = {event.actor for event in self.cited} | {event.address for event in self.cited}
        self.known = who - {""}


class _Held:
    """Where the evidence holds the tokens: anywhere, in which cited records, and whose."""

    def __init__(self, given: CheckInput, tokens: list[Token]) -> None:
        wanted = Wanted(tokens, given.budget)
        self.anywhere: set[Token] = set()
        for text in given.texts.values():
            self.anywhere |= wanted.held_by(text)
        self._in: dict[Token, set[Event]] = {token: set() for token in self.anywhere}
        self._of: dict[Token, set[str]] = {token: set() for token in self.anywhere}
        wanted, cited = Wanted(self.anywhere, given.budget), set(given.all_cited)
        for event in given.events if self.anywhere else ():
            hits = wanted.held_by(event.text)
            who, is_cited = {event.actor, event.address}, event in cited
            for token in hits:
                given.look()
                self._of[token] |= who
                if is_cited:
                    self._in[token].add(event)

    def near(self, token: Token, near: _Near) -> bool:
        """Return whether the cited records hold it, or others of the same actors or addresses.

        A claim may summarise records that it does not cite.
        """
        if token not in self.anywhere:
            return False
        return not near.known.isdisjoint(self._of[token]) or not near.cited.isdisjoint(
            self._in[token]
        )


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
    for pattern in (IPV4, _IPV6):
        yield from _matches("address", pattern, text)


def _names(text: str) -> Iterator[Token]:
    for match in _NAMED.finditer(text):
        name = match[2].rstrip(".-,")
        if match[1] or _NAMELIKE.search(name):
            yield Token("name", name)
