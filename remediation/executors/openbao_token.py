"""Revoke a token of OpenBao by its accessor; the token itself is never read nor sent.

One call ends the token with its children and their leases. A worker that dies after the call leaves
it revoked; reading shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.catalogue.openbao_token import REVOKE_TOKEN
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import GONE, Deadline, Outcome, Point, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, RollbackFailed
from remediation.executors.openbao_role import REVOKE_PATH
from remediation.executors.openbao_server import (
    changing,
    observing,
    refusing,
    require_time,
    server,
)
from remediation.executors.openbao_standing import (
    Standing,
    auth_mounts,
    created,
    cut,
    described,
    own_logins,
    shortened,
)
from remediation.executors.openbao_tokens import iso, looked_up, moment
from remediation.executors.targets import Targets

_SHOWN = (
    *("display_name", "path", "policies", "entity", "created", "expires", "token_kind", "orphan"),
    *("uses_left", "last_used"),
)


@dataclass(frozen=True)
class _Seen:
    """`mounted`: the auth method is there, and the token, if it is valid, is one of it."""

    mounted: bool
    token: Mapping[str, Any] | None = None


class RevokeToken(Standing):
    """Revoke a token."""

    spec = REVOKE_TOKEN

    def observe(self, step: Step, targets: Targets) -> Observation:
        with observing(step.target.locator):
            seen = _look(step, targets)
            if not seen.mounted:
                return GONE
            shown = _shown(seen.token)
        return Observation(True, {"valid": seen.token is not None}, shown, simulated=False)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        with observing(step.target.locator):
            token = _look(step, targets).token
            return {"tokens": [described(token)]} if token else {}

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.state["valid"] is not True:
            raise NotApplied("there is no such token: it was revoked or has ended, or never was")

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        place = f"OpenBao {step.target.fields['server']}"
        if not observation.exists:
            return (Point(place, None),)
        return (Point(place, observation.state["valid"] is False),)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        with refusing():
            seen = _look(step, targets)
        if not seen.mounted:
            raise NotApplied(f"{step.target.locator}: there is no such token of this auth method")
        api = server(targets, step.target.fields["server"]).operator(clearance)
        api.require_rights([REVOKE_PATH])
        accessor = step.target.fields["accessor"]
        if accessor in [one.get("accessor") for one in own_logins(api, step, targets)]:
            raise NotApplied("the portal itself works with this token")
        if seen.token is None:
            return Outcome({"revoked": False})
        require_time(deadline)
        with changing():
            api.post(REVOKE_PATH, {"accessor": accessor})
        return Outcome({"revoked": True})

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        found = self.observe(step, targets)
        if found.exists and found.state["valid"] == snapshot.get("valid"):
            return Outcome({"changed": False})
        raise RollbackFailed("a revoked token has no way back; its holder signs in anew")


def _look(step: Step, targets: Targets) -> _Seen:
    """Read with the observer's login. Raises TargetUnobservable and hvac's errors."""
    fields = step.target.fields
    with server(targets, fields["server"]).observing() as api:
        if fields["mount"] not in auth_mounts(api):
            return _Seen(mounted=False)
        found = looked_up(api, fields["accessor"])
    if not found:
        return _Seen(mounted=True)
    ours = found.get("accessor") == fields["accessor"]
    if not ours or not str(found.get("path")).startswith(f"auth/{fields['mount']}/"):
        return _Seen(mounted=False)  # a token of another auth method is another target
    return _Seen(mounted=True, token=found)


def _shown(found: Mapping[str, Any] | None) -> dict[str, Json]:
    if found is None:
        return dict.fromkeys(_SHOWN)
    expires = found.get("expire_time")
    policies = {*(found.get("policies") or ()), *(found.get("identity_policies") or ())}
    return {
        "display_name": cut(found.get("display_name")),
        "path": cut(found.get("path")),
        "policies": shortened(sorted(cut(one) for one in policies)),
        "entity": str(found.get("entity_id") or ""),
        "created": created(found),
        "expires": iso(moment(str(expires))) if expires else "never",
        "token_kind": cut(found.get("type")),
        "orphan": found.get("orphan") is True,
        "uses_left": int(found.get("num_uses") or 0) or "not counted",
        "last_used": None,
    }
