"""Lock and unlock accounts of an LDAP directory (OpenLDAP with its ppolicy overlay).

The lock is one attribute of the entry, written at the provider. Each server, replicas too, decides
by its own configuration whether it counts, so each is read. A lock that does not count anywhere is
not applied. A lock is asked at a sign-in with a password only: an open connection goes on, and so
do sign-ins by SASL (measured with OpenLDAP 2.5). The observer is not asked for hashes except to
compare a secret, and never signs in as the account.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

from audit.tlog.canonical import Json
from remediation.domain.catalogue.ldap import LOCK, PROVIDER, UNLOCK
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors import ldap_calls as calls
from remediation.executors.base import (
    GONE,
    Candidate,
    Compared,
    Deadline,
    Executor,
    Outcome,
    Point,
    Settled,
    Snapshot,
)
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.driver import Driver
from remediation.executors.errors import NotApplied, RollbackFailed, StepFailed, VerifyFailed
from remediation.executors.ldap_password import Budget, compare
from remediation.executors.ldap_server import Directory, directory, read
from remediation.executors.libraries import LDAP3
from remediation.executors.targets import Targets

PAUSE_SECONDS = 0.2
VERIFY_SECONDS = 8.0
_MOST = 50


class _Account(Executor):
    """The common parts of both actions. `lock` is the value that the action leaves, "" for none."""

    lock: ClassVar[str]
    # The value after the action by the value before it; `*` is any other.
    wanted: ClassVar[Mapping[str, str]]

    def observe(self, step: Step, targets: Targets) -> Observation:
        at, name = _at(step, targets), step.target.fields["account"]
        return _observation(at, {each: calls.read_account(at, each, name) for each in at.servers})

    def secret_in_force(
        self, step: Step, targets: Targets, candidates: Sequence[Candidate]
    ) -> Compared:
        """Compare with userPassword at the provider, if the observer may read it."""
        at = _at(step, targets)
        held = calls.read_hashes(at, at.provider, step.target.fields["account"])
        budget = Budget()
        answers = tuple(compare(one.values, held, budget) if held else None for one in candidates)
        why = "" if held else "the observer sees no userPassword of the account"
        if held and None in answers:
            why = "a password is held in a form that the portal cannot compare"
        return Compared(
            answers, f"userPassword in directory {step.target.fields['directory']}", why
        )

    def snapshot(self, observation: Observation) -> Snapshot:
        return {**observation.state, "locked_at": _provider(observation)["locked_at"]}

    def settled(self, observation: Observation) -> Settled | None:
        """By the provider; while a replica is behind, or the lock does not count, nobody knows."""
        if not observation.exists:
            return None
        wanted = self.spec.leads_to["status"]
        if _provider(observation)["status"] != wanted:
            return Settled.NOT_APPLIED
        return Settled.APPLIED if self._is_whole(observation) else None

    def _is_whole(self, observation: Observation) -> bool:
        return bool(observation.state["status"] == self.spec.leads_to["status"])

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        if not observation.exists:
            return (Point(step.target.locator, None),)
        servers = _servers(observation)
        points = [Point(f"LDAP server {at}", _without(seen)) for at, seen in servers.items()]
        if observation.shown["ssh_keys"] != 0:
            known = observation.shown["ssh_keys"] is not None
            points.append(
                Point("hosts that take SSH keys from the entry", False if known else None)
            )
        return tuple(points)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Give the lock its new value in one call, which is done whole or not at all.

        A crash before it leaves nothing; after it, the lock as wanted, and a second call sees that.
        """
        refuse_without_clearance(clearance)
        try:
            found = self.observe(step, targets)
        except TargetUnobservable as error:
            raise NotApplied(error.detail) from error
        self.precheck(step, found)
        entry = str((self.expected or found.state)["entry"])
        name, at = step.target.fields["account"], _at(step, targets)
        changed = calls.change(at, clearance, name, entry, self.wanted, deadline)
        return Outcome({"status": self.spec.leads_to["status"], "changed": changed})

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        give_up = Deadline.within(min(VERIFY_SECONDS, deadline.left))
        while True:
            try:
                found = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            why = self._why_not(step, found)
            if not why:
                return Outcome(self.seen(found), found)
            if give_up.passed:
                raise VerifyFailed(why)
            time.sleep(PAUSE_SECONDS)

    def _why_not(self, step: Step, found: Observation) -> str:
        """Return why the target is not in the wanted state; "" if it is."""
        if not found.exists:
            return f"{step.target.locator} does not exist"
        status = found.state["status"]
        return "" if status == self.spec.leads_to["status"] else f"the account is {status}"

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        """Give the lock the value that it had, if it still has the one of this action."""
        refuse_without_clearance(clearance)
        name, before = step.target.fields["account"], str(snapshot["locked_at"])
        try:
            at = _at(step, targets)
            changed = calls.change(
                at, clearance, name, str(snapshot["entry"]), {self.lock: before}, deadline
            )
            found = calls.read_account(at, at.provider, name)
        except (StepFailed, TargetUnobservable) as error:
            raise RollbackFailed(str(error)) from error
        if found is None or found.status != ("locked" if before == calls.LOCK else "open"):
            raise RollbackFailed(f"the account is {found.status if found else 'not there'}")
        return Outcome({"status": found.status, "changed": changed})


