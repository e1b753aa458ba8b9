"""Change what a client trusts: add a CA certificate of OpenBao's engine, or remove one.

A server of the map that the client would refuse afterwards stops a removal; it is seen by a
handshake with exactly what would be left. The operator's token reads the certificate that is
written, so that a process without it widens nothing.
"""

from __future__ import annotations

import time

from audit.tlog.canonical import Json
from remediation.domain.catalogue.tls_trust import ADD, REMOVE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors import tls_bundle
from remediation.executors.base import GONE, Deadline, Executor, Outcome, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, OutcomeUnknown, RollbackFailed, VerifyFailed
from remediation.executors.openbao_server import observing, refusing, require_time, server
from remediation.executors.regular_file import Changed
from remediation.executors.targets import Targets
from remediation.executors.tls_bundle import Bundle
from remediation.executors.tls_pki import authorities, issuer_of, trusts
from remediation.executors.tls_places import Certificate, Relying, certificate
from remediation.executors.tls_servers import refused

PAUSE_SECONDS = 0.5


class _Trust(Executor):
    """What adding and removing have in common."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        entry, client = _places(step, targets)
        bundle = _read(client)
        if bundle is None:
            return GONE
        with observing(step.target.locator), server(targets, entry.openbao).observing() as api:
            offered = authorities(api, entry.mount)
        held = bundle.certificates
        left = bundle.without(str(step.parameters.get("anchor", "")))
        answers = refused(entry, tls_bundle.pem(list(left.certificates.values())))
        shown: dict[str, Json] = {
            "trusted": [tls_bundle.describe(one) for _, one in sorted(held.items())],
            "offered": [
                tls_bundle.describe(one)
                for name, one in sorted(offered.items())
                if name not in held
            ],
            "refused_servers": list[Json](answers.refused),
            "unseen_servers": list[Json](answers.unseen),
        }
        return Observation(True, {"anchors": list[Json](sorted(held))}, shown, simulated=False)

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        wanted, anchor = self.spec is ADD, str(step.parameters["anchor"])
        while True:
            try:
                found = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            if found.exists and (anchor in _anchors(found)) is wanted:
                return Outcome(self.seen(found), found)
            if deadline.left < PAUSE_SECONDS:
                raise VerifyFailed("the trust is not as it was written")
            time.sleep(PAUSE_SECONDS)


class Add(_Trust):
    """Let a client trust one more CA certificate."""

    spec = ADD

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        anchor = str(step.parameters["anchor"])
        if anchor in _anchors(observation):
            raise NotApplied("the client trusts it already")
        offered = observation.shown["offered"]
        found = [one for one in offered if _is(one, anchor)] if isinstance(offered, list) else []
        if not found:
            raise NotApplied("OpenBao's engine has no issuer with this certificate")

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        entry, client, old = _held(step, targets)
        anchor = str(step.parameters["anchor"])
        with refusing():
            found = authorities(server(targets, entry.openbao).operator(clearance), entry.mount)
        if anchor in old.certificates:
            return Outcome({"changed": False})
        if anchor not in found:
            raise NotApplied("OpenBao's engine has no issuer with this certificate")
        require_time(deadline)
        _write(client, old, old.with_(found[anchor]))
        return Outcome({"added": tls_bundle.describe(found[anchor])})

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        anchor, before = str(step.parameters["anchor"]), snapshot.get("anchors")
        try:
            _, client, old = _held(step, targets)
            if anchor not in old.certificates or (isinstance(before, list) and anchor in before):
                return Outcome({"changed": False})
            with refusing():
                seen = self.observe(step, targets)
            _refuse_needed(seen)
            _write(client, old, old.without(anchor))
            left = _held(step, targets)[2].certificates
        except (NotApplied, OutcomeUnknown) as error:
            raise RollbackFailed(error.detail) from error
        if anchor in left:
            raise RollbackFailed("the client still trusts it")
        return Outcome({"removed": anchor})


class Remove(_Trust):
    """Let a client no longer trust a CA certificate, if it needs it for no server."""

    spec = REMOVE

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if step.parameters["anchor"] not in _anchors(observation):
            raise NotApplied("the client does not trust it")
        _refuse_needed(observation)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        entry, client, old = _held(step, targets)
        anchor = str(step.parameters["anchor"])
        api = server(targets, entry.openbao).operator(clearance)
        with refusing():
            issuer = issuer_of(api, entry.mount)
            seen = self.observe(step, targets)
        if anchor not in old.certificates:
            return Outcome({"changed": False})
        _refuse_needed(seen)  # a server may show a leaf of it since the gate looked
        new = old.without(anchor)
        held, left = old.certificates.values(), new.certificates.values()
        if trusts(held, issuer) and not trusts(left, issuer):
            raise NotApplied("the engine's default issuer needs it: the next certificate would too")
        require_time(deadline)
        _write(client, old, new)
        return Outcome({"removed": anchor})

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
        if found.exists and found.state["anchors"] == snapshot.get("anchors"):
            return Outcome({"changed": False})
        raise RollbackFailed("trust is not given back by an undoing: add it by a plan of its own")


def _places(step: Step, targets: Targets) -> tuple[Certificate, Relying]:
    entry = certificate(targets, step.target.fields["certificate"])
    client = entry.relying.get(step.target.fields["client"])
    if client is None:
        raise TargetUnobservable(f"the map has no client {step.target.fields['client']}")
    if not client.managed:
        raise TargetUnobservable("the targets file does not let the portal write its trust")
    return entry, client


def _read(client: Relying) -> Bundle | None:
    try:
        return tls_bundle.read(client.trust_file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise TargetUnobservable(f"trust file: {tls_bundle.words(error)}") from error


def _held(step: Step, targets: Targets) -> tuple[Certificate, Relying, Bundle]:
    """Return the places and the file. Raises NotApplied."""
    with refusing():
        entry, client = _places(step, targets)
        bundle = _read(client)
    if bundle is None:
        raise NotApplied(f"{step.target.locator}: the trust file is not there")
    return entry, client, bundle


def _write(client: Relying, old: Bundle, new: Bundle) -> None:
    try:
        tls_bundle.write(client.trust_file, old, new)
    except Changed as error:
        raise NotApplied("somebody else wrote the trust file meanwhile") from error
    except (OSError, ValueError) as error:
        kept = tls_bundle.holds(client.trust_file, old)
        raise (NotApplied if kept else OutcomeUnknown)(
            f"trust file: {tls_bundle.words(error)}"
        ) from error


def _refuse_needed(seen: Observation) -> None:
    """Raise NotApplied if a server could be refused by the client afterwards."""
    if not seen.exists:
        raise NotApplied("the trust file is not there")
    for name, words in (
        ("refused_servers", "the client would refuse servers without it"),
        ("unseen_servers", "servers did not answer, and may need it"),
    ):
        value = seen.shown[name]
        if isinstance(value, list) and value:
            raise NotApplied(f"{words}: {', '.join(str(one) for one in value)}"[:300])


def _anchors(seen: Observation) -> list[Json]:
    found = seen.state["anchors"]
    return found if isinstance(found, list) else []


def _is(one: Json, anchor: str) -> bool:
    return isinstance(one, dict) and one.get("fingerprint") == anchor
