"""Verify in the record that who did an act of power signed it with the passkey (A76).

The database takes a signed entry of the web login without verifying its signature: somebody with
that login's password can write a signature that is none. This finds it, from the entries alone. It
does not compare times: an entry's is its writer's, and the database let no old signature through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.tlog.canonical import Json, encode, read
from remediation.domain import b64url
from remediation.domain.act import ActName, ActStatement
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import Refused
from remediation.domain.events import Event
from remediation.domain.gate import signature
from remediation.domain.gate.approvers import fingerprint

_ENROLLED = Event.PERSON_PASSKEY_ENROLLED.value
_REMOVED = {Event.PERSON_PASSKEY_REMOVED.value, Event.OPERATOR_PASSKEYS_REMOVED.value}
# What an entry must contain to concern this module: other entries are not parsed.
_MARKS = tuple(word.encode() for word in (_ENROLLED, *_REMOVED, '"step_up"'))


@dataclass(frozen=True)
class Signed:
    """How the entry of one act follows from what was signed."""

    act: ActName
    # The statement's object, from the entry.
    object: Callable[[Mapping[str, Any]], object] = lambda said: said["object"]
    # The act's input, from the entry's data; None: the data hold its bytes as `input`.
    input: Callable[[Mapping[str, Any]], Mapping[str, Json]] | None = None


def _proposal(said: Mapping[str, Any]) -> str:
    return f"proposal:{said['data']['proposal']}"


# A power over people is always signed. The others are, since their act is.
POWERS: Mapping[Event, Signed] = {
    Event.PERSON_USER_CREATED: Signed(ActName.CREATE_ACCOUNT, lambda said: "account:new"),
    Event.PERSON_USER_CHANGED: Signed(ActName.CHANGE_ACCOUNT),
    Event.PERSON_GROUP_CHANGED: Signed(ActName.CREATE_GROUP),
    Event.PERSON_RIGHT_CHANGED: Signed(ActName.SET_RIGHT),
}
ACTS: Mapping[Event, Signed] = {
    **POWERS,
    Event.PERSON_SESSIONS_ENDED: Signed(ActName.END_SESSIONS, input=lambda data: {}),
    Event.PERSON_OBSERVATION_ASKED: Signed(
        ActName.OBSERVE_AGAIN, input=lambda data: {"round": data["round"]}
    ),
    Event.PERSON_AGENT_REPORTED: Signed(
        ActName.REPORT_AGENT, _proposal, lambda data: {"reason": data["reason"]}
    ),
    Event.PERSON_EVIDENCE_REVEALED: Signed(
        ActName.REVEAL,
        _proposal,
        lambda data: {"artefact": data["artefact"], "reason": data["reason"]},
    ),
}


@dataclass
class SignedActs:
    """Reads the entries of a log in their order, and judges each.

    It holds the keys of passkeys: memory grows with the people, not with the log.
    """

    # person -> fingerprint -> COSE key, of the passkeys that are enrolled at this place of the log
    _keys: dict[str, dict[str, bytes]] = field(default_factory=dict)
    # Powers of which a signed entry was read. Earlier ones are from before they were signed.
    _since: set[str] = field(default_factory=set)

    def why_unsigned(self, raw: bytes) -> str:
        """Return why nobody signed the act of this entry; "" when it is signed, or needs none."""
        if not any(mark in raw for mark in _MARKS) and not any(
            power.encode() in raw for power in self._since
        ):
            return ""
        said = read(raw) or {}
        data, action, actor = said.get("data"), said.get("action"), said.get("actor")
        if not isinstance(data, dict) or not isinstance(action, str) or not isinstance(actor, str):
            return ""
        if action == _ENROLLED:
            self._enrol(actor, data)
        elif action in _REMOVED:
            self._remove(said.get("object"), data)
        elif "step_up" in data or (action in self._since and data != {"named": True}):
            return self._judge(said, data, action, actor)
        return ""

    def _judge(self, said: dict[str, Any], data: dict[str, Any], action: str, actor: str) -> str:
        known = {event.value: how for event, how in ACTS.items()}
        if action not in known:
            return "no act of this name is signed"
        if known[action].act in {how.act for how in POWERS.values()}:
            self._since.add(action)
        try:
            return self._why(said, data, actor, known[action])
        except (Refused, KeyError, TypeError, ValueError, AttributeError) as error:
            return f"the signature cannot be read: {error}"

    def _why(self, said: dict[str, Any], data: dict[str, Any], actor: str, how: Signed) -> str:
        given = data["step_up"]
        statement = ActStatement.parse(encode(given["statement"]))
        if how.input is None:
            signed_input = data["input"].encode()
        else:
            signed_input = encode(dict(how.input(data)))
        meant = (how.act.value, how.object(said), digest(Kind.ACT_INPUT, signed_input), actor)
        person = f"person:{statement.person}"
        if meant != (statement.act, statement.object, statement.input, person):
            return "something else was signed"
        key = b64url.decode(given["cose_key"], "/cose_key")
        if self._keys.get(actor, {}).get(fingerprint(key)) != key:
            return "the person had no such passkey"
        signature.verify_alone(
            signature.Assertion.from_json(given["assertion"]),
            challenge=statement.challenge(),
            cose_key=key,
        )
        return ""

    def _enrol(self, person: str, data: dict[str, Any]) -> None:
        try:
            key = b64url.decode(data["cose_key"], "/cose_key")
        except (Refused, KeyError, TypeError, AttributeError):
            return
        self._keys.setdefault(person, {})[fingerprint(key)] = key

    def _remove(self, person: object, data: dict[str, Any]) -> None:
        gone = data.get("fingerprints") or [data.get("fingerprint")]
        held = self._keys.get(person, {}) if isinstance(person, str) else {}
        for one in gone if isinstance(gone, list) else []:
            held.pop(str(one), None)
