"""What executors of OpenBao's entities, tokens and leases have in common."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import Deadline, Executor, Outcome, Settled
from remediation.executors.errors import NotApplied, VerifyFailed
from remediation.executors.openbao_server import Api, refusing, server
from remediation.executors.openbao_tokens import iso, moment
from remediation.executors.targets import Targets

PAUSE_SECONDS = 0.3
MOST_SHOWN = 50
MOST_CHARACTERS = 100


class Standing(Executor):
    """An executor whose effect is read until it is there."""

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
            return f"{step.target.locator} does not exist"
        if self.settled(found) is not Settled.APPLIED:
            return "the target is not in the wanted state"
        return "; ".join(self.left_open(step, found))[:300]


def at_path(path: str) -> str:
    """Return a path of the server as a URL has it: every segment is quoted, so that no name adds a
    segment, a query or a fragment. Segments "." and ".." match no pattern of a target."""
    return "/".join(quote(segment, safe="") for segment in path.split("/"))


def own_logins(api: Api, step: Step, targets: Targets) -> list[Mapping[str, Any]]:
    """Return what both logins of the worker are there. Raises NotApplied."""
    with refusing():
        with server(targets, step.target.fields["server"]).observing() as reader:
            observer = reader.get("auth/token/lookup-self")
        operator = api.get("auth/token/lookup-self")
    if not observer or not operator:
        raise NotApplied("OpenBao does not say who the worker's logins are")
    return [observer, operator]


def auth_mounts(api: Api) -> list[str]:
    """Return the paths of the server's auth methods, without the slash at their end."""
    return sorted(name.rstrip("/") for name in api.get("sys/auth") or {})


def described(found: Mapping[str, Any]) -> str:
    """Return a token that was looked up, in words; no part of it is a secret."""
    parts = [f"{found['accessor']} {cut(found.get('display_name'))}"]
    parts.append(f"by {cut(found.get('path'))} since {created(found)}")
    if found.get("expire_time"):
        parts.append(f"until {iso(moment(str(found['expire_time'])))}")
    return " ".join(parts)


def created(found: Mapping[str, Any]) -> str:
    return iso(datetime.fromtimestamp(int(found["creation_time"]), UTC))


def cut(value: object) -> str:
    """Return a short text in one line."""
    return " ".join(str(value or "").split())[:MOST_CHARACTERS]


def shortened(values: Iterable[str]) -> list[Json]:
    """Return the first values, and in words how many more there are."""
    every = list(values)
    more = len(every) - MOST_SHOWN
    return [*every[:MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])]
