"""Revoke a certificate that no server shows, and read the list back where its readers fetch it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from audit.tlog.canonical import Json
from remediation.domain.catalogue.tls import ISSUE, REVOKE
from remediation.domain.conditions import Name
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import GONE, Deadline, Executor, Outcome, Point, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, OutcomeUnknown, RollbackFailed, VerifyFailed
from remediation.executors.openbao_server import (
    changing,
    observing,
    refusing,
    require_time,
    server,
)
from remediation.executors.targets import Targets
from remediation.executors.tls_handshake import public_key_of
from remediation.executors.tls_pki import colons, issued, lists_of, utc_now
from remediation.executors.tls_places import certificate
from remediation.executors.tls_servers import ask

PAUSE_SECONDS = 0.5


class Revoke(Executor):
    """Revoke a certificate, and publish it."""

    spec = REVOKE

    def observe(self, step: Step, targets: Targets) -> Observation:
        serial = step.target.fields["serial"]
        entry = certificate(targets, step.target.fields["certificate"])
        with observing(step.target.locator), server(targets, entry.openbao).observing() as api:
            found = issued(api, entry.mount, serial)
            if found is None:
                return GONE
            lists = lists_of(api, entry, found, utc_now())
        served = ask(entry)
        shown: dict[str, Json] = {
            "subject": found.leaf.subject.rfc4514_string(),
            "public_key": public_key_of(found.leaf),
            "expires": found.leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "served_by": list[Json](served.showing(serial)),
            "unseen_servers": list[Json](served.words_unseen),
            "crl_problem": lists.problem,
            "crl_until": lists.until.strftime("%Y-%m-%dT%H:%M:%SZ") if lists.until else None,
        }
        # Revoked is what its readers can know.
        return Observation(True, {"revoked": found.revoked and lists.has}, shown, simulated=False)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        shown = observation.shown
        if observation.state["revoked"] is True:
            raise NotApplied("it is revoked already")
        if str(shown["expires"]) <= utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"):
            raise NotApplied("it has expired: OpenBao does nothing then, and says that it did")
        self._refuse_early(observation)

    def dry_precheck(self, step: Step, observation: Observation, earlier: Sequence[Step]) -> None:
        """Leave out the servers that show it now, where the plan waits until they do not."""
        if _is_replaced(step, earlier):
            observation = replace(observation, shown={**observation.shown, "served_by": []})
        self.precheck(step, observation)

    def _refuse_early(self, observation: Observation) -> None:
        """Refuse while a server may show it, or the list could not be read or runs out."""
        shown = observation.shown
        for name, words in (
            ("served_by", "servers still show it"),
            ("unseen_servers", "servers did not answer, and may show it"),
        ):
            value = shown[name]
            if isinstance(value, list) and value:
                raise NotApplied(f"{words}: {', '.join(str(one) for one in value)}"[:300])
        if shown["crl_problem"]:
            raise NotApplied(f"its readers would not learn it: {shown['crl_problem']}"[:300])

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        place = f"readers of the list, certificate {step.target.fields['certificate']}"
        if not observation.exists:
            return (Point(place, None),)
        problem = str(observation.shown["crl_problem"])
        without = observation.state["revoked"] is True
        return (Point(place, None if problem else without),)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        with refusing():
            entry = certificate(targets, step.target.fields["certificate"])
            seen = self.observe(step, targets)
        if not seen.exists:
            raise NotApplied(f"{step.target.locator}: OpenBao has no such certificate")
        if seen.state["revoked"] is True:
            return Outcome({"changed": False})
        self._refuse_early(seen)  # a server may have been put back since the gate looked
        api = server(targets, entry.openbao).operator(clearance)
        api.require_rights([f"{entry.mount}/revoke"])
        require_time(deadline)
        with changing():
            api.post(
                f"{entry.mount}/revoke", {"serial_number": colons(step.target.fields["serial"])}
            )
        try:
            with changing():
                api.get(f"{entry.mount}/crl/rotate")  # with auto_rebuild a revocation does not
        except NotApplied as error:
            raise OutcomeUnknown(
                f"revoked, and the list was not made anew: {error.detail}"
            ) from error
        return Outcome({"revoked": step.target.fields["serial"]})

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        while True:
            try:
                found = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            if found.exists and found.state["revoked"] is True and not found.shown["crl_problem"]:
                return Outcome(self.seen(found), found)
            if deadline.left < PAUSE_SECONDS:
                raise VerifyFailed(str(found.shown.get("crl_problem")) or "not in the list yet")
            time.sleep(PAUSE_SECONDS)

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
        if found.exists and found.state["revoked"] == snapshot.get("revoked"):
            return Outcome({"changed": False})
        raise RollbackFailed("a revoked certificate stays revoked; issue a new one")


def _is_replaced(step: Step, earlier: Sequence[Step]) -> bool:
    """Return whether the plan waits, before this step, until servers show a new certificate."""
    name = step.target.fields["certificate"]
    issued_by = {
        one.index
        for one in earlier
        if one.action == ISSUE.kind and one.target.fields["certificate"] == name
    }
    waits = (one.wait for one in earlier if one.wait is not None)
    return any(
        condition.name == Name.SERVED_NEW and condition.step in issued_by
        for wait in waits
        for condition in wait.conditions
    )
