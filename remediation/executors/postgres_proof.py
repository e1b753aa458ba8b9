"""See that each server takes a new password, and that servers and poolers refuse the old one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied, StepFailed
from remediation.executors.postgres_cluster import cluster
from remediation.executors.postgres_password import (
    Password,
    Unseen,
    in_force,
    on_each,
    read_password,
)
from remediation.executors.postgres_pooler import Answer, Pooler, pooler_name, try_password
from remediation.executors.postgres_session import STATEMENT_SECONDS, Connection
from remediation.executors.secret import SecretValue, make_password
from remediation.executors.stores.store import OpenPlace
from remediation.executors.targets import Targets

PASSWORD = "password"  # noqa: S105  the field's name in the store


@dataclass
class Work:
    """One call: where it works, and what it found. The old password is only compared."""

    clearance: Clearance
    step: Step
    targets: Targets
    deadline: Deadline
    stack: ExitStack
    primary: Connection
    place: OpenPlace
    oid: int
    # Whether the role has a password that this one replaces; `old` None then: nobody knows it.
    replaces: bool = False
    old: SecretValue | None = field(default=None, repr=False)
    changed_at: datetime | None = None
    proved_at: datetime | None = None
    # Whether a server takes the new password, as of the last proof.
    taken: bool = False
    ids: dict[str, str] = field(default_factory=dict)
    old_refused: dict[str, bool] = field(default_factory=dict)
    # What each pooler of the targets file answers to the old one, and why; tried once in a call.
    poolers: dict[str, tuple[Answer, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.step.target.fields["cluster"]

    @property
    def role(self) -> str:
        return self.step.target.fields["role"]


def with_since(servers: list[Json], primary: Password) -> list[Json]:
    """Add to the primary since when nobody can sign in with an earlier password."""
    first = servers[0]
    assert isinstance(first, dict)
    since = instant.dump(_proved_at(primary, alone=len(servers) == 1)) if primary.version else ""
    return [{**first, "set_since": since}, *servers[1:]]


def found_made(observation: Observation) -> dict[str, str] | None:
    """Return what a step made whose answer was lost; None if the target cannot tell."""
    servers = observation.shown.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else None
    since = first.get("set_since") if isinstance(first, dict) else None
    if not observation.exists or not since:
        return None
    return {
        "version": str(observation.state["password_version"]),
        "password_id": str(observation.state["password_id"]),
        "set_at": str(since),
    }


def made_of(work: Work) -> dict[str, str]:
    """Return what later steps and waits refer to, besides the version's name."""
    assert work.proved_at is not None
    return {"set_at": instant.dump(work.proved_at), "password_id": work.ids[work.name]}


def passwords_of(step: Step, targets: Targets, oid: int) -> dict[str, Password | Unseen]:
    """Return what each server of the cluster holds as the role's password."""
    name = step.target.fields["cluster"]
    return on_each(
        name,
        cluster(targets, name),
        lambda connection: read_password(connection, oid),
        portal=targets.portal_system_identifier,
    )


def proves(work: Work, value: SecretValue) -> bool | None:
    """Return whether every server takes the new password, and no server or pooler the old one.

    None if one cannot be asked. Remembers when that was seen, and the fingerprints.
    """
    asked = [value.reveal(PASSWORD)]
    if work.old is not None:
        asked.append(work.old.reveal(PASSWORD))

    def look(connection: Connection) -> tuple[tuple[bool, ...] | None, Password]:
        answers = in_force(connection, work.role, work.oid, asked)
        return answers, read_password(connection, work.oid)

    try:
        found = on_each(
            work.name,
            cluster(work.targets, work.name),
            look,
            portal=work.targets.portal_system_identifier,
            seconds=min(work.deadline.left, 8.0),
        )
    except TargetUnobservable:
        return None
    seen = {place: one for place, one in found.items() if not isinstance(one, Unseen)}
    if len(seen) < len(found) or any(answers is None for answers, _ in seen.values()):
        return None
    work.taken = any(answers and answers[0] for answers, _ in seen.values())
    if not all(answers and answers[0] for answers, _ in seen.values()):
        return False
    work.proved_at = _proved_at(seen[work.name][1], alone=len(seen) == 1)
    work.ids = {place: password.id for place, (_, password) in seen.items()}
    if work.old is not None:
        work.old_refused = {
            place: not answers[1] for place, (answers, _) in seen.items() if answers
        }
    if not all(work.old_refused.values()):
        return False
    return _poolers_refuse(work)


