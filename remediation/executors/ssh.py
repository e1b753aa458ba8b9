"""Take the key of an account out of its authorized_keys files, and put it back.

A key is asked for at sign-in only: open sessions go on, so the step ends them after it where the
plan says so. The host's program keeps the lines that it took out; `restore` puts back these and no
others. So the worker's login cannot let in a key of its own.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence

from audit.tlog.canonical import Json, encode
from remediation.domain.catalogue.ssh import PROVIDER, REMOVE, RESTORE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
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
from remediation.executors.errors import RollbackFailed, StepFailed, VerifyFailed
from remediation.executors.libraries import PARAMIKO
from remediation.executors.ssh_calls import Seen, change, read_key
from remediation.executors.ssh_host import read
from remediation.executors.ssh_secret import has_fingerprint
from remediation.executors.targets import Targets

PAUSE_SECONDS = 0.2
VERIFY_SECONDS = 5.0


class _Key(Executor):
    """The common parts of the actions on a key."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        return _observation(read_key(step, targets))

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        """Return the sessions that the step ends; none where the plan ends none."""
        seen, found = read_key(step, targets), dict[str, Json]()
        if step.parameters.get("end_sessions"):
            found["sessions"] = [_told(one) for one in seen.sessions or ()]
        if step.parameters.get("end_unknown"):
            found["unknown_sessions"] = [_told(one) for one in seen.unknown or ()]
        return found

    def secret_in_force(
        self, step: Step, targets: Targets, candidates: Sequence[Candidate]
    ) -> Compared:
        """Derive each candidate's public key in the worker, and compare fingerprints."""
        seen = _observation(read_key(step, targets))
        present = True if seen.state.get("status") != "removed" else _elsewhere(seen)
        if not seen.exists:
            present = False
        fingerprint = step.target.fields["fingerprint"]
        own = [has_fingerprint(one.values, fingerprint) for one in candidates]
        why = "a private key is encrypted or damaged" if None in own else ""
        if present is None and True in own:
            why = "sshd asks more for keys than the files that were looked at"
        answers = tuple(present if one else one for one in own)
        return Compared(answers, f"SSH host {step.target.fields['host']}", why)

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        place = f"SSH host {step.target.fields['host']}"
        if not observation.exists:
            return (Point(place, None),)
        return (Point(place, _without(observation), self._open(step, observation)),)

    def _open(self, step: Step, observation: Observation) -> tuple[str, ...]:
        """Return what is still open for this action, in words."""
        return ()

    def settled(self, observation: Observation) -> Settled | None:
        if observation.state.get("status") == "mixed":
            return None  # a call that was cut off between two files leaves this, too
        return super().settled(observation)

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        """Not applied is only what has each file as it was: the program changes one by one."""
        found = self.settled(observation)
        if found is Settled.APPLIED or "files" not in before:
            return found
        same = observation.exists and observation.shown["files"] == before["files"]
        return Settled.NOT_APPLIED if same else None

    def snapshot(self, observation: Observation) -> Snapshot:
        return {**observation.state, "files": observation.shown["files"]}

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
        if found.state["status"] != self.spec.leads_to["status"]:
            return f"the key is {found.state['status']}"
        return "; ".join(self.left_open(step, found))

    def _lines(self) -> dict[str, Json]:
        """Return the lines that people approved, for the program to compare; {} without them."""
        files = (self.expected or {}).get("files")
        if not isinstance(files, dict):
            return {}
        return {
            "lines": {path: one["lines"] for path, one in files.items() if isinstance(one, dict)}
        }

    def _back(
        self, step: Step, targets: Targets, status: Json, done: Mapping[str, Json]
    ) -> Outcome:
        """Return the outcome of a rollback that led back to this status."""
        try:
            found = self.observe(step, targets)
        except TargetUnobservable as error:
            raise RollbackFailed(error.detail) from error
        if found.state.get("status") != status:
            raise RollbackFailed(f"the key is {found.state.get('status', 'not there')}")
        return Outcome({"status": status, "files": done.get("changed", [])})


