"""Make a secret id of an AppRole and deliver it; destroy one that nobody uses.

The value of a new one is chosen by the worker (custom-secret-id), so it is staged in the store
before OpenBao knows it, and a call whose answer was lost is settled by asking OpenBao for the
staged value. Asking uses up none of its uses; signing in would.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from audit.tlog.canonical import Json
from remediation.domain.catalogue.openbao import DESTROY_NEW, NEW_SECRET_ID
from remediation.domain.conditions import Sighting
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.domain.store_place import is_version_name, version_name
from remediation.domain.waits import is_reference
from remediation.executors.base import (
    GONE,
    Deadline,
    Outcome,
    Question,
    Snapshot,
)
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.delivery import (
    Rotation,
    look_in_store,
    open_place,
    rotate_into,
    settle_staged,
    take_back,
)
from remediation.executors.errors import (
    NotApplied,
    RollbackFailed,
    StepFailed,
    VerifyFailed,
)
from remediation.executors.openbao_audit import VERSION_KEY, look
from remediation.executors.openbao_role import (
    OfRole,
    batch,
    destroy,
    destroy_path,
    held_by,
    look_at,
    refuse_own,
    role_path,
    texts,
    unchanged,
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
    tokens_of,
)
from remediation.executors.secret import SecretValue, make_password
from remediation.executors.targets import Targets

SECRET_ID_LENGTH = 48
_NEW_PATHS = ("custom-secret-id", "secret-id/lookup")


class OfApprole(OfRole):
    """What makes and destroys secret ids of a role, which is the target."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        fields = step.target.fields
        with observing(step.target.locator), server(targets, fields["server"]).observing() as api:
            role = api.get(role_path(fields))
            if role is None:
                return GONE
            held = held_by(api, fields)
            tokens = tokens_of(api, fields["mount"], fields["role"])
        state: dict[str, Json] = {
            "accessors": list[Json](one.accessor for one in held),
            "bind_secret_id": role.get("bind_secret_id") is True,
            "policies": list[Json](sorted(str(one) for one in role.get("token_policies") or ())),
        }
        shown: dict[str, Json] = {
            "secret_ids": [one.to_json() for one in held],
            "secret_id_life": life(role),
            "tokens": [str(one) for one in tokens.found],
            "tokens_unseen": tokens.unseen,
            "batch_tokens": batch(role),
        }
        return Observation(True, state, shown, simulated=False)


