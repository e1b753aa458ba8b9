"""Test targets: files of the worker, for tests and benchmarks."""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.spec import (
    ActionSpec,
    Live,
    Provider,
    TargetSpec,
    gettext_noop,
    pgettext,
)

TARGET = TargetSpec(
    kind="test.target",
    title=gettext_noop("Test target"),
    fields={"name": r"[a-z0-9][a-z0-9-]{0,62}"},
    distinguishing="name",
    example={"name": "one"},
    names=("name",),
    shown_fields=("open",),
    live=(
        Live(
            "state",
            gettext_noop("Its state is {state}."),
            values=MappingProxyType({"on": gettext_noop("It is on.")}),
        ),
    ),
)

NOOP = ActionSpec(
    kind="test.noop",
    version=1,
    title="Test: record a call",
    sentence="Record a call for test target {name}.",
    headline="Record a call for test target {name}",
    headlines=("Record calls for {count} test targets",),
    done="The call for test target {name} is recorded.",
    target_kind=TARGET.kind,
    rollback="test.noop",
    reversible=True,
    hard_timeout_s=5,
    propagation_s=0,
    pin_fields=("state",),
    leads_to=MappingProxyType({"state": "off"}),
    removes_access=True,
    ends_sessions=gettext_noop("It ends no session."),
    cannot=(gettext_noop("It changes nothing outside a file of the worker."),),
    parameters={
        "type": "object",
        "properties": {"note": {"type": "string", "maxLength": 20_000}},
        "required": [],
        "additionalProperties": False,
    },
)

PROVIDER = Provider(
    name="test",
    title="Test",
    targets=(TARGET,),
    actions=(NOOP,),
    words={
        "note": pgettext("parameter of an action", "note"),
        "state": pgettext("field of an observation", "state"),
    },
    for_tests=True,
)