class LockAccount(_Account):
    """Lock an account where each server lets the lock count."""

    spec = LOCK
    lock = calls.LOCK
    wanted: ClassVar[Mapping[str, str]] = {"*": calls.LOCK}

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        why = [f"{at}: {one['why']}" for at, one in _servers(observation).items() if one["why"]]
        if observation.state["enforced"] != "yes":
            said = "; ".join(why)[:600]
            raise NotApplied(f"a lock of {step.target.locator} would have no effect: {said}")

    def _is_whole(self, observation: Observation) -> bool:
        return super()._is_whole(observation) and observation.state["enforced"] == "yes"

    def _why_not(self, step: Step, found: Observation) -> str:
        if found.exists and found.state["enforced"] != "yes":
            return "the lock has no effect at each server"
        return super()._why_not(step, found)


class UnlockAccount(_Account):
    """Remove the lock of an administrator, and no other."""

    spec = UNLOCK
    lock = ""
    wanted: ClassVar[Mapping[str, str]] = {calls.LOCK: ""}

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.shown["failed_lock"]:
            raise NotApplied(
                f"{step.target.locator} is locked by failed sign-ins, not by an administrator:"
                " that lock ends by its policy, or a person removes it"
            )


def _at(step: Step, targets: Targets) -> Directory:
    return directory(targets, step.target.fields["directory"])


def _observation(at: Directory, accounts: Mapping[str, calls.Account | None]) -> Observation:
    """Return what the servers show together; the provider says whether the account exists.

    A server says the same of an entry that is not there and of one that the observer may not see.
    Raises TargetUnobservable if a replica does not show the entry, or has another one of its name.
    """
    first = accounts[at.provider]
    if first is None:
        return GONE
    if hidden := [server for server, one in accounts.items() if one is None]:
        raise TargetUnobservable(f"{hidden[0]} does not show the entry, which the provider has")
    held = {server: one for server, one in accounts.items() if one is not None}
    if any(one.entry != first.entry for one in held.values()):
        raise TargetUnobservable("the servers have different entries of this name")
    states, answers = {one.status for one in held.values()}, {o.lock.answer for o in held.values()}
    worst = next(each for each in ("no", "not known", "yes") if each in answers)
    state: dict[str, Json] = {
        "status": first.status if len(states) == 1 else "mixed",
        "enforced": worst,
        "entry": first.entry,
    }
    return Observation(True, state, _shown(at, first, held), False)


def _shown(
    at: Directory, first: calls.Account, held: Mapping[str, calls.Account]
) -> dict[str, Json]:
    counts = [one.connections for one in held.values()]
    known = [count for count in counts if count is not None]
    return {
        "servers": {
            server: {
                "provider": server == at.provider,
                "status": one.status,
                "locked_at": one.locked_at,
                "enforced": one.lock.answer,
                "why": one.lock.why,
                "connections": one.connections,
            }
            for server, one in held.items()
        },
        "password_policies": [
            *sorted({one.lock.policy for one in held.values() if one.lock.policy})
        ],
        "failed_lock": first.locked_at if first.status == "open" else "",
        "failed_binds": max(one.failed_binds for one in held.values()),
        "connections": sum(known) if len(known) == len(counts) else None,
        "addresses": [*sorted({each for one in held.values() for each in one.addresses})[:_MOST]],
        "last_bind": max(one.last_bind for one in held.values()),
        "ssh_keys": first.ssh_keys,
    }


def _servers(observation: Observation) -> dict[str, Mapping[str, Json]]:
    found = observation.shown["servers"]
    assert isinstance(found, dict)
    return {name: one for name, one in sorted(found.items()) if isinstance(one, dict)}


def _provider(observation: Observation) -> Mapping[str, Json]:
    return next(one for one in _servers(observation).values() if one["provider"])


def _without(seen: Mapping[str, Json]) -> bool | None:
    """Return whether a server lets the account in no more; an open connection is access, too.

    None while it is not known whether it has one.
    """
    if seen["status"] != "locked" or seen["enforced"] != "yes":
        return False
    return None if seen["connections"] is None else seen["connections"] == 0


DRIVER = Driver(PROVIDER.name, (LockAccount, UnlockAccount), read, needs=(LDAP3,))
