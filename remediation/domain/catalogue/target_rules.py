"""The rules for the declaration of a kind of target."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from remediation.domain.catalogue.locators import locator_of
from remediation.domain.catalogue.spec import MAX_LOCATOR, Provider, TargetSpec

# Guards read locators by the same form (sql/proposals.sql); `kind` names the kind of the target.
FIELD = re.compile(r"(?!kind\Z)[a-z][a-z0-9_]{0,62}")
# An escaped field may match anything else: PostgreSQL and JSON readers of ours know no NUL.
_NEVER_ESCAPED = ("", "a\x00b", "\x00")
# No other field may match these: separators of fields and kinds, invisible and look-alike
# characters.
_NEVER = ("", "a/b", "a:b", "a b", "a\nb", "a\x00b", "ａ", "а", "/", ":", " ")


def target_problems(spec: TargetSpec, provider: Provider) -> Iterator[str]:
    """Yield what is wrong with a kind of target, and with what it shows live."""
    for name in spec.fields:
        if not FIELD.fullmatch(name):
            yield f"{name[:80]!r} is not a name for a field"
    named = (spec.distinguishing, spec.account, spec.holder, spec.free, *spec.names)
    for name in (*named, *spec.escaped, *(each.field for each in spec.protected)):
        if name and name not in spec.fields:
            yield f"it has no field {name}"
    if not spec.distinguishing:
        yield "no field distinguishes it"
    yield from _of_patterns(spec)
    if set(spec.example) != set(spec.fields):
        yield "the example does not have exactly its fields"
    elif len(locator_of(spec, spec.example)) > MAX_LOCATOR:
        yield "the example's locator is too long"
    acted_on = any(action.target_kind == spec.kind for action in provider.actions)
    if acted_on and spec.report_only:
        yield "it is report-only, but an action works on it"
    if not acted_on and not spec.report_only:
        yield "no action works on it, and it does not say that it is report-only"
    yield from _of_live(spec, provider)


def _of_patterns(spec: TargetSpec) -> Iterator[str]:
    for name, pattern in spec.fields.items():
        value = spec.example.get(name, "")
        problem = pattern_problem(pattern, _NEVER_ESCAPED if name in spec.escaped else _NEVER)
        if problem:
            yield f"field {name}: {problem}"
        elif not re.fullmatch(pattern, value, re.ASCII):
            yield f"field {name}: the example does not match the pattern"
        elif len(value.encode()) > spec.escaped.get(name, MAX_LOCATOR):
            yield f"field {name}: the example has more bytes than a value may have"
    for each in spec.protected:
        problem = _compiles(each.pattern)
        if problem:
            yield f"protected {each.field}: {problem}"


def pattern_problem(pattern: str, never: Iterable[str]) -> str:
    """Return what is wrong with a pattern that must not take some values; empty if nothing is."""
    problem = _compiles(pattern)
    if problem:
        return problem
    for value in never:
        if re.fullmatch(pattern, value, re.ASCII):
            return f"the pattern takes {value!r}, which cannot be held or shown"
    return ""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern, re.ASCII)
    except re.error as error:
        return f"not a pattern: {error}"
    return ""


def _of_live(spec: TargetSpec, provider: Provider) -> Iterator[str]:
    own = [action for action in provider.actions if action.target_kind == spec.kind]
    read = {*spec.shown_fields, *spec.live_fields, *(n for each in own for n in each.pin_fields)}
    for live in spec.live:
        for text in live.sentences:
            for name in (live.field, *re.findall(r"\{(\w*)\}", text)):
                if name not in read:
                    yield f"its live state names {name or 'no field'}, which no executor reads"