def _poolers_refuse(work: Work) -> bool | None:
    """Try the old password once at each pooler of the targets file."""
    if not work.replaces:
        return True
    for name, pooler in _poolers_of(work).items():
        place = pooler_name(work.name, name)
        if work.old is None:
            work.poolers[place] = Answer.UNKNOWN, f"{work.place} does not hold it"
        elif place not in work.poolers:
            old = work.old.reveal(PASSWORD)
            work.poolers[place] = try_password(pooler, work.role, old, work.deadline.left)
        work.old_refused[place] = work.poolers[place][0] is Answer.REFUSED
    answers = {answer for answer, _ in work.poolers.values()}
    if Answer.TAKEN in answers:
        return False
    return None if Answer.UNKNOWN in answers else True


def why_not_proved(work: Work) -> str:
    """Return which poolers do not refuse the old password, in words."""
    return "; ".join(
        f"{place}: {answer.value}" + (f" ({why})" if why else "")
        for place, (answer, why) in work.poolers.items()
        if answer is not Answer.REFUSED
    )


def require_provable(work: Work) -> None:
    """Refuse a change after which nobody could see that a pooler refuses the old password.

    A pooler must refuse a password that nobody has, else it cannot be asked about the old one.
    Raises NotApplied; to be called while no server takes the new one.
    """
    poolers = _poolers_of(work)
    if not poolers:
        return
    for name, pooler in poolers.items():
        place = pooler_name(work.name, name)
        answer, why = try_password(pooler, work.role, make_password(), work.deadline.left)
        if answer is Answer.TAKEN:
            raise NotApplied(f"{place}: it takes any password")
        if answer is Answer.UNKNOWN:
            raise NotApplied(f"{place}: it cannot be asked whether it takes a password: {why}")
    asked = [work.old.reveal(PASSWORD)] if work.old is not None else []
    try:
        found = on_each(
            work.name,
            replace(cluster(work.targets, work.name), standbys={}),
            lambda connection: in_force(connection, work.role, work.oid, asked),
            portal=work.targets.portal_system_identifier,
            seconds=min(work.deadline.left, 8.0),
        )
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from None
    if not asked or found[work.name] != (True,):
        raise NotApplied(
            f"{work.place} does not hold the password in force, so that nobody could see whether a"
            " pooler refuses it afterwards"
        )


def _poolers_of(work: Work) -> Mapping[str, Pooler]:
    return cluster(work.targets, work.name).poolers


def or_kept(work: Work, answer: bool | None) -> bool | None:
    """Return the proof of a value that is discarded when it is False: None while a server takes it.

    A standby that follows late does not take it yet, and it is in force at the primary: discarded
    now, nobody could sign in any more.
    """
    return None if answer is False and work.taken else answer


def _proved_at(password: Password, *, alone: bool) -> datetime:
    """Return the moment since when nobody can have signed in with the old password.

    Now; after a crash the target's own record, where it has no standby that may have followed late.
    """
    now = datetime.now(UTC)
    if not alone or password.set_at is None:
        return now
    # A commit comes at most so long after the function's clock.
    return min(now, password.set_at + timedelta(seconds=STATEMENT_SECONDS))


def old_value(work: Work) -> SecretValue | None:
    """Return what consumers read until now, to see that it is refused; None if nobody knows it."""
    with suppress(StepFailed, TargetUnobservable):
        held = work.place.look()
        version = held.previous if held.promoted == work.place.version else held.promoted
        if not version:
            return None
        found = work.place.store.read(work.clearance, work.place.path, version, work.deadline)
        if found is not None and PASSWORD in found.names and found.reveal(PASSWORD):
            return found
    return None


def poolers_not_seen(observation: Observation) -> tuple[str, ...]:
    """Return the poolers that take the old password, or were not seen to refuse it; to be asked
    while the new one is not promoted."""
    poolers = observation.shown.get("pooler")
    names = poolers if isinstance(poolers, list) else []
    return tuple(f"pooler {name}: it was not seen to refuse the earlier password" for name in names)


def not_promoted(step: Step, observation: Observation) -> tuple[str, ...]:
    """Return that consumers read another version than the one in force; empty if they do not."""
    version, promoted = observation.state["password_version"], observation.state["store_version"]
    if version == promoted:
        return ()
    return (
        f"store {step.parameters['store']}: consumers read version {promoted or 'none'}, and"
        f" {version} is in force",
    )
