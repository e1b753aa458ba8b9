"""Suspend an Okta user, lift the suspension, and clear the user's sessions and tokens."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.catalogue.okta import CLEAR_SESSIONS, PROVIDER, SUSPEND, UNSUSPEND
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors import okta_calls as calls
from remediation.executors.base import Deadline, Executor, Outcome, Settled, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.driver import Driver
from remediation.executors.errors import NotApplied, RollbackFailed, StepFailed, VerifyFailed
from remediation.executors.libraries import OKTA_AUTHLIB, OKTA_REQUESTS
from remediation.executors.okta_server import organisation, read
from remediation.executors.targets import Targets

# Each look is four calls; Okta takes few of the log in a minute.
PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.5, 4.0
# The log may be late. After a rollback there is less time: it has looked and called before.
VERIFY_SECONDS, BACK_SECONDS = 20.0, 10.0
# What the clocks of the portal and of Okta may differ by.
CLOCKS = timedelta(minutes=2)
_STATUS = re.compile(r"[A-Z][A-Z_]{1,39}")
# The statuses from which Okta takes each call.
_FROM = {SUSPEND.kind: "ACTIVE", UNSUSPEND.kind: "SUSPENDED"}
_CALLS = {SUSPEND.kind: "suspend", UNSUSPEND.kind: "unsuspend"}


class OktaStep(Executor):
    """One change of a user by one call; the next look decides whether that worked."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        at, fields = organisation(targets, step.target.fields["org"]), step.target.fields
        user_id = fields["user_id"]
        with calls.reading(at) as okta:
            user = okta.user(user_id)
            if user is None:
                if okta.event("user.lifecycle.delete.completed", user_id):
                    return Observation(False, {}, {}, at.simulated)
                raise TargetUnobservable("Okta: the user is not there, or the app may not see it")
            if calls.text(user["profile"], "login") != fields["login"]:
                raise TargetUnobservable("Okta: the user of this id has another login")
            shown = _shown(user)
            shown["admin_roles"] = [*okta.roles(user_id)]
            before = step.parameters.get("begun_before")
            shown["cleared_since"] = None
            if isinstance(before, str):
                client = at.operator.client_id
                shown["cleared_since"] = okta.event("user.session.clear", user_id, before, client)
            return Observation(True, _state(user), shown, at.simulated)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        """Read what the user was, if the action ends something of it."""
        if self.spec is UNSUSPEND:
            return {}
        seen = self.observe(step, targets)
        if not seen.exists or self._is_done(seen):
            return {}
        return {"user": {**seen.state, **seen.shown}}

    def _is_done(self, seen: Observation) -> bool:
        return self.after(seen.state) == seen.state

    def _change(self, step: Step, targets: Targets, pem: str, deadline: Deadline) -> None:
        _lifecycle(step, targets, pem, self.spec.kind, deadline)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        try:
            # The key is read first: without it there is no reason to look.
            pem = calls.operator_key(organisation(targets, step.target.fields["org"]), clearance)
            seen = self.observe(step, targets)
        except TargetUnobservable as error:
            raise NotApplied(error.detail) from error
        if seen.exists and self._is_done(seen):
            return Outcome({**self.spec.leads_to, "changed": False})
        self.precheck(step, seen)
        if self.expected is not None and dict(self.expected) != seen.state:
            raise NotApplied("the target is not as it was when the step was let through")
        self._change(step, targets, pem, deadline)
        return Outcome({**self.spec.leads_to, "changed": True})

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        for _ in _tries(VERIFY_SECONDS, deadline):
            try:
                found = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            if not found.exists:
                raise VerifyFailed(f"{step.target.locator} does not exist")
            if self._is_done(found):
                return Outcome(self.seen(found), found)
        raise VerifyFailed(self._still(found))

    def _still(self, found: Observation) -> str:
        return f"status is still {found.state['status']!r}"

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        try:
            seen = self.observe(step, targets)
            if seen.exists and seen.state == dict(snapshot):
                return Outcome({**snapshot, "changed": False})
            if not seen.exists or seen.state != self.after(snapshot):
                raise RollbackFailed("somebody else changed the target since")
            back = str(self.spec.rollback)
            if snapshot["status"] != _FROM[self.spec.kind]:
                raise RollbackFailed("Okta cannot bring the user back to its earlier status")
            pem = calls.operator_key(organisation(targets, step.target.fields["org"]), clearance)
            self._refuse_what_others_did(step, targets, deadline)
            _lifecycle(step, targets, pem, back, deadline)
            self._wait_for(step, targets, snapshot, deadline)
        except RollbackFailed:
            raise
        except (StepFailed, TargetUnobservable) as error:
            raise RollbackFailed(str(error)) from error
        return Outcome({**snapshot, "changed": True})

    def _wait_for(self, step: Step, targets: Targets, wanted: Snapshot, deadline: Deadline) -> None:
        for _ in _tries(BACK_SECONDS, deadline):
            if self.observe(step, targets).state == dict(wanted):
                return
        raise RollbackFailed("the target is not as it was before")

    def _refuse_what_others_did(self, step: Step, targets: Targets, deadline: Deadline) -> None:
        """Raise RollbackFailed if the state is the work of somebody else."""


