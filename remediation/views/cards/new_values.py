"""Values that a step of the plan makes: nobody knows them before the run, so pages name them."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext

from audit.tlog.canonical import Json
from remediation import vocabulary
from remediation.domain.catalogue import after_step
from remediation.domain.plan import Step
from remediation.domain.waits import Reference, is_reference
from remediation.views.cards.fields import format_canonical, format_json


class NewValue(str):
    """The name of a value that a step will make. No value that was read is one."""

    __slots__ = ()


def state_after(step: Step, state: Mapping[str, Json]) -> dict[str, Json]:
    """Return the state that the step leaves, with new values by their names."""
    made = {name: NewValue(name) for name in step.spec.makes}
    parameters: dict[str, Json] = {
        name: NewValue(Reference.from_json(value).name) if is_reference(value) else value
        for name, value in step.parameters.items()
    }
    return after_step(step.spec, state, parameters, made)


def format_value(value: Json) -> str:
    """Format a value of a state; of a new one only what it is is known."""
    if isinstance(value, NewValue):
        # Translators: a value that a step makes, for example "a new access key id".
        return gettext("a new %(what)s") % {"what": vocabulary.word(value)}
    if isinstance(value, list) and any(isinstance(one, NewValue) for one in value):
        return f"[{', '.join(_format_member(one) for one in value)}]"
    return format_canonical(value)


def _format_member(value: Json) -> str:
    return format_value(value) if isinstance(value, NewValue) else format_json(value)


def format_parameter(value: Json) -> str:
    """Format a parameter; one that refers to what an earlier step makes is described."""
    if not is_reference(value):
        return format_canonical(value)
    reference = Reference.from_json(value)
    return gettext("%(value)s, made by step %(number)d") % {
        "value": format_value(NewValue(reference.name)),
        "number": reference.made_by + 1,
    }
