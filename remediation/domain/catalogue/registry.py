"""Join declarations into one catalogue; refuse contradictions within or between them."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from remediation.domain.catalogue.locators import locator_of
from remediation.domain.catalogue.spec import (
    MAX_LOCATOR,
    ActionSpec,
    Limit,
    Narrows,
    Provider,
    TargetSpec,
)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
# The database keeps kinds in columns of 64 characters.
_KIND = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
MAX_KIND = 64
# Guards read locators by the same form (sql/proposals.sql); `kind` names the kind of the target.
_FIELD = re.compile(r"(?!kind\Z)[a-z][a-z0-9_]{0,62}")
# Each of apply, verify and rollback; the worker ends a task after 300 s.
MAX_TIMEOUT_S = 60
# An escaped field may match anything else: PostgreSQL and JSON readers of ours know no NUL.
_NEVER_ESCAPED = ("", "a\x00b", "\x00")
# No other field may match these: separators of fields and kinds, invisible and look-alike
# characters.
_NEVER = ("", "a/b", "a:b", "a b", "a\nb", "a\x00b", "ａ", "а", "/", ":", " ")


class CatalogueInvalid(ValueError):
    """A declaration contradicts itself or another one; the process must not start."""


@dataclass(frozen=True)
class Catalogue:
    """All declarations: providers by name, targets by kind, actions by kind."""

    providers: Mapping[str, Provider]
    targets: Mapping[str, TargetSpec]
    actions: Mapping[str, ActionSpec]


def build(providers: Iterable[Provider]) -> Catalogue:
    """Build the catalogue. Raises CatalogueInvalid, which names the invalid kind."""
    found: dict[str, Provider] = {}
    targets: dict[str, TargetSpec] = {}
    actions: dict[str, ActionSpec] = {}
    for provider in providers:
        if provider.name in found:
            raise CatalogueInvalid(f"provider {provider.name} is declared twice")
        _refuse(f"provider {provider.name}", _of_provider(provider))
        found[provider.name] = provider
        for target in provider.targets:
            if target.kind in targets:
                raise CatalogueInvalid(f"kind {target.kind} is declared twice")
            targets[target.kind] = target
        for action in provider.actions:
            if action.kind in actions:
                raise CatalogueInvalid(f"action {action.kind} is declared twice")
            actions[action.kind] = action
        # Targets first: what is judged of an action rests on its target's fields.
        for target in provider.targets:
            _refuse(f"kind {target.kind}", _of_target(target, provider))
            _refuse(f"kind {target.kind}", _of_live(target, provider))
        own = {action.kind: action for action in provider.actions}
        for action in provider.actions:
            _refuse(f"action {action.kind}", _of_action(action, provider, own))
    return Catalogue(found, targets, actions)


def _refuse(what: str, problems: Iterator[str]) -> None:
    for problem in problems:
        raise CatalogueInvalid(f"{what}: {problem}")


def _of_provider(provider: Provider) -> Iterator[str]:
    if not _NAME.fullmatch(provider.name):
        yield "the name is not a short lower-case word"
    kinds = [each.kind for each in provider.targets] + [each.kind for each in provider.actions]
    for kind in kinds:
        if not kind.startswith(f"{provider.name}."):
            yield f"{kind[:80]!r} does not begin with {provider.name}."
        if not _KIND.fullmatch(kind) or len(kind) > MAX_KIND:
            yield f"{kind[:80]!r} is not a kind"
    if not provider.targets:
        yield "it has no kind of target"


def _of_target(spec: TargetSpec, provider: Provider) -> Iterator[str]:
    for name in spec.fields:
        if not _FIELD.fullmatch(name):
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


def _of_patterns(spec: TargetSpec) -> Iterator[str]:
    for name, pattern in spec.fields.items():
        value = spec.example.get(name, "")
        problem = _of_pattern(pattern, _NEVER_ESCAPED if name in spec.escaped else _NEVER)
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


def _of_pattern(pattern: str, never: Iterable[str]) -> str:
    problem = _compiles(pattern)
    if problem:
        return problem
    for value in never:
        if re.fullmatch(pattern, value, re.ASCII):
            return f"the pattern takes {value!r}, which no locator can hold"
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


def _of_action(
    spec: ActionSpec, provider: Provider, own: Mapping[str, ActionSpec]
) -> Iterator[str]:
    kinds = {target.kind: target for target in provider.targets}
    if spec.target_kind not in kinds:
        yield f"it works on {spec.target_kind}, which {provider.name} does not declare"
        return
    yield from _of_sentence(spec.sentence, kinds[spec.target_kind])
    yield from _of_headlines(spec, kinds[spec.target_kind])
    back = own.get(spec.rollback or "")
    if spec.reversible != (spec.rollback is not None):
        yield "it is reversible if and only if it has a rollback"
    elif spec.rollback is not None and (back is None or back.target_kind != spec.target_kind):
        yield f"its rollback {spec.rollback} is no action on the same kind"
    yield from _of_execution(spec)
    yield from _of_limits(spec, kinds[spec.target_kind])
    yield from _of_parameters(spec)


def _of_sentence(sentence: str, target: TargetSpec) -> Iterator[str]:
    """People decide by the sentence: each value stands in it whole, and as it is (A02)."""
    try:
        parts = [part for part in string.Formatter().parse(sentence) if part[1] is not None]
    except ValueError as error:
        yield f"the sentence cannot be read: {error}"
        return
    if {name for _, name, _, _ in parts} != set(target.fields):
        yield "the sentence does not name exactly the fields of its target"
    if any(form or conversion for _, _, form, conversion in parts):
        yield "the sentence changes a value: braces hold the name of a field and nothing else"


def _of_headlines(spec: ActionSpec, target: TargetSpec) -> Iterator[str]:
    """A headline names the target whole; one for several targets says how many they are."""
    if spec.headline:
        yield from _of_sentence(spec.headline, target)
    for each in spec.headlines:
        named = [part for part in string.Formatter().parse(each) if part[1] is not None]
        if any(form or conversion for _, _, form, conversion in named):
            yield "a headline changes a value: braces hold the name of a field and nothing else"
        if not {name for _, name, _, _ in named} <= {"count", *target.fields}:
            yield "a headline names a field that its target does not have"
        if "{count}" not in each:
            yield "a headline for several targets does not say how many they are"
    if spec.headlines and "count" in target.fields:
        yield "its target has a field named count"


def _of_execution(spec: ActionSpec) -> Iterator[str]:
    if spec.version < 1:
        yield "the version is at least 1"
    versions = [each.version for each in spec.earlier]
    if versions != sorted({each for each in versions if each < spec.version}):
        yield "its earlier versions are not in order, each once"
    if any((e.kind, e.target_kind) != (spec.kind, spec.target_kind) for e in spec.earlier):
        yield "an earlier version is another action"
    if not 0 < spec.hard_timeout_s <= MAX_TIMEOUT_S:
        yield f"the hard timeout is 1 to {MAX_TIMEOUT_S} s"
    if spec.propagation_s < 0:
        yield "the propagation delay is not negative"
    if bool(spec.pin_fields) == bool(spec.unpinned_reason):
        yield "it has pin fields, or a reason why there is nothing to pin"
    if not set(spec.leads_to) <= set(spec.pin_fields):
        yield "it leads to fields that are not pinned"
    if spec.grants_access and spec.removes_access:
        yield "it both gives and takes access"
    if not spec.ends_sessions or not spec.cannot:
        yield "it does not say what becomes of sessions, or what it cannot do"


def _of_limits(spec: ActionSpec, target: TargetSpec) -> Iterator[str]:
    fields = [limit.field for limit in spec.limits]
    for limit in spec.limits:
        if limit.field not in target.shown_fields:
            yield f"limit {limit.field}: {target.kind} shows no such field"
        if fields.count(limit.field) > 1:
            yield f"limit {limit.field} is declared twice"
        yield from _of_sentences(limit)


def _of_sentences(limit: Limit) -> Iterator[str]:
    """What was not looked at must be said; only where something was seen can it be named."""
    if not limit.present or not limit.unknown:
        yield f"limit {limit.field}: it does not say what is present, or what is unknown"
    if _braces(limit.present) not in ([], ["value"]) or _braces(limit.absent + limit.unknown):
        yield f"limit {limit.field}: only {{value}}, once and in what is present, is replaced"


def _braces(sentence: str) -> list[str]:
    """Return what stands in braces, "?" for what is no plain name."""
    try:
        parts = [part for part in string.Formatter().parse(sentence) if part[1] is not None]
    except ValueError:
        return ["?"]
    return [name if not form and not conversion else "?" for _, name, form, conversion in parts]  # type: ignore[misc]


def _of_parameters(spec: ActionSpec) -> Iterator[str]:
    schema = dict(spec.parameters)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield f"the parameters are no JSON Schema: {error.message[:200]}"
        return
    properties = schema.get("properties")
    closed = schema.get("type") == "object" and schema.get("additionalProperties") is False
    if not closed or not isinstance(properties, dict):
        yield "the parameters are not a closed object"
        return
    if not Draft202012Validator(schema).is_valid(dict(spec.example)):
        yield "the example is not valid for the parameters"
    for name, how in spec.narrows.items():
        declared = properties.get(name)
        if not isinstance(declared, dict) or declared.get("type") != _NARROWED[how]:
            yield f"parameter {name}: only a parameter of type {_NARROWED[how]} narrows so"


# The JSON Schema type of a parameter that may be made smaller in each way.
_NARROWED = {
    Narrows.SUBSET: "array",
    Narrows.SMALLER: "integer",
    Narrows.TO_FALSE: "boolean",
    Narrows.TO_TRUE: "boolean",
}
