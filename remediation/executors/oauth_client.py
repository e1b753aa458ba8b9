"""Delete an OAuth client that registered itself, and look what becomes of its tokens.

The registration token is the operator's alone: it reads and deletes. The observer sees the client
by tokens of it that operators put into tokens_dir (oauth_kept.py) and the plan names. They prove
something only until they end by themselves, so their ends are pinned with them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from audit.tlog.canonical import Json
from remediation.domain.catalogue.oauth_client import DELETE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import Deadline, Executor, Outcome, Point, Settled, Snapshot
from remediation.executors.credentials import for_observing, refuse_without_clearance
from remediation.executors.errors import (
    NotApplied,
    OutcomeUnknown,
    RollbackFailed,
    VerifyFailed,
)
from remediation.executors.oauth_calls import Facts, TokenRefused, delete_client, introspect
from remediation.executors.oauth_kept import NO_END, iso, kept, offline_until
from remediation.executors.oauth_server import Issuer, issuer
from remediation.executors.targets import Targets

PAUSE_SECONDS = 0.3
VERIFY_SECONDS = 5.0
LOOK_SECONDS = 20.0
OWN_SECONDS = 8.0
# A token that ends sooner could end by itself while the step runs, or is settled.
LEAST_MINUTES = 15
# The clocks of the worker and of the provider may differ by as much.
SKEW = timedelta(minutes=2)
NOT_ACTIVE = (
    "the provider calls none of the named tokens active, so nobody could see whether the client is"
    " deleted: name one that it introspects"
)
TOO_SHORT = (
    f"none of the named tokens has an end that is {LEAST_MINUTES} minutes away: if it ended by"
    " itself, that would look like a deletion"
)
NO_REGISTRATION = "this worker has no registration token of the client"
REFUSED_AND_ENDED = (
    "the provider refuses the registration token, and the named tokens ended: only people can say"
    " whether the client is deleted"
)
ENDED = (
    "no named token is active, and each may have ended by itself: it is not known whether the"
    " client is deleted"
)


@dataclass(frozen=True)
class _Token:
    """A named token, what its provider says of it, and until when servers take it unasked."""

    sha256: str
    facts: Facts
    offline: str | None

    @property
    def pinned(self) -> str:
        return f"{self.sha256} {iso(self.facts.expires) if self.facts.expires else '-'}"

    @property
    def shown(self) -> str:
        who = f" of {self.facts.subject}" if self.facts.subject else ""
        scope = f" for {self.facts.scope}" if self.facts.scope else ""
        return f"{self.sha256[:16]}…{who}{scope}"


class DeleteClient(Executor):
    """Delete a client; what the provider says of its tokens decides whether that worked."""

    spec = DELETE
    # Without an answer to the call, tokens that ended say little: the client itself may have
    # revoked them, or used a refresh token. People settle that.
    applied_by_reading = False

    def observe(self, step: Step, targets: Targets) -> Observation:
        at = issuer(targets, step.target.fields["issuer"])
        client_id = step.target.fields["client_id"]
        _refuse_own(at, client_id)
        tokens = _tokens(at, step)
        active = [one for one in tokens if one.facts.active]
        if any(one.facts.client_id != client_id for one in active):
            raise TargetUnobservable("a named token is active, and not one of this client")
        pinned = sorted(one.pinned for one in active)
        registered = at.registered.get(client_id)
        soon = datetime.now(UTC) + timedelta(minutes=LEAST_MINUTES)
        shown: dict[str, Json] = {
            "tokens": [one.shown for one in active],
            "proof": [*_ending_after(pinned, soon)],
            "offline_until": _longest([one.offline for one in tokens]),
            "deletes_at": registered.host if registered is not None else None,
        }
        state: dict[str, Json] = {"active": bool(active), "active_tokens": [*pinned]}
        return Observation(True, state, shown, simulated=False)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        """Read whose tokens end, as far as they are named."""
        seen = self.observe(step, targets)
        return {"tokens": seen.shown["tokens"]} if seen.state["active"] else {}

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.state["active"] is not True:
            raise NotApplied(NOT_ACTIVE)
        if not observation.shown["proof"]:
            raise NotApplied(TOO_SHORT)
        if not observation.shown["deletes_at"]:
            raise NotApplied(NO_REGISTRATION)

    def settled(self, observation: Observation) -> Settled | None:
        """Without the tokens' ends "not active" says nothing."""
        return Settled.NOT_APPLIED if observation.state.get("active") is True else None

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        if observation.state.get("active") is False:
            return Settled.APPLIED if _proves(before) else None
        # With some of its tokens gone, people must look.
        return Settled.NOT_APPLIED if observation.state == dict(before) else None

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        place = f"OAuth provider {step.target.fields['issuer']}"
        if not observation.exists:
            return (Point(place, None),)
        points = [Point(place, observation.state["active"] is False)]
        if observation.shown["offline_until"] != "":
            # Whether there are such servers nobody can see from here.
            points.append(Point("servers that check only the token's signature", None))
        return tuple(points)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        try:
            at, seen = issuer(targets, step.target.fields["issuer"]), self.observe(step, targets)
        except TargetUnobservable as error:
            raise NotApplied(error.detail) from error
        ended = seen.state["active"] is False
        if not ended:
            self.precheck(step, seen)
        elif self.expected is not None and not _proves(self.expected):
            raise NotApplied(ENDED)
        registered = at.registered.get(step.target.fields["client_id"])
        if registered is None:
            raise NotApplied(NO_REGISTRATION)
        try:
            delete_client(at, registered, clearance, deadline)
        except TokenRefused as error:
            # The client's holder can end the registration token and the named tokens; and a proxy
            # may send a DELETE twice. So with a run, only "still active" is an answer.
            if self.expected is None and ended:
                return Outcome({"deleted": False})
            if self._is_still_active(step, targets):
                raise
            raise OutcomeUnknown(REFUSED_AND_ENDED) from error
        return Outcome({"deleted": True})

    def _is_still_active(self, step: Step, targets: Targets) -> bool:
        try:
            return self.observe(step, targets).state["active"] is True
        except TargetUnobservable:
            return False

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        give_up = Deadline.within(min(VERIFY_SECONDS, deadline.left))
        while True:
            try:
                found = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            if found.state["active"] is False:
                if self.expected is not None and not _proves(self.expected):
                    raise VerifyFailed(ENDED)
                return Outcome(self.seen(found), found)
            if give_up.passed:
                raise VerifyFailed("the provider still calls a token of the client active")
            time.sleep(PAUSE_SECONDS)

    def seen(self, observation: Observation) -> dict[str, Json]:
        return {**observation.state, "offline_until": observation.shown["offline_until"]}

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
        if found.state["active"] is True and found.state == dict(snapshot):
            return Outcome({"changed": False})
        raise RollbackFailed("a deleted client cannot be restored: it has to register again")


