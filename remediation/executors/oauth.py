"""Revoke an OAuth token, and look what the provider says of it.

The token's text is read from the directory where an operator put it (oauth_kept.py); it goes to the
provider's two endpoints and nowhere else. What is seen of a token holds neither it nor a part of
it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from audit.tlog.canonical import Json
from remediation.domain.catalogue.oauth import PROVIDER, REVOKE
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
    Snapshot,
)
from remediation.executors.credentials import for_observing, refuse_without_clearance
from remediation.executors.driver import Driver
from remediation.executors.errors import NotApplied, RollbackFailed, VerifyFailed
from remediation.executors.libraries import AUTHLIB
from remediation.executors.oauth_calls import Facts, introspect, revoke
from remediation.executors.oauth_client import DeleteClient
from remediation.executors.oauth_kept import KeptToken, form_of, iso, kept, offline_until
from remediation.executors.oauth_server import Issuer, issuer, read
from remediation.executors.section import Secret
from remediation.executors.targets import Targets

PAUSE_SECONDS = 0.3
VERIFY_SECONDS = 5.0
OTHERS_SECONDS = 10.0
NOT_KEPT = (
    "the token does not exist in the worker's tokens_dir: an operator puts it there, in a file"
    " named by its SHA-256"
)
NOT_ACTIVE = (
    "the provider does not call the token active: it is revoked or has ended, or the provider does"
    " not introspect tokens of its type"
)


@dataclass(frozen=True)
class _Seen:
    """A kept token, and what its provider says of it."""

    at: Issuer
    token: Secret
    facts: Facts


class RevokeToken(Executor):
    """Revoke a token; what the provider says of it afterwards decides whether that worked."""

    spec = REVOKE

    def observe(self, step: Step, targets: Targets) -> Observation:
        seen = _look(step, targets)
        if seen is None:
            return GONE
        text, facts = for_observing(seen.token), seen.facts
        login = seen.at.login_for(facts.client_id) if facts.active else None
        shown: dict[str, Json] = {
            "client": facts.client_id or None,
            "revoked_by": login.client_id if login is not None else None,
            "user": facts.subject or None,
            "scope": facts.scope or None,
            "audience": facts.audience or None,
            "issued": iso(facts.issued) if facts.issued else None,
            "expires": iso(facts.expires) if facts.expires else None,
            "form": form_of(text),
            "offline_until": offline_until(text, datetime.now(UTC)),
            "other_tokens": _others(seen),
        }
        return Observation(True, {"active": facts.active}, shown, simulated=False)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        """Read what ends with the token: who could do what with it, and until when."""
        seen = self.observe(step, targets)
        if not seen.exists or not seen.state["active"]:
            return {}
        return {"token": dict(seen.shown)}

    def secret_in_force(
        self, step: Step, targets: Targets, candidates: Sequence[Candidate]
    ) -> Compared:
        """Compare by SHA-256; only the kept token is introspected, no candidate is sent."""
        place = f"OAuth provider {step.target.fields['issuer']}"
        seen, name = _look(step, targets), step.target.fields["sha256"]
        active = seen.facts.active if seen is not None else False
        same = [any(_sha256(value) == name for value in one.values) for one in candidates]
        answers = tuple(
            (True if active else None) if equal else (False if one.values else None)
            for equal, one in zip(same, candidates, strict=True)
        )
        why = NOT_KEPT if seen is None else NOT_ACTIVE
        return Compared(answers, place, why if any(same) and not active else "")

    def precheck(self, step: Step, observation: Observation) -> None:
        if not observation.exists:
            raise NotApplied(NOT_KEPT)
        if observation.state["active"] is not True:
            raise NotApplied(NOT_ACTIVE)
        if not observation.shown["revoked_by"]:
            raise NotApplied(
                "this worker has no login as the token's client, and a provider lets only the"
                " client itself revoke it"
            )

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        place = f"OAuth provider {step.target.fields['issuer']}"
        if not observation.exists:
            return (Point(place, None),)
        active, others = observation.state["active"], observation.shown["other_tokens"]
        # A look has no plan and so no type of the token: a provider that does not introspect
        # tokens of its type calls a living one inactive, too.
        dead = True if step.parameters else None
        points = [Point(place, False if active else dead)]
        if others != []:
            points.append(Point("other tokens of the same grant", False if others else None))
        if observation.shown["offline_until"] != "":
            # Whether there are such servers nobody can see from here.
            points.append(Point("servers that check only the token's signature", None))
        return tuple(points)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        try:
            seen = _look(step, targets)
        except TargetUnobservable as error:
            raise NotApplied(error.detail) from error
        if seen is None:
            raise NotApplied(NOT_KEPT)
        if not seen.facts.active:
            return Outcome({"revoked": False})
        login = seen.at.login_for(seen.facts.client_id)
        if login is None:
            raise NotApplied("this worker has no login as the token's client")
        revoke(seen.at, login, clearance, seen.token, _hint(step), deadline)
        return Outcome({"revoked": True, "revoked_by": login.client_id})

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        give_up = Deadline.within(min(VERIFY_SECONDS, deadline.left))
        while True:
            try:
                found = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            if not found.exists:
                raise VerifyFailed(NOT_KEPT)
            if found.state["active"] is False:
                return Outcome(self.seen(found), found)
            if give_up.passed:
                raise VerifyFailed("the provider still calls the token active")
            time.sleep(PAUSE_SECONDS)

    def seen(self, observation: Observation) -> dict[str, Json]:
        kept_alive = {name: observation.shown[name] for name in ("offline_until", "other_tokens")}
        return {**observation.state, **kept_alive}

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
            found = self.observe(step, targets)
        except TargetUnobservable as error:
            raise RollbackFailed(error.detail) from error
        if found.exists and found.state["active"] == snapshot.get("active"):
            return Outcome({"changed": False})
        raise RollbackFailed("a revoked token cannot be reactivated; its client gets a new one")


def _hint(step: Step) -> str:
    return str(step.parameters.get("token_type", "access_token"))


def _sha256(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _look(step: Step, targets: Targets) -> _Seen | None:
    """Return the token as its provider sees it; None if nobody put it here.

    Raises TargetUnobservable.
    """
    at = issuer(targets, step.target.fields["issuer"])
    token = kept(at.tokens, step.target.fields["sha256"])
    if token is None:
        return None
    return _Seen(at, token, introspect(at, token, _hint(step)))


def _others(seen: _Seen) -> list[Json] | None:
    """Return the other tokens of the grant that are active; None if one could not be looked at."""
    source, until = seen.token.source, Deadline.within(OTHERS_SECONDS)
    assert isinstance(source, KeptToken)
    active = list[Json]()
    try:
        for other in source.others():
            if until.passed:
                return None
            facts = introspect(seen.at, Secret(None, source=other), "", until.left)
            active += [_name(other.path, facts)] if facts.active else []
    except TargetUnobservable:
        return None
    return active


def _name(path: Path, facts: Facts) -> str:
    return f"{path.name} {facts.client_id}".strip()


DRIVER = Driver(PROVIDER.name, (RevokeToken, DeleteClient), read, needs=(AUTHLIB,))