class RemoveKey(_Key):
    """Take a key out of the account's files, and end its sessions where the plan says so."""

    spec = REMOVE

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        more = {**_ends(step), **self._lines()}
        said = change("remove", clearance, step, targets, deadline, **more)
        return Outcome({"status": "removed", "files": said["changed"], "ended": said["ended"]})

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        """Put the lines back into the files that had them, and into no other."""
        refuse_without_clearance(clearance)
        had = _files_with(snapshot, "present")
        done: Mapping[str, Json] = {}
        try:
            if had:
                done = change("restore", clearance, step, targets, deadline, only=[*had])
        except StepFailed as error:
            raise RollbackFailed(str(error)) from error
        return self._back(step, targets, snapshot["status"], done)

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """End sessions that came between the change and their end, or did not end in time."""
        if not any(_ends(step).values()):
            return Outcome()
        said = change("end", clearance, step, targets, deadline, **_ends(step))
        return Outcome({"ended": said["ended"]})

    def _open(self, step: Step, observation: Observation) -> tuple[str, ...]:
        named = {"end_sessions": "sessions", "end_unknown": "unknown_sessions"}
        words = {"end_sessions": "open sessions of the key", "end_unknown": "of an unknown key"}
        asked = [name for name in named if step.parameters.get(name)]
        if any(observation.shown[named[name]] is None for name in asked):
            return ("its sessions are not known: the host names no log",)
        return tuple(
            f"{observation.shown[named[name]]} {words[name]}"
            for name in asked
            if observation.shown[named[name]]
        )


class RestoreKey(_Key):
    """Put a key back that was taken out."""

    spec = RESTORE

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        said = change("restore", clearance, step, targets, deadline, **self._lines())
        return Outcome({"status": "present", "files": said["changed"]})

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        """Take the lines out of the files that did not have them; its sessions go on."""
        refuse_without_clearance(clearance)
        had_not = _files_with(snapshot, "removed")
        done: Mapping[str, Json] = {}
        try:
            if had_not:
                done = change("remove", clearance, step, targets, deadline, only=[*had_not])
        except StepFailed as error:
            raise RollbackFailed(str(error)) from error
        return self._back(step, targets, snapshot["status"], done)


def _ends(step: Step) -> dict[str, Json]:
    return {name: bool(step.parameters.get(name)) for name in ("end_sessions", "end_unknown")}


def _files_with(snapshot: Snapshot, status: str) -> list[str]:
    files = snapshot.get("files")
    assert isinstance(files, dict)
    return [
        path for path, one in files.items() if isinstance(one, dict) and one["status"] == status
    ]


def _observation(seen: Seen) -> Observation:
    if not seen.exists:
        return GONE
    lines: dict[str, Json] = {
        path: [*(one["lines"] or one["held"])] for path, one in seen.files.items()
    }
    shown: dict[str, Json] = {
        "files": {
            path: {"status": _status(one), "lines": lines[path]}
            for path, one in sorted(seen.files.items())
        },
        "options": [*sorted({name for one in seen.files.values() for name in one["options"]})][:20],
        "authority": sum(one["authority"] for one in seen.files.values()),
        "sessions": None if seen.sessions is None else len(seen.sessions),
        "session_addresses": [*sorted({str(o["address"])[:60] for o in seen.sessions or ()})],
        "unknown_sessions": None if seen.unknown is None else len(seen.unknown),
        "last_use": seen.last_use[:60],
        "other_ways": None if seen.other_ways is None else [*seen.other_ways],
    }
    digest = hashlib.sha256(encode(lines)).hexdigest()
    return Observation(True, {"status": seen.status, "lines": digest}, shown, False)


def _status(one: Mapping[str, Json]) -> str:
    return "present" if one["lines"] else "removed" if one["held"] else "absent"


def _without(observation: Observation) -> bool | None:
    """Return whether the key lets nobody in: a session of it is access, too. None: not known."""
    if observation.state["status"] != "removed" or observation.shown["sessions"]:
        return False
    elsewhere = _elsewhere(observation)
    known = observation.shown["sessions"] is not None and not observation.shown["unknown_sessions"]
    return not elsewhere if elsewhere or (known and elsewhere is False) else None


def _elsewhere(observation: Observation) -> bool | None:
    """Return whether the key lets in by something else than its lines. None: not known.

    Who has the key of an authority signs a certificate, and comes in by that. What sshd reads and
    nobody looked at may have the key.
    """
    other = observation.shown["other_ways"]
    if observation.shown["authority"]:
        return True
    unseen = ("file ", "authorizedkeyscommand ")
    if not isinstance(other, list) or any(str(one).startswith(unseen) for one in other):
        return None
    return False


def _told(one: Mapping[str, Json]) -> dict[str, Json]:
    """Return a session for people; names of programs alone, since arguments may hold secrets."""
    found: dict[str, Json] = {
        name: str(one.get(name, ""))[:200] for name in ("address", "since", "command")
    }
    return {"pid": one.get("pid"), **found}


DRIVER = Driver(PROVIDER.name, (RemoveKey, RestoreKey), read, needs=(PARAMIKO,))
