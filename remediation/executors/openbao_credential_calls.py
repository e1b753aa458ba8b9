"""Make a database credential at OpenBao, try it, and take it back: the calls of one delivery.

A lease ends with the token that made it. So the worker's own token makes none: it makes an orphan
token by a token role of this database role, with two uses, of which one makes the credential.
OpenBao gives no credential for a last use: it revokes it at once. So the token makes one and no
more, and nobody can list, renew or use it afterwards, since the worker keeps only its accessor.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.catalogue.openbao_credential import NEW_CREDENTIAL
from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Step
from remediation.executors.base import Deadline, Outcome
from remediation.executors.delivery import Rotation
from remediation.executors.errors import NotApplied, OutcomeUnknown, StepFailed
from remediation.executors.openbao_client import CALL_SECONDS
from remediation.executors.openbao_credential_use import signs_in
from remediation.executors.openbao_leases import leases_of, revoke
from remediation.executors.openbao_server import Api, Database, Server, changing, refusing
from remediation.executors.secret import SecretValue, watch
from remediation.executors.targets import Targets

VERSION_KEY = "hitl_version"
REVOKE_TOKEN = "auth/token/revoke-accessor"  # noqa: S105  a path
# What must be left of the time for staging the credential and trying it.
RESERVE_SECONDS = 15.0
PATIENCE_SECONDS = 5.0
# The longest life that OpenBao gives by default, for a role that names none.
_LONGEST = "768h"


@dataclass
class CredentialCalls:
    """The calls of one delivery. No text that leaves them has the password or a token.

    `made`: what the step made, once that is known. `before`: the leases that reviewers saw; None
    if nobody says.
    """

    api: Api
    at: Server
    database: Database
    step: Step
    targets: Targets
    version: str
    longest: int
    deadline: Deadline
    before: frozenset[str] | None
    made: dict[str, str] = field(default_factory=dict)
    accessor: str = ""

    @property
    def rotation(self) -> Rotation:
        return Rotation(
            make=self.make,
            set_at_target=lambda _: None,  # OpenBao made it
            proves=self.proves,
            lost=self.lost,
            unmake=self.unmake,
            patience_s=PATIENCE_SECONDS,
        )

    def outcome(self, done: Outcome) -> Outcome:
        """Return what a delivery came to, with what was made."""
        return Outcome({**done.detail, **self.made}, made={**done.made, **self.made})

    def lost(self) -> str:
        """Return nothing: a lease that the plan does not know is refused. Raises NotApplied."""
        new = self._appeared() if self.before is not None else []
        if new:
            raise NotApplied(
                f"the plan does not know lease {', '.join(new)}: an earlier call may have made it"
                " and lost its password. Find out whose it is, and propose openbao.lease.revoke"
            )
        return ""

    def make(self) -> SecretValue:
        """Ask for one credential, once. Raises NotApplied or OutcomeUnknown."""
        if self.deadline.left < 2 * CALL_SECONDS + RESERVE_SECONDS:
            raise NotApplied("no time is left to make a credential and deliver it")
        once = self.at.with_token(self._token())
        fields = self.step.target.fields
        try:
            with changing():
                answer = once.secret("GET", f"{fields['mount']}/creds/{fields['role']}")
        except NotApplied:
            self._end_token()
            raise
        except OutcomeUnknown as error:
            raise OutcomeUnknown(f"{error.detail}{self._what_appeared()}") from None
        return self._value(answer)

    def _token(self) -> str:
        """Return a token for one credential. Without one, nothing was made."""
        fields = self.step.target.fields
        role = self.at.token_roles[f"{fields['mount']}/{fields['role']}"]
        body: dict[str, Json] = {
            "num_uses": 2,
            "renewable": False,
            "ttl": f"{self.longest}s" if self.longest else _LONGEST,
            "meta": {VERSION_KEY: self.version},
        }
        with refusing():
            auth = self.api.secret("POST", f"auth/token/create/{role}", body).get("auth") or {}
            token = str(auth["client_token"])
            watch(token)
            self.accessor = str(auth["accessor"])
        policies = auth.get("policies") or []
        if auth.get("orphan") is not True or auth.get("num_uses") != 2 or len(policies) != 1:
            self._end_token()
            raise NotApplied(
                f"token role {role} gives a token that is no orphan, or has other uses or policies"
                " than its own one: see docs/openbao.md"
            )
        return token

    def _value(self, answer: dict[str, Any]) -> SecretValue:
        data = answer.get("data") or {}
        value = SecretValue(
            {
                "username": str(data.get("username", "")),
                "password": str(data.get("password", "")),
                "lease_id": str(answer.get("lease_id", "")),
            }
        )
        if not self._know(value) or value.is_empty:
            self._end_token()
            raise OutcomeUnknown("OpenBao's answer has no credential with a name of a usual form")
        return value

    def _know(self, value: SecretValue) -> bool:
        """Remember what a value is of; return whether it may be recorded."""
        if not {"username", "lease_id"} <= set(value.names):
            return False
        made = {"lease": value.reveal("lease_id"), "username": value.reveal("username")}
        if not all(re.fullmatch(NEW_CREDENTIAL.makes[name], made[name]) for name in made):
            return False
        self.made.update(made, version=self.version)
        return True

    def proves(self, value: SecretValue) -> bool | None:
        """Return whether the database takes it."""
        return signs_in(self.database, value, self.deadline) if self._know(value) else False

    def unmake(self, value: SecretValue) -> None:
        """Revoke the lease that the store did not take; nobody has its password any more."""
        revoke(self.api, value.reveal("lease_id"), self.deadline)
        self.made.clear()
        self._end_token()

    def _end_token(self) -> None:
        """Revoke the token that asked, and so what it made; it also ends by itself."""
        with suppress(StepFailed), changing():
            self.api.post(REVOKE_TOKEN, {"accessor": self.accessor})

    def _appeared(self) -> list[str]:
        """Return the leases that are there now and were not. Raises NotApplied."""
        fields = self.step.target.fields
        with refusing(), self.at.observing() as reader:
            now = leases_of(reader, fields["mount"], fields["role"])
        return [one for one in now if one not in (self.before or frozenset())]

    def _what_appeared(self) -> str:
        """Return in words what a call without an answer may have made."""
        if self.before is None:
            return ""
        try:
            new = self._appeared()
        except (StepFailed, TargetUnobservable):
            return ""
        return f"; lease {', '.join(new)} appeared, and its password is in no store" if new else ""
