"""Test targets: files of the worker, for tests and benchmarks.

A test thing takes tokens. Its actions make, deliver, retire and delete them, so that runs that wait
need no server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Change,
    Limit,
    Live,
    Op,
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

_CREDENTIAL = Limit("", "", gettext_noop("It needs no credential."), "")

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
    lives_on=(),
    ends_sessions=gettext_noop("It ends no session."),
    credential=_CREDENTIAL,
    cannot=(gettext_noop("It changes nothing outside a file of the worker."),),
    parameters={
        "type": "object",
        "properties": {"note": {"type": "string", "maxLength": 20_000}},
        "required": [],
        "additionalProperties": False,
    },
)

_ID = r"tk-[0-9a-f]{12}"

THING = TargetSpec(
    kind="test.thing",
    title=gettext_noop("Test thing"),
    fields={"name": r"[a-z0-9][a-z0-9-]{0,62}"},
    distinguishing="name",
    example={"name": "one"},
    names=("name",),
    shown_fields=("open",),
)

_TOKEN: Mapping[str, Json] = MappingProxyType({"type": "string", "pattern": rf"^{_ID}\Z"})
_STORE: Mapping[str, Json] = MappingProxyType(
    {"type": "string", "pattern": r"^[a-z]{1,20}:[a-z0-9/-]{1,80}\Z"}
)


def _parameters(**properties: Mapping[str, Json]) -> Mapping[str, Json]:
    return {
        "type": "object",
        "properties": {name: dict(schema) for name, schema in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }


_OLD = MappingProxyType({"token_id": "tk-000000000000"})
_PLACE = MappingProxyType({"store": "file:one"})
_WAITS = ("consumers_moved", "old_quiet")
_THING = ActionSpec(
    kind="",
    version=1,
    title="",
    sentence="",
    target_kind=THING.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=5,
    propagation_s=0,
    pin_fields=("announced", "off", "tokens"),
    leads_to=MappingProxyType({}),
    ends_sessions=NOOP.ends_sessions,
    cannot=NOOP.cannot,
    credential=_CREDENTIAL,
    leaves=True,
)

MAKE = replace(
    _THING,
    kind="test.thing.make",
    title="Test: make a token and deliver it",
    sentence="Make a token for test thing {name} and deliver it.",
    done="Test thing {name} has one more token.",
    rollback="test.thing.unmake",
    reversible=True,
    leads_to_from=MappingProxyType({"tokens": Change(Op.ADD, made="token_id")}),
    parameters=_parameters(store=_STORE),
    example=_PLACE,
    makes=MappingProxyType({"token_id": _ID}),
    delivers="store",
    rotation="Rotate the token of test thing {name}",
    conditions=_WAITS,
    replaces=MappingProxyType({"name": "*"}),  # the token of any thing
)
UNMAKE = replace(
    _THING,
    kind="test.thing.unmake",
    title="Test: delete a token that nobody uses",
    sentence="Delete an unused token of test thing {name}.",
    done="Test thing {name} has one token less.",
    leads_to_from=MappingProxyType({"tokens": Change(Op.REMOVE, parameter="token_id")}),
    parameters=_parameters(token_id=_TOKEN),
    example=_OLD,
    references=MappingProxyType({"token_id": "token_id"}),
)
RETIRE = replace(
    _THING,
    kind="test.thing.retire",
    title="Test: retire a token",
    sentence="Refuse a token of test thing {name}.",
    done="Test thing {name} refuses the token.",
    rollback="test.thing.restore",
    reversible=True,
    leads_to_from=MappingProxyType(
        {
            "tokens": Change(Op.REMOVE, parameter="token_id"),
            "off": Change(Op.ADD, parameter="token_id"),
        }
    ),
    parameters=_parameters(token_id=_TOKEN),
    example=_OLD,
    removes_access=True,
    retires=True,
    lives_on=(),
    conditions=("old_quiet",),
)
RESTORE = replace(
    _THING,
    kind="test.thing.restore",
    title="Test: take a token again",
    sentence="Take a token of test thing {name} again.",
    done="Test thing {name} takes the token.",
    rollback="test.thing.retire",
    reversible=True,
    leads_to_from=MappingProxyType(
        {
            "tokens": Change(Op.ADD, parameter="token_id"),
            "off": Change(Op.REMOVE, parameter="token_id"),
        }
    ),
    parameters=_parameters(token_id=_TOKEN),
    example=_OLD,
    grants_access=True,
)
ROTATE = replace(
    _THING,
    kind="test.thing.rotate",
    title="Test: rotate the one token",
    sentence="Give test thing {name} another token and refuse the old one.",
    done="Test thing {name} takes the new token only.",
    leads_to_from=MappingProxyType(
        {
            "tokens": Change(Op.SET, made="token_id"),
            "off": Change(Op.ADD, parameter="token_id"),
        }
    ),
    parameters=_parameters(store=_STORE, token_id=_TOKEN),
    example=MappingProxyType({**_OLD, **_PLACE}),
    removes_access=True,
    makes=MAKE.makes,
    delivers="store",
    rotation=MAKE.rotation,
    retires=True,
    lives_on=(),
    conditions=_WAITS,
)
ANNOUNCE = replace(
    _THING,
    kind="test.thing.announce",
    title="Test: announce a token",
    sentence="Announce a token of test thing {name}.",
    done="Test thing {name} announces the token.",
    rollback="test.thing.announce",
    reversible=True,
    leads_to_from=MappingProxyType({"announced": Change(Op.SET, parameter="token_id")}),
    parameters=_parameters(token_id=_TOKEN),
    example=_OLD,
    references=MappingProxyType({"token_id": "token_id"}),
)
CREATE = replace(
    _THING,
    kind="test.thing.create",
    title="Test: create a thing",
    sentence="Create test thing {name}.",
    done="There is a test thing {name}.",
    rollback="test.thing.remove",
    reversible=True,
    leads_to=MappingProxyType({"announced": "", "off": [], "tokens": []}),
    creates=True,
)
REMOVE = replace(
    _THING,
    kind="test.thing.remove",
    title="Test: remove a thing",
    sentence="Remove test thing {name}.",
    done="There is no test thing {name}.",
    leads_to=MappingProxyType({"announced": "", "off": [], "tokens": []}),
    removes_access=True,
    lives_on=(),
    leaves=False,
)

PROVIDER = Provider(
    name="test",
    title="Test",
    targets=(TARGET, THING),
    actions=(NOOP, MAKE, UNMAKE, RETIRE, RESTORE, ROTATE, ANNOUNCE, CREATE, REMOVE),
    words={
        "note": pgettext("parameter of an action", "note"),
        "state": pgettext("field of an observation", "state"),
        "store": pgettext("parameter of an action", "place in the store"),
        "token_id": pgettext("parameter of an action", "token"),
        "tokens": pgettext("field of an observation", "tokens"),
        "off": pgettext("field of an observation", "refused tokens"),
        "announced": pgettext("field of an observation", "announced token"),
    },
    for_tests=True,
)
