"""Lock an account out of signing in, and let it in again: what users and AppRoles have in common.

Locked out, they are bound to an address that no client can have (measured with OpenBao 2.7: a right
password is answered with 403, a right secret id with 400). First the sign-in is closed, then tokens
are revoked, so that none comes between. A worker that dies between both leaves tokens, which
tightening revokes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import GONE, Deadline, Outcome, Point, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, PartlyApplied, RollbackFailed, StepFailed
from remediation.executors.openbao_role import REVOKE_PATH, texts
from remediation.executors.openbao_server import (
    Api,
    changing,
    observing,
    refusing,
    require_time,
    server,
)
from remediation.executors.openbao_standing import (
    Standing,
    described,
    own_logins,
    shortened,
)
from remediation.executors.targets import Targets

NOBODY = "255.255.255.255"
_SUBNET = f"{NOBODY}/32"


@dataclass(frozen=True)
class Account:
    """A user or a role as it was read. `batch`: how long its batch tokens live; "" if none."""

    settings: Mapping[str, Any]
    addresses: Sequence[str]
    tokens: Sequence[Mapping[str, Any]]
    unseen: int
    batch: str
    more: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def status(self) -> str:
        if not self.addresses:
            return "enabled"
        return "disabled" if {*self.addresses} <= {NOBODY, _SUBNET} else "bound"


class Lock(Standing):
    """Bind an account to nobody's address, or to none."""

    status: ClassVar[str]
    setting: ClassVar[str]

    @abstractmethod
    def _read(self, api: Api, step: Step) -> Account | None:
        """Return the account; None if there is none. Raises hvac's errors."""

    @abstractmethod
    def _owns(self, step: Step, token: Mapping[str, Any]) -> bool:
        """Return whether a sign-in of the account gave this token."""

    @abstractmethod
    def _path(self, step: Step) -> str: ...

    def _state(self, account: Account) -> dict[str, Json]:
        policies = account.settings.get("token_policies") or ()
        return {"status": account.status, "policies": list[Json](sorted(map(str, policies)))}

    def _look(self, step: Step, targets: Targets) -> Account | None:
        at = server(targets, step.target.fields["server"])
        with observing(step.target.locator), at.observing() as api:
            return self._read(api, step)

    def observe(self, step: Step, targets: Targets) -> Observation:
        account = self._look(step, targets)
        if account is None:
            return GONE
        with observing(step.target.locator):
            tokens = shortened(described(one) for one in account.tokens)
        shown: dict[str, Json] = {
            **account.more,
            "tokens": tokens,
            "tokens_unseen": account.unseen,
            "batch_tokens": account.batch,
        }
        return Observation(True, self._state(account), shown, simulated=False)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        """Return the tokens that are revoked, where the step asks for it."""
        if step.parameters.get("end_tokens") is not True:
            return {}
        shown = self.observe(step, targets).shown
        return {name: shown[name] for name in ("tokens", "tokens_unseen") if name in shown}

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        _refuse_bound(str(observation.state["status"]))

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        place = f"OpenBao {step.target.fields['server']}"
        if not observation.exists:
            return (Point(place, None),)
        tokens, shown = texts(observation.shown["tokens"]), observation.shown
        if observation.state["status"] != "disabled":
            return (Point(place, False),)
        asked = step.parameters.get("end_tokens") is True
        hidden = bool(shown["tokens_unseen"] or shown["batch_tokens"])
        still = tuple(f"token {one}" for one in tokens) if asked else ()
        return (Point(place, None if hidden and not tokens else not tokens, still),)

    def seen(self, observation: Observation) -> dict[str, Json]:
        return {**observation.state, "tokens": observation.shown["tokens"]}

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        ends = step.parameters.get("end_tokens") is True
        api, changed = self._set(clearance, step, targets, self.status, deadline, ends=ends)
        if not ends:
            return Outcome({"status": self.status, "changed": changed})
        try:
            ended = self._end(api, step, targets, deadline)
        except NotApplied as error:
            if not changed:
                raise
            raise PartlyApplied(f"it is locked out; tokens are left: {error.detail}") from error
        return Outcome({"status": self.status, "changed": changed, "tokens_ended": ended})

    def _set(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        status: str,
        deadline: Deadline,
        *,
        ends: bool = False,
    ) -> tuple[Api, bool]:
        """Return whether anything was changed. Raises NotApplied and OutcomeUnknown."""
        with refusing():
            account = self._look(step, targets)
        if account is None:
            raise NotApplied(f"{step.target.locator} does not exist")
        _refuse_bound(account.status)
        api = server(targets, step.target.fields["server"]).operator(clearance)
        api.require_rights([self._right(step), *([REVOKE_PATH] if ends else [])])
        if any(self._owns(step, one) for one in own_logins(api, step, targets)):
            raise NotApplied("the portal itself signs in with it")
        if account.status == status:
            return api, False
        require_time(deadline)
        with changing():
            # Only this setting: the policy in docs/openbao.md lets nothing else through.
            subnets = [_SUBNET] if status == "disabled" else []
            api.post(self._path(step), {self.setting: list[Json](subnets)})
        return api, True

    def _right(self, step: Step) -> str:
        """Return the path as policies have it: not quoted."""
        return self._path(step)

    def _end(self, api: Api, step: Step, targets: Targets, deadline: Deadline) -> list[Json]:
        """Revoke its tokens; return their accessors. A token that has ended is no error.

        Raises NotApplied, PartlyApplied and OutcomeUnknown.
        """
        with refusing():
            account = self._look(step, targets)
        ended = list[Json]()
        for one in account.tokens if account else ():
            try:
                require_time(deadline)
                with changing():
                    api.post(REVOKE_PATH, {"accessor": str(one["accessor"])})
            except NotApplied as error:
                if not ended:
                    raise
                raise PartlyApplied(f"{len(ended)} tokens revoked; {error.detail}") from error
            ended.append(str(one["accessor"]))
        return ended

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Revoke tokens that are left, where the step asks for it and the account is locked out."""
        with refusing():
            account = self._look(step, targets)
        asked = step.parameters.get("end_tokens") is True
        if not asked or account is None or account.status != "disabled":
            return Outcome()
        api = server(targets, step.target.fields["server"]).operator(clearance)
        return Outcome({"tokens_ended": self._end(api, step, targets, deadline)})

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        before = str(snapshot["status"])
        try:
            _, changed = self._set(clearance, step, targets, before, deadline)
            now = self.observe(step, targets).state.get("status")
        except (StepFailed, TargetUnobservable) as error:
            raise RollbackFailed(error.detail) from error
        if now != before:
            raise RollbackFailed(f"it is {now or 'not there'}")
        return Outcome({"status": before, "changed": changed})


def _refuse_bound(status: str) -> None:
    if status == "bound":
        raise NotApplied(
            "it is bound to addresses of its own, which would be lost: disable its entity"
        )
