"""Find look-alikes: names similar to the target's that the evidence means or people confuse."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from remediation.domain.catalogue import TARGETS
from remediation.domain.catalogue.locators import fields_of, is_plain
from remediation.domain.checks.budget import FIND, SPLIT
from remediation.domain.checks.finding import Result, listed, quoted, shown, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.checks.skeleton import look_alike, skeleton, stands_in, twin
from remediation.domain.formats.body import strings_in
from remediation.domain.formats.record import Event
from remediation.domain.plan import Target

_TOKEN = re.compile(r"[\w$@+-]+(?:\.[\w$@+-]+)*")
_DIFFERENCE = 2
# What stands around a name in a text.
_AROUND = "\"'“”,;:()[]{}"
_USER = re.compile(r":user/(?:[^\s\"/]+/)*([^\s\"/]+)")


def look_alike_names(given: CheckInput) -> Result:
    """Check that the evidence names the target itself, not a name that looks like it.

    If the cited records name the exact target, look-alikes in them are only warnings.
    """
    cited = "\n".join(event.text for event in given.all_cited)
    everything = "\n".join(given.texts[sha256] for sha256 in given.cited if sha256 in given.texts)
    text = cited or everything
    given.look((len(cited) + len(everything)) // FIND)
    failed, warned, beside = [], [], []
    for target in given.plan.targets:
        given.budget.spend(SPLIT * len(given.neighbours))
        near, spec = _neighbours(given, target), TARGETS[target.kind]
        for field, value in _names(target):
            given.look(len(text) // FIND)
            if stands_in(value, text):
                twins = [name for name in near.get(field, []) if twin(name, value)]
                beside += [shown(name) for name in near.get(field, []) if name not in twins]
                if twins:
                    warned.append(
                        f"{shown(value)} looks exactly like {_listed(twins)} of the inventory"
                    )
                continue
            given.look((len(text) + len(everything)) // SPLIT)
            if field != spec.distinguishing and stands_in(target.distinguishing, text):
                found = _similar(value, "\n".join(_people(given.all_cited)))
            else:
                found = _similar(value, text) or _similar(value, everything)
            if found:
                failed.append(
                    f"the cited evidence is about {listed([quoted(name) for name in found])}, "
                    f"the plan about {_named(value)}, which looks like it"
                )
            elif near.get(field) and not stands_in(value, everything):
                warned.append(f"{_named(value)} looks like {_listed(near[field])} of the inventory")
    passed = "The cited evidence names the exact targets."
    if beside:
        passed += f" Beside them the inventory has {listed(sorted(set(beside)))}."
    return verdict(failed, passed, warned=warned)


def _names(target: Target) -> Iterator[tuple[str, str]]:
    """Yield the fields with names that people can confuse; `place` compares accounts."""
    for field in TARGETS[target.kind].names:
        yield field, target.fields[field]


def _people(events: Iterable[Event]) -> Iterator[str]:
    """Yield the names of users in the records.

    Used where the records name the target itself: there, other similar words mean nothing.
    """
    for event in events:
        for pointer, text in strings_in(dict(event.body)):
            if pointer.lower().endswith("username"):
                yield text
            yield from _USER.findall(text)


def _neighbours(given: CheckInput, target: Target) -> dict[str, list[str]]:
    """Return the inventory's names that look like the target's, by field."""
    found: dict[str, list[str]] = {}
    for neighbour in given.neighbours:
        fields = fields_of(TARGETS[target.kind], neighbour.locator) or {}
        for field, value in _names(target):
            if field in fields and look_alike(fields[field], value):
                found.setdefault(field, []).append(fields[field])
    return found


def _named(value: str) -> str:
    return quoted(value) if is_plain(value) else shown(value)


def _listed(names: list[str]) -> str:
    return listed([shown(name) for name in names])


def _similar(value: str, text: str) -> list[str]:
    """Return words of the text that look like the name; length and ends exclude most words fast."""
    length, third = len(value), max(1, len(value) // 3)
    shape = skeleton(value)
    ends = (shape[:third], shape[-third:])
    found = []
    for word in dict.fromkeys(_words(value, text)):
        if abs(len(word) - length) > _DIFFERENCE:
            continue
        seen = skeleton(word)
        if (seen[:third] == ends[0] or seen[-third:] == ends[1]) and look_alike(word, value):
            found.append(word)
    return sorted(found)


def _words(value: str, text: str) -> Iterator[str]:
    """Yield what may be a name in the text: as many words in a row as the name has."""
    if _TOKEN.fullmatch(value):
        yield from _TOKEN.findall(text)
        return
    count = max(1, len(value.split()))
    for line in text.split("\n"):
        words = line.split()
        for at in range(len(words) - count + 1):
            yield " ".join(words[at : at + count]).strip(_AROUND)
