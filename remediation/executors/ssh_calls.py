"""Requests to the program on a host: read a key, take it out, put it back, end its sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Step
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied, OutcomeUnknown, PartlyApplied
from remediation.executors.ssh_host import ANSWER_SECONDS, CONNECT_SECONDS, Broken, host
from remediation.executors.targets import Targets

# What the program refuses, by its words (deploy/ssh/hitl-authorized-keys).
REFUSALS = {
    "account_not_listed": "the host's list does not name the account",
    "other_files": "the host's list names other files for the account than the targets file",
    "no_such_account": "the host has no such account",
    "not_allowed": "the login may not do this",
    "link_or_unreadable": "a link is in the way of the file, or it cannot be read",
    "others_can_write": "others than root and the account can write the file or its directory",
    "not_one_regular_file": "it is no regular file, or has a second name",
    "too_large": "the file is too large",
    "changed_meanwhile": "somebody else changed the file meanwhile",
    "no_such_key": "the key is in none of the files, and was not taken out of one",
    "other_lines": "the key's lines are not those that people approved",
    "cannot_write": "the file cannot be written",
    "file_gone": "the file that the line was in is gone",
    "state_directory": "the program cannot write its directory, or others can",
    "busy": "another call is changing files there",
    "log": "the log of sshd is not named there, or cannot be read",
    "request": "the program did not understand the request",
}


@dataclass(frozen=True)
class Seen:
    """A key as the host's program sees it. `sessions`, `unknown`: None if no log is named."""

    files: Mapping[str, Mapping[str, Any]]
    sessions: list[Any] | None
    unknown: list[Any] | None
    last_use: str
    other_ways: list[Any] | None

    @property
    def exists(self) -> bool:
        return any(one["lines"] or one["held"] for one in self.files.values())

    @property
    def status(self) -> str:
        """Return whether each file that has the key, or had it, has it now."""
        known = [one for one in self.files.values() if one["lines"] or one["held"]]
        now = {bool(one["lines"]) for one in known}
        return "mixed" if len(now) > 1 else "present" if now == {True} else "removed"


def read_key(step: Step, targets: Targets) -> Seen:
    """Return the key as the host sees it. Raises TargetUnobservable."""
    name = step.target.fields["host"]
    at = host(targets, name)
    try:
        said = at.observe({"do": "read", **_about(step, at.accounts)})
        if said.get("refused"):
            raise TargetUnobservable(f"SSH host {name}: {_words(said)}")
        return Seen(
            said["files"], said["sessions"], said["unknown"], said["last_use"], said["other_ways"]
        )
    except Broken as error:
        raise TargetUnobservable(f"SSH host {name}: {error}") from None
    except (KeyError, TypeError, AttributeError):
        raise TargetUnobservable(f"SSH host {name}: the answer has another form") from None


def change(
    what: str,
    clearance: Clearance,
    step: Step,
    targets: Targets,
    deadline: Deadline,
    **more: Json,
) -> Mapping[str, Any]:
    """Let the program change something; return its answer.

    Raises NotApplied, PartlyApplied and OutcomeUnknown. After a lost answer nothing is sent again.
    """
    name = step.target.fields["host"]
    try:
        at = host(targets, name)
        about = _about(step, at.accounts)
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error
    if deadline.left < CONNECT_SECONDS + ANSWER_SECONDS:
        raise NotApplied("no time is left for the call")
    try:
        said = at.operate(clearance, {"do": what, **about, **more})
    except Broken as error:
        lost = OutcomeUnknown if error.sent else NotApplied
        raise lost(f"SSH host {name}: {error}") from None
    if not isinstance(said, dict) or said.get("refused") == "failed":
        raise OutcomeUnknown(f"SSH host {name}: the program failed")
    if said.get("refused"):
        refusal = PartlyApplied if said.get("changed") else NotApplied
        raise refusal(f"SSH host {name}: {_words(said)}")
    return said


def _about(step: Step, accounts: Mapping[str, tuple[str, ...]]) -> dict[str, Json]:
    fields = step.target.fields
    files = accounts.get(fields["account"])
    if files is None:
        raise TargetUnobservable(
            f"the targets file names no files of that account on SSH host {fields['host']}"
        )
    return {
        "account": fields["account"], "fingerprint": fields["fingerprint"], "files": [*files]
    }  # fmt: skip


def _words(said: Mapping[str, Any]) -> str:
    """Return the refusal in words of the portal: the host's own may quote anything."""
    return REFUSALS.get(str(said["refused"]), "the program refused")