def _refuse_own(at: Issuer, client_id: str) -> None:
    """Refuse the client of the observer's own bearer token: without it nothing is seen any more.

    An observer that signs in as a client is known from the targets file (`own_clients`).
    """
    if at.observer.client_id or at.observer.secret is None:
        return
    own = introspect(at, at.observer.secret, "access_token", OWN_SECONDS)
    if own.active and own.client_id == client_id:
        raise TargetUnobservable("it is the client of the observer's own token")


def _tokens(at: Issuer, step: Step) -> list[_Token]:
    """Return the tokens that the plan names. Raises TargetUnobservable if one is not there."""
    named, until = step.parameters.get("tokens"), Deadline.within(LOOK_SECONDS)
    if not isinstance(named, list) or not named:
        raise TargetUnobservable("a client is seen by its tokens, and only a plan names them")
    found = []
    for sha256 in map(str, named):
        token = kept(at.tokens, sha256)
        if token is None:
            raise TargetUnobservable(
                f"token {sha256[:16]}… is not in the worker's tokens_dir: an operator puts it there"
            )
        if until.passed:
            raise TargetUnobservable("the provider is too slow")
        # Most providers introspect access tokens; a hint is no more than a hint.
        facts = introspect(at, token, "access_token", min(8.0, until.left))
        offline = offline_until(for_observing(token), datetime.now(UTC))
        found.append(_Token(sha256, facts, offline))
    return found


def _ending_after(pinned: list[str], moment: datetime) -> list[str]:
    """Return those of the pinned tokens that have an end, and one after this moment."""
    ends = iso(moment)
    return [one for one in pinned if one.partition(" ")[2] > ends]


def _proves(before: Snapshot) -> bool:
    """Return whether one of the tokens that were active would be now, were it not ended."""
    tokens = before.get("active_tokens")
    pinned = [one for one in tokens if isinstance(one, str)] if isinstance(tokens, list) else []
    return bool(_ending_after(pinned, datetime.now(UTC) + SKEW))


def _longest(offline: list[str | None]) -> str | None:
    """Return until when servers take one of the tokens unasked; None if that is not known."""
    if NO_END in offline:
        return NO_END
    known = [one for one in offline if one is not None]
    return None if len(known) < len(offline) else max(known, default="")