class _Lifecycle(OktaStep):
    """Both directions of a suspension."""

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        status, needed = observation.state["status"], _FROM[self.spec.kind]
        if status not in (needed, self.spec.leads_to["status"]):
            raise NotApplied(f"Okta does this only to a user that is {needed}; it is {status}")


class Suspend(_Lifecycle):
    """Suspend an active user."""

    spec = SUSPEND

    def _refuse_what_others_did(self, step: Step, targets: Targets, deadline: Deadline) -> None:
        """A person may have lifted it and suspended the user anew: that is not undone."""
        at = organisation(targets, step.target.fields["org"])
        for _ in _tries(BACK_SECONDS, deadline):
            with calls.reading(at) as okta:
                last = okta.newest("user.lifecycle.suspend", step.target.fields["user_id"])
                if last and calls.text(last["actor"], "id") == at.operator.client_id:
                    return
        raise RollbackFailed("Okta's log does not have that the portal suspended the user last")


class Unsuspend(_Lifecycle):
    """Lift the suspension."""

    spec = UNSUSPEND


class ClearSessions(OktaStep):
    """Clear all sessions and OAuth tokens, unless the portal did so after the given time."""

    spec = CLEAR_SESSIONS

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        before = instant.parse(str(step.parameters["begun_before"]))
        if before > datetime.now(UTC) + CLOCKS:
            raise NotApplied("the given time is in the future")

    def settled(self, observation: Observation) -> Settled | None:
        """Only the log says it, and it may say it late: its silence is no sign of nothing."""
        return Settled.APPLIED if observation.exists and self._is_done(observation) else None

    def _is_done(self, seen: Observation) -> bool:
        return seen.shown.get("cleared_since") is True

    def _change(self, step: Step, targets: Targets, pem: str, deadline: Deadline) -> None:
        at = organisation(targets, step.target.fields["org"])
        path = f"/api/v1/users/{step.target.fields['user_id']}/sessions"
        calls.change(at, pem, "DELETE", path, {"oauthTokens": "true"}, deadline)

    def _still(self, found: Observation) -> str:
        return "Okta's log does not have that sessions were cleared"

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        raise RollbackFailed("sessions and tokens that were cleared are not restored")


def _tries(seconds: float, deadline: Deadline) -> Iterator[None]:
    """Yield once and, after longer and longer pauses, again until the time is over."""
    give_up, pause = Deadline.within(min(seconds, deadline.left)), PAUSE_SECONDS
    while True:
        yield
        if give_up.passed:
            return
        time.sleep(min(pause, give_up.left))
        pause = min(2 * pause, MOST_PAUSE_SECONDS)


def _lifecycle(step: Step, targets: Targets, pem: str, kind: str, deadline: Deadline) -> None:
    at = organisation(targets, step.target.fields["org"])
    path = f"/api/v1/users/{step.target.fields['user_id']}/lifecycle/{_CALLS[kind]}"
    calls.change(at, pem, "POST", path, {}, deadline)


def _state(user: calls.Object) -> dict[str, Json]:
    status, kind = calls.text(user, "status"), calls.text(user["type"], "id")
    if not _STATUS.fullmatch(status) or not kind:
        raise ValueError("status")
    return {"status": status, "user_type": kind}


def _shown(user: calls.Object) -> dict[str, Json]:
    return {
        "status_changed": calls.moment(user, "statusChanged"),
        "last_login": calls.moment(user, "lastLogin"),
        "password_changed": calls.moment(user, "passwordChanged"),
    }


DRIVER = Driver(
    PROVIDER.name, (Suspend, Unsuspend, ClearSessions), read, needs=(OKTA_AUTHLIB, OKTA_REQUESTS)
)
