"""What all actions on a PostgreSQL role have in common: the look, the checks, the waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.catalogue.postgres_role import REFUSED, ROLE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import GONE, Deadline
from remediation.executors.errors import CredentialUnavailable, NotApplied, VerifyFailed
from remediation.executors.postgres_cluster import cluster
from remediation.executors.postgres_ending import LOOK_SECONDS, Ending
from remediation.executors.postgres_live import LiveRole
from remediation.executors.postgres_look import OBSERVE_SECONDS, look
from remediation.executors.postgres_operate import operate, refuse_other_cluster, role_oid
from remediation.executors.postgres_servers import standby_name
from remediation.executors.postgres_session import Connection, NotUsable
from remediation.executors.targets import Targets

# How long `apply` and `tighten` wait for sessions to end and for standbys to follow. Then the step
# is recorded as partly applied, and the worker comes back later.
PATIENCE_SECONDS = 5.0
# Kept of the time allowed, to read which sessions are left.
NAMING_SECONDS = 2.0
# How long to wait for a lock before the role's own sessions are suspected of it.
LOCK_SECONDS = 1.0

# What is recorded of the observation that confirms a step, beside the pin.
_RECORDED = (
    "sessions", "servers", "standbys_unseen", "members", "member_sessions", "definer_functions"
)  # fmt: skip


def add_standbys(
    ending: Ending,
    primary: Connection,
    stack: ExitStack,
    clearance: Clearance,
    step: Step,
    targets: Targets,
    deadline: Deadline,
) -> None:
    """Add each standby of the targets file to the ending; one that cannot be used has failed."""
    name = step.target.fields["cluster"]
    for each, standby in cluster(targets, name).standbys.items():
        place = standby_name(name, each)
        try:
            connection = operate(stack, standby, clearance, targets, deadline, standby=True)
            refuse_other_cluster(connection, primary)
            ending.add(place, connection)
        except (NotUsable, CredentialUnavailable) as error:
            ending.failed[place] = error.detail


def uncut(targets: Targets, name: str) -> list[Json]:
    """Return why a login that sets passwords is not cut to one step, in words; empty if it is."""
    if cluster(targets, name).ticket_dsn is None:
        return []
    return ["this worker holds the login that opens tickets, too"]


class RoleAction(LiveRole):
    """The common parts of the actions on a role."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        return self._look(step, targets, OBSERVE_SECONDS)

    def _look(self, step: Step, targets: Targets, seconds: float) -> Observation:
        name = step.target.fields["cluster"]
        found = look(
            name,
            cluster(targets, name),
            step.target.fields["role"],
            portal=targets.portal_system_identifier,
            seconds=seconds,
        )
        if found is None:
            return GONE
        if "oid" not in found:  # the name means no role; the one that was turned off is still seen
            return replace(GONE, shown=found)
        found |= self._beside(step, targets, found)
        found["uncut"] = uncut(targets, name)
        state = {field: found[field] for field in self.spec.pin_fields}
        shown = {field: found[field] for field in ROLE.shown_fields}
        return Observation(True, state, shown, simulated=False)

    def _beside(self, step: Step, targets: Targets, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return what this action reads besides the role's row. Raises TargetUnobservable."""
        return {}

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        has = [word for field, word in REFUSED.items() if observation.state[field] is not False]
        above = observation.shown.get("can_become") or []
        if isinstance(above, list) and above:
            raise NotApplied(
                f"the role can become {', '.join(map(str, above))}, and so could undo what is done"
            )
        if has:
            raise NotApplied(
                f"the role administers the cluster: it has {', '.join(has)}, and the functions on"
                " the target refuse it"
            )
        if observation.state["member_of_managed"] is not True:
            raise NotApplied("the role is not a member of hitl_managed")

    def seen(self, observation: Observation) -> dict[str, Json]:
        """Add what each server showed, and what goes on all the same, as it was seen then."""
        shown = {n: observation.shown[n] for n in _RECORDED if n in observation.shown}
        return {**observation.state, **shown}

    def _read_until(
        self,
        wanted: Callable[[Observation], bool],
        step: Step,
        targets: Targets,
        deadline: Deadline,
    ) -> Observation:
        while True:
            try:
                seen = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            if wanted(seen):
                return seen
            if deadline.passed:
                still = "; ".join(self.left_open(step, seen))
                raise VerifyFailed(still or self._state_in_words(seen))
            time.sleep(LOOK_SECONDS)

    def _state_in_words(self, seen: Observation) -> str:
        return f"the role's login is {seen.state.get('login')}"

    def _oid(self, primary: Connection, step: Step) -> int:
        """Return the oid that people decided about; without it, that of the name now."""
        if self.expected is not None:
            return int(str(self.expected["oid"]))
        return role_oid(primary, step.target.fields["role"])
