"""Issue a certificate with a new key, deliver both, and see each server show it.

The worker makes the key, OpenBao signs the request, and the key goes to the store: it never leaves
this process otherwise. A request whose answer is lost leaves a certificate without a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from audit.tlog.canonical import Json
from remediation.domain.catalogue.tls import ISSUE
from remediation.domain.conditions import (
    Consumer,
    ConsumerSeen,
    Sighting,
    Use,
    name_at,
    server_name,
)
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.domain.store_place import version_name
from remediation.executors.base import (
    GONE,
    Deadline,
    Executor,
    Outcome,
    Point,
    Question,
    Settled,
    Snapshot,
)
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.delivery import (
    look_in_store,
    open_place,
    rotate_into,
    settle_staged,
)
from remediation.executors.errors import NotApplied, RollbackFailed, VerifyFailed
from remediation.executors.openbao_server import (
    observing,
    refusing,
    server,
)
from remediation.executors.stores.store import OpenPlace
from remediation.executors.targets import Targets
from remediation.executors.tls_handshake import Shown
from remediation.executors.tls_made import Made
from remediation.executors.tls_pki import issuer_of, trust_problems
from remediation.executors.tls_places import Address, Certificate, address, certificate
from remediation.executors.tls_servers import Served, ask, joined


class Issue(Executor):
    """Issue and deliver a certificate."""

    spec = ISSUE

    def observe(self, step: Step, targets: Targets) -> Observation:
        entry = _entry(step, targets)
        with observing(step.target.locator), server(targets, entry.openbao).observing() as api:
            if api.get(f"{entry.mount}/roles/{entry.role}") is None:
                return GONE
            problems = trust_problems(entry, issuer_of(api, entry.mount))
        # A look without a plan knows no store, and settles nothing.
        store = step.parameters.get("store")
        promoted = look_in_store(targets, step.target, store).promoted if store else ""
        served = ask(entry)
        if not served.shown:
            raise TargetUnobservable(f"no server answers: {', '.join(served.words_unseen)}"[:300])
        state: dict[str, Json] = {
            "serial": joined(one.serial for one in served.shown.values()),
            "public_key": joined(one.public_key for one in served.shown.values()),
        }
        shown: dict[str, Json] = {
            "hostname": entry.hostname,
            "servers": [one.to_json(name) for name, one in sorted(served.shown.items())],
            "unseen_servers": list[Json](served.words_unseen),
            "relying": list[Json](problems),
            "promoted": promoted,
            "expires": min(one.expires for one in served.shown.values()).isoformat(),
        }
        return Observation(True, state, shown, simulated=False)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        problems = observation.shown["relying"]
        if isinstance(problems, list) and problems:
            raise NotApplied(f"trust comes first: {'; '.join(str(one) for one in problems)}"[:300])

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        """Return whether plain reads of the store return what the step made.

        What servers show tells nothing: they may load the new one later, and show another than it.
        The wait for `served_new` looks at each server.
        """
        if not observation.exists:
            return None
        promoted = observation.shown["promoted"]
        if not made:  # `tighten` was here before, and left nothing of this step staged
            return Settled.NOT_APPLIED if self.version not in ("", promoted) else None
        return Settled.APPLIED if promoted == made["version"] else None

    def found_made(self, observation: Observation, before: Snapshot) -> Mapping[str, str] | None:
        """Return None: servers can show a certificate of anybody. `tighten` reads the store's."""
        return None

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        return (Point(step.target.locator, None),)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        place = open_place(clearance, step, targets, deadline)
        with refusing():
            seen = self.observe(step, targets)
            entry = _entry(step, targets)
        self.precheck(step, seen)
        api = server(targets, entry.openbao).operator(clearance)
        api.require_rights([f"{entry.mount}/sign/{entry.role}", f"{entry.mount}/revoke"])
        made = Made(api, entry, self._old_keys(place, seen), deadline)
        return made.outcome(rotate_into(place, made.rotation))

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Promote what a crash left staged, if clients would take it; issues no certificate."""
        place = open_place(clearance, step, targets, deadline)
        with refusing():
            seen = self.observe(step, targets)
            entry = _entry(step, targets)
        api = server(targets, entry.openbao).operator(clearance)
        made = Made(api, entry, self._old_keys(place, seen), deadline)
        return made.outcome(settle_staged(place, made.rotation))

    def _old_keys(self, place: OpenPlace, seen: Observation) -> frozenset[str]:
        """Return the public keys that a new certificate must not have."""
        if self.expected is not None:
            return frozenset(str(self.expected["public_key"]).split(", "))
        if place.look().promoted == place.version:  # servers show this step's own already
            return frozenset()
        return frozenset(str(seen.state["public_key"]).split(", "))

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        version = version_name(clearance.proposal_id, step.index)
        try:
            held = look_in_store(targets, step.target, step.parameters["store"])
            seen = self.observe(step, targets)
        except TargetUnobservable as error:
            raise VerifyFailed(error.detail) from error
        if held.promoted != version:
            raise VerifyFailed(f"the store's plain reads return {held.promoted or 'nothing'}")
        return Outcome({**self.seen(seen), "version": version}, seen)

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        version = version_name(clearance.proposal_id, step.index)
        try:
            held = look_in_store(targets, step.target, step.parameters["store"])
        except TargetUnobservable as error:
            raise RollbackFailed(error.detail) from error
        if held.promoted == version:
            raise RollbackFailed("servers read the new certificate; issue another, or revoke it")
        return Outcome({"changed": False})

    def look_for(self, question: Question, step: Step, targets: Targets) -> Sighting:
        """See each server of the map, and each that the inventory names, show the new one."""
        entry = _entry(step, targets)
        served = ask(entry, _others(question.consumers, entry.servers))
        at = datetime.now(UTC)
        consumers = [_seen(name, one, question, at) for name, one in sorted(served.shown.items())]
        consumers += [
            ConsumerSeen(name, Use.NOT_SEEN, detail=f"did not answer: {why}")
            for name, why in sorted(served.unseen.items())
        ]
        return Sighting(
            condition=question.condition,
            step=step.index,
            at=at,
            alive_at=at,
            covers_since=question.since,
            resolution_s=0,
            delay_s=0,
            consumers=tuple(consumers),
            others=_unasked(question.consumers, served),
        )


def _entry(step: Step, targets: Targets) -> Certificate:
    return certificate(targets, step.target.fields["certificate"])


def _others(
    consumers: tuple[Consumer, ...], servers: Mapping[str, Address]
) -> Mapping[str, Address]:
    """Return the servers that the inventory names by their address, whatever the map says.

    A service can have the name of a server of the map, and be another one.
    """
    found: dict[str, Address] = {}
    for one in consumers:
        at, name = address(one.seen_as), server_name(one, consumers)
        if at is not None:
            found[name if servers.get(name, at) == at else name_at(one)] = at
    return found


def _unasked(consumers: tuple[Consumer, ...], served: Served) -> tuple[str, ...]:
    """Return what the inventory names and nobody could ask: no address, and not in the map."""
    asked = {*served.shown, *served.unseen}
    return tuple(
        f"{one.service}: the inventory does not say its address"
        for one in consumers
        if not {server_name(one, consumers), one.seen_as} & asked
    )


def _seen(name: str, shown: Shown, question: Question, at: datetime) -> ConsumerSeen:
    serial, old_key = question.made["serial"], str(question.before.get("public_key", ""))
    detail = ""
    if shown.serial != serial:
        detail = f"shows {shown.serial}"
    elif shown.public_key in old_key.split(", "):
        detail = "shows the old public key"
    elif shown.problem:
        detail = f"clients refuse it: {shown.problem}"
    elif shown.resumed not in ("", serial):
        detail = f"resumes sessions of {shown.resumed}"
    return ConsumerSeen(
        service=name,
        use=Use.NOT_SEEN if detail else Use.MOVED,
        last_old=at if detail else None,
        last_new=None if detail else at,
        detail=detail[:300],
    )
