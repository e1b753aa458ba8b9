"""A76: the record shows an act that its person did not sign, whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from audit.tlog.canonical import encode
from hitlportal.demo.people.passkey import SoftPasskey
from remediation.domain import b64url
from remediation.domain.act import Act, ActName, ActStatement
from remediation.domain.events import Event
from remediation.domain.gate.approvers import fingerprint
from remediation.domain.signed_acts import SignedActs

ALICE, BOB = f"person:{uuid4()}", f"person:{uuid4()}"
KEY, OTHER = SoftPasskey.from_seed("alice"), SoftPasskey.from_seed("other")
RIGHT = Act(
    ActName.SET_RIGHT,
    "service:billing",
    {"right": "review_service", "holder": BOB, "held": True},
)
Entry = dict[str, Any]


def entry(action: Event, actor: str, object: str, **data: Any) -> Entry:
    return {"action": action.value, "actor": actor, "object": object, "data": data, "at": ""}


def enrolled(person: str, key: SoftPasskey) -> Entry:
    shown = b64url.encode(key.cose_key)
    return entry(Event.PERSON_PASSKEY_ENROLLED, person, person, cose_key=shown)


def step_up(act: Act, person: str, key: SoftPasskey) -> dict[str, Any]:
    until = datetime.now(UTC) + timedelta(minutes=5)
    statement = ActStatement(
        act.name, act.object, act.digest, person.removeprefix("person:"), "n" * 32, until
    )
    challenge = statement.challenge()
    assertion = key.assertion(challenge, "portal.example", "https://portal.example")
    return {
        "statement": statement.to_json(),
        "assertion": assertion.to_json(),
        "cose_key": b64url.encode(key.cose_key),
    }


def given(act: Act = RIGHT, actor: str = ALICE, key: SoftPasskey = KEY) -> Entry:
    said = {"input": act.body().decode(), "step_up": step_up(act, actor, key)}
    return entry(Event.PERSON_RIGHT_CHANGED, actor, act.object, **said)


def judged(*entries: Entry) -> str:
    """Return what is said of the last of these entries."""
    acts = SignedActs()
    return [acts.why_unsigned(encode(one)) for one in entries][-1]


def test_a_signed_act_is_found_signed() -> None:
    assert judged(enrolled(ALICE, KEY), given()) == ""


PROPOSAL = "proposal:7"
OTHERS = {
    Event.PERSON_SESSIONS_ENDED: (Act(ActName.END_SESSIONS, ALICE, {}), ALICE, {}),
    Event.PERSON_OBSERVATION_ASKED: (
        Act(ActName.OBSERVE_AGAIN, PROPOSAL, {"round": 2}), PROPOSAL, {"round": 2},
    ),
    Event.PERSON_AGENT_REPORTED: (
        Act(ActName.REPORT_AGENT, PROPOSAL, {"reason": "it lies"}), "agent:1",
        {"proposal": "7", "reason": "it lies", "enabled": False},
    ),
    Event.PERSON_EVIDENCE_REVEALED: (
        Act(ActName.REVEAL, PROPOSAL, {"artefact": "ab", "reason": "to compare"}), "incident:1",
        {"proposal": "7", "artefact": "ab", "reason": "to compare", "secrets": "1 secret"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("event", OTHERS)
def test_each_act_is_bound_to_what_its_entry_says(event: Event) -> None:
    act, about, data = OTHERS[event]
    signed = step_up(act, ALICE, KEY)
    first = enrolled(ALICE, KEY)
    assert judged(first, entry(event, ALICE, about, **data, step_up=signed)) == ""
    for name in act.input:
        changed = {**data, name: "changed"}
        found = judged(first, entry(event, ALICE, about, **changed, step_up=signed))
        assert found == "something else was signed"


def _with(change: Callable[[Entry], None]) -> Entry:
    made = given()
    change(made)
    return made


def _signature(made: Entry) -> None:
    assertion = made["data"]["step_up"]["assertion"]
    assertion["signature"] = b64url.encode(b"\x30\x06\x02\x01\x01\x02\x01\x01")


FORGED: dict[str, tuple[Entry, str]] = {
    "no signature of the key": (_with(_signature), "does not match"),
    "another object": (_with(lambda e: e.update(object="service:ledger")), "something else"),
    "another person": (_with(lambda e: e.update(actor=BOB)), "something else"),
    "another input": (
        _with(lambda e: e["data"].update(input='{"held":true}')), "something else",
    ),
    "another act": (
        {**given(), "action": Event.PERSON_USER_CHANGED.value}, "something else",
    ),
    "a key that nobody enrolled": (given(key=OTHER), "no such passkey"),
    "a key of somebody else": (
        _with(lambda e: e["data"]["step_up"].update(cose_key=b64url.encode(OTHER.cose_key))),
        "no such passkey",
    ),
    "nothing readable": (
        _with(lambda e: e["data"]["step_up"].update(statement={"v": 1})), "cannot be read",
    ),
    "no statement": (_with(lambda e: e["data"].update(step_up=[])), "cannot be read"),
    "an act without a name here": (
        {**given(), "action": Event.PERSON_VIEW_SAVED.value}, "no act of this name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a76_a_forged_signature_is_named(name: str) -> None:
    made, why = FORGED[name]
    assert why in judged(enrolled(ALICE, KEY), enrolled(BOB, OTHER), made)


@pytest.mark.parametrize("by", [Event.PERSON_PASSKEY_REMOVED, Event.OPERATOR_PASSKEYS_REMOVED])
def test_a76_a_removed_passkey_signs_nothing_more(by: Event) -> None:
    print_ = fingerprint(KEY.cose_key)
    gone = {"fingerprint": print_} if by is Event.PERSON_PASSKEY_REMOVED else {}
    gone = gone or {"fingerprints": [print_]}  # type: ignore[dict-item]
    removed = entry(by, ALICE, ALICE, **gone)
    assert (
        judged(enrolled(ALICE, KEY), given(), removed, given()) == "the person had no such passkey"
    )
    assert judged(enrolled(ALICE, KEY), removed, enrolled(ALICE, KEY), given()) == ""


def test_a76_power_is_not_given_without_a_signature_once_it_was_signed() -> None:
    """Entries from before the acts were signed are as they were."""
    bare = entry(Event.PERSON_RIGHT_CHANGED, ALICE, "service:billing", held=True)
    named = entry(Event.PERSON_RIGHT_CHANGED, ALICE, "team:payments", named=True)
    assert judged(enrolled(ALICE, KEY), bare) == ""
    assert "cannot be read" in judged(enrolled(ALICE, KEY), given(), bare)
    assert judged(enrolled(ALICE, KEY), given(), named) == ""


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"step_up"', b'{"action":1,"step_up":{}}'])
def test_bytes_that_are_no_entry_are_not_judged(raw: bytes) -> None:
    """The verification of the writers names them."""
    assert SignedActs().why_unsigned(raw) == ""
