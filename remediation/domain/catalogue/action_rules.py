"""The rules for the declaration of an action."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from audit.tlog.canonical import Json
from remediation.domain.catalogue.lasting_rules import lasting_problems
from remediation.domain.catalogue.spec import ActionSpec, Limit, Narrows, Op, Provider, TargetSpec
from remediation.domain.catalogue.target_rules import FIELD, pattern_problem
from remediation.domain.conditions import Name

# Each of apply, verify and rollback; the worker ends a task after 300 s.
MAX_TIMEOUT_S = 60
# What is made stands in records and on pages, and in parameters of later steps.
_NEVER_MADE = ("", "a\x00b", "a\nb", "a b")


def action_problems(
    spec: ActionSpec, provider: Provider, own: Mapping[str, ActionSpec]
) -> Iterator[str]:
    """Yield what is wrong with an action; `own` are all actions of its provider, by kind."""
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
    yield from _of_credential(spec, kinds[spec.target_kind])
    yield from _of_parameters(spec)
    yield from _of_effects(spec)
    yield from _of_rotation(spec, own)
    yield from lasting_problems(spec, provider, own)


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
    if bool(spec.delivers) != bool(spec.rotation):
        yield "it has a title for a rotation if and only if it delivers"
    texts = {name for name, kind in _properties(spec).items() if kind == "string"}
    rotation = _braces(spec.rotation)
    if "?" in rotation or not set(rotation) <= {*target.fields, *texts}:
        yield "the title for a rotation names what neither its target nor its parameters have"
    if spec.rotation and target.distinguishing not in rotation:
        yield "the title for a rotation does not name its target"


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


def _of_credential(spec: ActionSpec, target: TargetSpec) -> Iterator[str]:
    """Each action says what else its credential can do, whoever holds it."""
    limit = spec.credential
    if limit is None:
        yield "it does not say how far the worker's credential is cut to the step"
    elif limit.field:
        if limit.field not in target.shown_fields:
            yield f"its credential: {target.kind} shows no field {limit.field}"
        yield from _of_sentences(limit)
    elif bool(limit.present) == bool(limit.absent) or limit.unknown:
        yield "its credential: without a field it is always cut, or never"
    elif _braces(limit.present + limit.absent):
        yield "its credential: without a field nothing is replaced"


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


def _of_effects(spec: ActionSpec) -> Iterator[str]:
    """An effect must be foreseen: reviewers see it, and drift is judged against it."""
    named = _properties(spec)
    for name, change in spec.leads_to_from.items():
        if name not in spec.pin_fields:
            yield f"it leads to {name}, which is not pinned"
        if name in spec.leads_to:
            yield f"it leads to {name} in two ways"
        if change.parameter and change.made:
            yield f"{name}: a value comes from a parameter or from what is made, not both"
        if change.op is Op.SET and not (change.parameter or change.made):
            yield f"{name}: it does not say where the value comes from"
        if change.parameter and change.parameter not in named:
            yield f"{name}: there is no parameter {change.parameter}"
        if change.made and change.made not in spec.makes:
            yield f"{name}: it makes no {change.made}"
    known = {*spec.leads_to, *spec.leads_to_from}
    if spec.leaves and spec.unpinned_reason:
        yield "it cannot say what it leaves of what is not pinned"
    if spec.leaves and spec.creates and known != set(spec.pin_fields):
        yield "of what it creates, it must say all that it leaves"


def _of_makes(spec: ActionSpec) -> Iterator[str]:
    for name, pattern in spec.makes.items():
        problem = pattern_problem(pattern, _NEVER_MADE)
        if not FIELD.fullmatch(name):
            yield f"{name[:80]!r} is not a name for what it makes"
        if problem:
            yield f"makes {name}: {problem}"


def _of_rotation(spec: ActionSpec, own: Mapping[str, ActionSpec]) -> Iterator[str]:
    yield from _of_makes(spec)
    named = _properties(spec)
    for name, made in spec.references.items():
        if named.get(name) != "string":
            yield f"parameter {name}: only a text can be a reference"
        if not any(made in maker.makes for maker in own.values()):
            yield f"parameter {name}: no action makes {made}"
        if name in spec.narrows:
            yield f"parameter {name}: a reference cannot get smaller"
    if spec.delivers:
        yield from _of_delivery(spec, named)
    if spec.retires and spec.grants_access:
        yield "it both retires a credential and gives access"
    if spec.seen_by_uses and not {Name.CONSUMERS_MOVED, Name.OLD_QUIET} <= set(spec.conditions):
        yield "what is seen after it are uses: it needs consumers_moved and old_quiet"
    for condition in spec.conditions:
        if condition not in set(Name):
            yield f"nobody knows the condition {condition[:80]!r}"


def _of_delivery(spec: ActionSpec, named: Mapping[str, Json]) -> Iterator[str]:
    if named.get(spec.delivers) != "string":
        yield f"it delivers to {spec.delivers}, which is no text among its parameters"
    if not spec.retires and not spec.replaces:
        yield "it does not say which credential the delivered one replaces"


def _properties(spec: ActionSpec) -> dict[str, Json]:
    """Return the declared type of each parameter."""
    properties = spec.parameters.get("properties")
    if not isinstance(properties, dict):
        return {}
    return {n: each.get("type") for n, each in properties.items() if isinstance(each, dict)}
