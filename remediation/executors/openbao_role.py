"""Read an AppRole with its secret ids and tokens, and the two calls that take away."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import (
    Deadline,
    Executor,
    Outcome,
    Settled,
    Snapshot,
)
from remediation.executors.errors import (
    NotApplied,
    PartlyApplied,
    RollbackFailed,
    VerifyFailed,
)
from remediation.executors.openbao_server import (
    Api,
    changing,
    observing,
    refusing,
    require_time,
    server,
)
from remediation.executors.openbao_tokens import (
    Minted,
    SecretId,
    Tokens,
    minted_by,
    secret_id,
    tokens_of,
)
from remediation.executors.targets import Targets

# More secret ids than people can decide about: the role is not observable, and says so.
MOST_SECRET_IDS = 200
PAUSE_SECONDS = 0.3
NO_WAY_BACK = "a destroyed secret id has no way back; make and deliver a new one"
REVOKE_PATH = "auth/token/revoke-accessor"


class OfRole(Executor):
    """What executors of AppRoles and their secret ids have in common."""

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        while True:
            try:
                found = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            why = self._why_not(step, found)
            if not why:
                return Outcome(self.seen(found), found)
            if deadline.left < PAUSE_SECONDS:
                raise VerifyFailed(why)
            time.sleep(PAUSE_SECONDS)

    def _why_not(self, step: Step, found: Observation) -> str:
        """Return why the observation does not confirm the step; "" if it does."""
        if not found.exists:
            return "there is no such role"
        if self.settled(found) is not Settled.APPLIED:
            return "the target is not in the wanted state"
        return "; ".join(self.left_open(step, found))[:300]


class Look:
    """One reading of a role, one of its secret ids, and the role's tokens."""

    def __init__(
        self,
        role: Mapping[str, object] | None,
        secret: SecretId | None,
        others: Sequence[SecretId],
        tokens: Tokens,
    ) -> None:
        self.role, self.secret, self.others, self.tokens = role, secret, others, tokens
        self.minted = minted_by(secret, others, tokens.found)


def look_at(step: Step, targets: Targets, accessor: str) -> Look:
    """Read with the observer's token. Raises TargetUnobservable."""
    fields = step.target.fields
    with observing(step.target.locator), server(targets, fields["server"]).observing() as api:
        role = api.get(role_path(fields))
        if role is None:
            return Look(None, None, (), Tokens((), 0))
        held = held_by(api, fields)
        secret = next((one for one in held if one.accessor == accessor), None)
        others = [one for one in held if one.accessor != accessor]
        return Look(role, secret, others, tokens_of(api, fields["mount"], fields["role"]))


def held_by(api: Api, fields: Mapping[str, str]) -> list[SecretId]:
    """Return the role's secret ids by accessor. Raises TargetUnobservable if they are too many."""
    accessors = sorted(api.list(f"{role_path(fields)}/secret-id"))
    if len(accessors) > MOST_SECRET_IDS:
        raise TargetUnobservable(
            f"the role has {len(accessors)} secret ids; at most {MOST_SECRET_IDS} can be shown"
        )
    found = (secret_id(api, fields["mount"], fields["role"], one) for one in accessors)
    return [one for one in found if one is not None]


def refuse_own(api: Api, fields: Mapping[str, str]) -> None:
    """Refuse the role that the operator's own token was minted by."""
    with refusing():
        me = api.get("auth/token/lookup-self") or {}
    meta = me.get("meta")
    role = meta.get("role_name") if isinstance(meta, dict) else None
    if me.get("path") == f"auth/{fields['mount']}/login" and role == fields["role"]:
        raise NotApplied("the portal itself signs in with this role")


def end_tokens(api: Api, minted: Minted, step: Step, deadline: Deadline) -> list[str]:
    """Revoke what the step asks for; return the accessors. Raises the error of the first failure.

    After one that was revoked, a refusal leaves a part of the change.
    """
    asked = step.parameters.get("end_unclear_tokens") is True
    ended: list[str] = []
    for token in [*minted.own, *(minted.unclear if asked else ())]:
        try:
            require_time(deadline)
            with changing():
                api.post(REVOKE_PATH, {"accessor": token.accessor})
        except NotApplied as error:
            if not ended:
                raise
            raise PartlyApplied(f"{len(ended)} tokens revoked; {error.detail}") from error
        ended.append(token.accessor)
    return ended


def destroy(api: Api, fields: Mapping[str, str], accessor: str, deadline: Deadline) -> None:
    require_time(deadline)
    with changing():
        api.post(destroy_path(fields), {"secret_id_accessor": accessor})


def unchanged(found: Observation, snapshot: Snapshot) -> Outcome:
    """Return that nothing has to be restored. Raises RollbackFailed if something would have to."""
    if dict(found.state) == {name: snapshot[name] for name in found.state}:
        return Outcome({"changed": False})
    raise RollbackFailed(NO_WAY_BACK)


def role_path(fields: Mapping[str, str]) -> str:
    return f"auth/{fields['mount']}/role/{fields['role']}"


def destroy_path(fields: Mapping[str, str]) -> str:
    return f"{role_path(fields)}/secret-id-accessor/destroy"


def batch(role: Mapping[str, object]) -> str:
    """Return how long the role's batch tokens live; "" if it gives none."""
    if role.get("token_type") != "batch":
        return ""
    seconds = role.get("token_max_ttl") or role.get("token_ttl")
    return f"{seconds} s" if seconds else "the server's default"


def texts(value: Json) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