class NewSecretId(OfApprole):
    """Make one more secret id, and deliver it."""

    spec = NEW_SECRET_ID

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.state["bind_secret_id"] is not True:
            raise NotApplied("the role asks for no secret id at sign-in")

    def found_made(self, observation: Observation, before: Snapshot) -> Mapping[str, str] | None:
        known = texts(before["accessors"])
        new = [one for one in _secret_ids(observation) if one["accessor"] not in known]
        if len(new) != 1 or not is_version_name(_version_of(new[0])):
            return None
        return {"accessor": str(new[0]["accessor"]), "version": _version_of(new[0])}

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        fields = step.target.fields
        place = open_place(clearance, step, targets, deadline)
        with refusing(), server(targets, fields["server"]).observing() as reader:
            if reader.get(role_path(fields)) is None:
                raise NotApplied(f"{step.target.locator}: there is no such role")
        api = server(targets, fields["server"]).operator(clearance)
        api.require_rights([f"{role_path(fields)}/{end}" for end in _NEW_PATHS])
        refuse_own(api, fields)
        made = _Made(api, role_path(fields), place.version, deadline)
        return made.told(rotate_into(place, made.rotation))

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Promote what a crash left staged, if OpenBao has it; makes no secret id."""
        place = open_place(clearance, step, targets, deadline)
        api = server(targets, step.target.fields["server"]).operator(clearance)
        made = _Made(api, role_path(step.target.fields), place.version, deadline)
        return made.told(settle_staged(place, made.rotation))

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        version = version_name(clearance.proposal_id, step.index)
        try:
            found = self.observe(step, targets)
            held = look_in_store(targets, step.target, step.parameters["store"])
        except TargetUnobservable as error:
            raise VerifyFailed(error.detail) from error
        ours = [one for one in _secret_ids(found) if _version_of(one) == version]
        if len(ours) != 1:
            raise VerifyFailed(f"the role has {len(ours)} secret ids of this step")
        if held.promoted != version:
            raise VerifyFailed(f"the store's plain reads return {held.promoted or 'nothing'}")
        made = {"accessor": str(ours[0]["accessor"]), "version": version}
        return Outcome({**self.seen(found), **made}, found, made)

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        """Take the delivery back, then destroy what this step made; nothing else."""
        refuse_without_clearance(clearance)
        version = version_name(clearance.proposal_id, step.index)
        place = open_place(clearance, step, targets, deadline)
        api = server(targets, step.target.fields["server"]).operator(clearance)
        before = texts(snapshot["accessors"])
        try:
            found = self.observe(step, targets)
            ours = [
                str(one["accessor"])
                for one in _secret_ids(found)
                if _version_of(one) == version and one["accessor"] not in before
            ]
            back = take_back(place) if ours or place.look().promoted == version else Outcome()
            for accessor in ours:
                destroy(api, step.target.fields, accessor, deadline)
            left = self.observe(step, targets).state["accessors"]
        except (StepFailed, TargetUnobservable) as error:
            raise RollbackFailed(error.detail) from error
        if any(one in texts(left) for one in ours):
            raise RollbackFailed("the new secret id is still there")
        return Outcome({**back.detail, "destroyed": list[Json](ours)})

    def look_for(self, question: Question, step: Step, targets: Targets) -> Sighting:
        return look(question, step, targets)


class _Made:
    """The secret id of one step: chosen here, so that the store has it before OpenBao."""

    def __init__(self, api: Api, path: str, version: str, deadline: Deadline) -> None:
        self._api, self._path, self._deadline = api, path, deadline
        self._metadata = {VERSION_KEY: version}
        self.accessor = ""

    @property
    def rotation(self) -> Rotation:
        return Rotation(make=self.make, set_at_target=self.register, proves=self.is_there)

    def told(self, done: Outcome) -> Outcome:
        """Return what a delivery came to, with the accessor."""
        more = {"accessor": self.accessor}
        return Outcome({**done.detail, **more}, made={**done.made, **more})

    def make(self) -> SecretValue:
        return SecretValue({"secret_id": make_password(SECRET_ID_LENGTH)})

    def register(self, value: SecretValue) -> None:
        require_time(self._deadline)
        with changing():
            self._api.post(
                f"{self._path}/custom-secret-id",
                {"secret_id": value.reveal("secret_id"), "metadata": json.dumps(self._metadata)},
            )

    def is_there(self, value: SecretValue) -> bool | None:
        """Return whether OpenBao has it; asking uses up none of its uses."""
        try:
            found = self._api.post(
                f"{self._path}/secret-id/lookup", {"secret_id": value.reveal("secret_id")}
            )
        except Exception:
            return None  # nobody can tell now
        if found is None or found.get("metadata") != self._metadata:
            return False
        self.accessor = str(found["secret_id_accessor"])
        return True


class DestroyNewSecretId(OfApprole):
    """Destroy a secret id with which nobody signed in, by its accessor."""

    spec = DESTROY_NEW

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if is_reference(step.parameters["accessor"]):  # it is made by an earlier step of the plan
            return
        if _accessor(step) not in texts(observation.state["accessors"]):
            raise NotApplied("the role has no secret id with this accessor")

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        fields, accessor = step.target.fields, _accessor(step)
        with refusing():
            found = look_at(step, targets, accessor)
        if found.role is None:
            raise NotApplied(f"{step.target.locator}: there is no such role")
        if found.minted.own or found.minted.unclear:
            raise NotApplied(
                "a token may have been minted with it: propose openbao.secret_id.destroy"
            )
        if found.secret is None:
            return Outcome({"accessor": accessor, "changed": False})
        api = server(targets, fields["server"]).operator(clearance)
        api.require_rights([destroy_path(fields)])
        destroy(api, fields, accessor, deadline)
        return Outcome({"accessor": accessor})

    def _why_not(self, step: Step, found: Observation) -> str:
        if not found.exists:
            return "there is no such role"
        there = _accessor(step) in texts(found.state["accessors"])
        return "the secret id is still there" if there else ""

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        return unchanged(self.observe(step, targets), snapshot)


def _accessor(step: Step) -> str:
    return str(step.parameters["accessor"])


def life(role: Mapping[str, object]) -> str:
    """Return how long a new secret id lives, and how often it signs in, in words."""
    seconds, uses = role.get("secret_id_ttl"), role.get("secret_id_num_uses")
    return f"{seconds or 'no'} s limit, {uses or 'no'} limit of uses"


def _secret_ids(observation: Observation) -> list[Mapping[str, Json]]:
    found = observation.shown.get("secret_ids")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _version_of(shown: Mapping[str, Json]) -> str:
    metadata = shown.get("metadata")
    return str(metadata.get(VERSION_KEY, "")) if isinstance(metadata, dict) else ""
