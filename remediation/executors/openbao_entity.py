"""Disable and enable an identity entity of OpenBao.

One call sets one flag, which OpenBao reads at each request and each sign-in (measured with 2.7). It
leaves the entity's other fields as they are. A worker that dies after the call leaves the flag set;
reading shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from audit.tlog.canonical import Json
from remediation.domain.catalogue.openbao_entity import DISABLE, ENABLE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import GONE, Deadline, Outcome, Point, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, RollbackFailed, StepFailed
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
    cut,
    described,
    own_logins,
    shortened,
)
from remediation.executors.openbao_tokens import iso, moment, scan
from remediation.executors.targets import Targets


class _Switch(Standing):
    """Set the flag of an entity."""

    status: ClassVar[str]

    def observe(self, step: Step, targets: Targets) -> Observation:
        with _observing(step, targets) as api:
            entity = _read(api, step)
            if entity is None:
                return GONE
            tokens, unseen = _tokens(api, step)
        shown: dict[str, Json] = {
            "name": cut(entity.get("name")),
            "groups": shortened(str(one) for one in entity.get("group_ids") or ()),
            "created": iso(moment(str(entity["creation_time"]))),
            "changed": iso(moment(str(entity["last_update_time"]))),
            "tokens": shortened(described(one) for one in tokens),
            "tokens_unseen": unseen,
        }
        return Observation(True, _state(entity), shown, simulated=False)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        """Return the tokens that stop working; enabling ends nothing."""
        if not self.spec.removes_access:
            return {}
        with _observing(step, targets) as api:
            tokens, unseen = _tokens(api, step)
        return {"tokens": shortened(described(one) for one in tokens), "tokens_unseen": unseen}

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if str(observation.shown["name"]).lower().startswith(("hitl_", "hitl-", "hitl.")):
            raise NotApplied("the entity belongs to the portal")

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        place = f"OpenBao {step.target.fields['server']}"
        if not observation.exists:
            return (Point(place, None),)
        return (Point(place, observation.state["status"] == "disabled"),)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        return self._set(clearance, step, targets, self.status, deadline)

    def _set(
        self, clearance: Clearance, step: Step, targets: Targets, status: str, deadline: Deadline
    ) -> Outcome:
        with refusing(), server(targets, step.target.fields["server"]).observing() as reader:
            entity = _read(reader, step)
        if entity is None:
            raise NotApplied(f"{step.target.locator} does not exist")
        api = server(targets, step.target.fields["server"]).operator(clearance)
        api.require_rights([_path(step)])
        entities = [one.get("entity_id") for one in own_logins(api, step, targets)]
        if step.target.fields["entity"] in entities:
            raise NotApplied("the portal itself is this entity")
        if _state(entity)["status"] == status:
            return Outcome({"status": status, "changed": False})
        require_time(deadline)
        with changing():
            # Only the flag: the policy in docs/openbao.md lets nothing else through.
            api.post(_path(step), {"disabled": status == "disabled"})
        return Outcome({"status": status, "changed": True})

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
            done = self._set(clearance, step, targets, before, deadline)
            now = self.observe(step, targets).state.get("status")
        except (StepFailed, TargetUnobservable) as error:
            raise RollbackFailed(error.detail) from error
        if now != before:
            raise RollbackFailed(f"the entity is {now or 'not there'}")
        return done


class DisableEntity(_Switch):
    """Disable an entity: its tokens and sign-ins are refused."""

    spec = DISABLE
    status = "disabled"


class EnableEntity(_Switch):
    """Enable an entity: its tokens that have not ended work again."""

    spec = ENABLE
    status = "enabled"


@contextmanager
def _observing(step: Step, targets: Targets) -> Iterator[Api]:
    at = server(targets, step.target.fields["server"])
    with observing(step.target.locator), at.observing() as api:
        yield api


def _path(step: Step) -> str:
    return f"identity/entity/id/{step.target.fields['entity']}"


def _read(api: Api, step: Step) -> dict[str, Any] | None:
    """Return the entity with exactly this id; None for one that was merged into another."""
    found = api.get(_path(step))
    return found if found and found.get("id") == step.target.fields["entity"] else None


def _state(entity: Mapping[str, Any]) -> dict[str, Json]:
    aliases = sorted(_alias(one) for one in entity.get("aliases") or ())
    return {
        "status": "disabled" if entity.get("disabled") is True else "enabled",
        "aliases": shortened(aliases),
        "policies": list[Json](sorted(str(one) for one in entity.get("policies") or ())),
    }


def _alias(found: Mapping[str, Any]) -> str:
    """Return an alias in words. That of an AppRole is named by its role id, half of a sign-in."""
    at = cut(found.get("mount_path"))
    if found.get("mount_type") == "approle":
        return f"{at} alias {cut(found.get('id'))}"
    return f"{at} {cut(found.get('name'))}"


def _tokens(api: Api, step: Step) -> tuple[list[dict[str, Any]], int]:
    every, unseen = scan(api)
    return [one for one in every if one.get("entity_id") == step.target.fields["entity"]], unseen
