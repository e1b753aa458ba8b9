"""Revoke every lease below a path of one mount of OpenBao.

OpenBao matches whole segments: `pki/issue/we` is not above `pki/issue/web/…` (measured with 2.7).
With `sync` it answers when the other systems did. It stops at the first that refuses, and what was
revoked before stays revoked; a lost answer leaves some revoked. Reading shows how many are left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from audit.tlog.canonical import Json
from remediation.domain.catalogue.openbao_lease_prefix import REVOKE_PREFIX
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import GONE, Deadline, Outcome, Settled, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, PartlyApplied, RollbackFailed
from remediation.executors.openbao_leases import LOOKUP_PATH, lease_of
from remediation.executors.openbao_server import (
    Api,
    changing,
    observing,
    refusing,
    require_time,
    server,
)
from remediation.executors.openbao_standing import (
    MOST_SHOWN,
    Standing,
    at_path,
    cut,
    own_logins,
    shortened,
)
from remediation.executors.openbao_tokens import iso, moment
from remediation.executors.targets import Targets

REVOKE_PREFIX_PATH = "sys/leases/revoke-prefix"
# More than one call can end in its time; a longer path is another target.
MOST_LEASES = 500
MOST_FOLDERS = 200
LOOK_SECONDS = 8.0


@dataclass(frozen=True)
class _Seen:
    """`mount` is "" if no mount is above the path or at it."""

    mount: str
    leases: tuple[str, ...] = ()
    whole: bool = False


class RevokeLeasePrefix(Standing):
    """Revoke what lies below a path."""

    spec = REVOKE_PREFIX

    def observe(self, step: Step, targets: Targets) -> Observation:
        with _observing(step, targets) as api:
            seen = _look(api, step.target.fields["prefix"])
        if not seen.mount:
            return GONE
        shown: dict[str, Json] = {
            "below": shortened(_counted(seen.leases)),
            "whole_mount": seen.whole,
        }
        state: dict[str, Json] = {"leases": len(seen.leases), "mount": seen.mount}
        return Observation(True, state, shown, simulated=False)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        """Return the leases with their times. An id is no credential; below auth/ it has a hash of
        a token, so its last part is cut there."""
        with _observing(step, targets) as api:
            seen = _look(api, step.target.fields["prefix"])
            told = [_told(api, one) for one in seen.leases[:MOST_SHOWN]]
        return {"leases": len(seen.leases), "first": [one for one in told if one]}

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if not observation.state["leases"]:
            raise NotApplied("there is no live lease below it")

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        """Not applied is only what has each lease: a call that was cut off revoked some of them."""
        found = self.settled(observation)
        if found is not Settled.NOT_APPLIED or dict(observation.state) == dict(before):
            return found
        return None

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        prefix = step.target.fields["prefix"]
        with refusing():
            before = _read(step, targets)
        if not before.mount:
            raise NotApplied(f"{step.target.locator}: no mount of the server is there")
        api = server(targets, step.target.fields["server"]).operator(clearance)
        path = f"{REVOKE_PREFIX_PATH}/{prefix}"
        api.require_rights([path], sudo=True)
        _refuse_own(api, step, targets)
        if not before.leases:
            return Outcome({"revoked": 0})
        require_time(deadline)
        self._revoke(api, f"{REVOKE_PREFIX_PATH}/{at_path(prefix)}", len(before.leases))
        return Outcome({"revoked": len(before.leases)})

    def _revoke(self, api: Api, path: str, count: int) -> None:
        """Raises NotApplied, PartlyApplied and OutcomeUnknown."""
        from hvac.exceptions import InvalidRequest

        with changing():
            try:
                api.post(path, {"sync": True})
            except InvalidRequest:
                # Its text may name what the other system was sent.
                raise PartlyApplied(
                    f"OpenBao could not revoke one of {count} leases, and stopped there; some of"
                    " the others may be revoked"
                ) from None

    def _why_not(self, step: Step, found: Observation) -> str:
        if found.exists and found.state["leases"]:
            return f"{found.state['leases']} leases are below it: not revoked, or new since"
        return super()._why_not(step, found)

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
        if found.exists and dict(found.state) == dict(snapshot):
            return Outcome({"changed": False})
        raise RollbackFailed("a revoked lease has no way back; ask OpenBao for a new one")


@contextmanager
def _observing(step: Step, targets: Targets) -> Iterator[Api]:
    at = server(targets, step.target.fields["server"])
    with observing(step.target.locator), at.observing() as api:
        yield api


def _read(step: Step, targets: Targets) -> _Seen:
    with _observing(step, targets) as api:
        return _look(api, step.target.fields["prefix"])


def _look(api: Api, prefix: str) -> _Seen:
    """Read the mount and the leases. Raises TargetUnobservable where the path is above another
    mount, or above too much."""
    mounts = {name.rstrip("/"): str(one.get("type")) for name, one in _mounts(api).items()}
    covered = [name for name in mounts if name.startswith(f"{prefix}/")]
    if covered:
        raise TargetUnobservable(
            f"{prefix!r} is too wide: {len(covered)} mounts lie below it; name a path of one mount"
        )
    # A mount may lie below another one's path.
    above = [name for name in mounts if f"{prefix}/".startswith(f"{name}/")]
    if not above:
        return _Seen("")
    mount = max(above, key=len)
    leases = tuple(_walk(api, prefix))
    return _Seen(f"{mount} ({mounts[mount]})", leases, whole=prefix == mount)


def _mounts(api: Api) -> dict[str, dict[str, Json]]:
    found = {f"auth/{name}": one for name, one in (api.get("sys/auth") or {}).items()}
    return {**found, **(api.get("sys/mounts") or {})}


def _walk(api: Api, prefix: str) -> list[str]:
    """Return the ids of all leases below a path. Raises TargetUnobservable if they are too many."""
    late, folders, found = Deadline.within(LOOK_SECONDS), [prefix], list[str]()
    for folder in folders:  # the list grows meanwhile
        for name in sorted(api.list(f"{LOOKUP_PATH}/{at_path(folder)}")):
            into = folders if name.endswith("/") else found
            into.append(f"{folder}/{name.rstrip('/')}")
        if late.passed or len(folders) > MOST_FOLDERS or len(found) > MOST_LEASES:
            raise TargetUnobservable(
                f"more than {MOST_LEASES} leases or {MOST_FOLDERS} paths are below {prefix!r}, or"
                f" they cannot be listed in {LOOK_SECONDS:.0f} s; name a longer path"
            )
    return found


def _counted(leases: tuple[str, ...]) -> list[str]:
    """Return how many leases each path has, in words."""
    counts: dict[str, int] = {}
    for lease in leases:
        path = lease.rpartition("/")[0]
        counts[path] = counts.get(path, 0) + 1
    return [f"{count} at {cut(path)}" for path, count in sorted(counts.items())]


def _told(api: Api, lease: str) -> str:
    path, _, name = lease.rpartition("/")
    if lease.startswith("auth/"):
        return f"token of {cut(path)}"
    found = lease_of(api, lease)
    if found is None:
        return ""
    since = iso(moment(str(found["issue_time"])))
    return f"{cut(path)}/{cut(name)} since {since}"


def _refuse_own(api: Api, step: Step, targets: Targets) -> None:
    """Refuse a path below which the worker's own tokens lie."""
    prefix = step.target.fields["prefix"]
    for one in own_logins(api, step, targets):
        if f"{one.get('path')}/".startswith(f"{prefix}/"):
            raise NotApplied("a token of the portal itself lies below it")
