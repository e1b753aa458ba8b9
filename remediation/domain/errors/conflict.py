"""Refusals because of the moment: too late, too early, too often, or done already."""

from __future__ import annotations

from remediation.domain.errors.refused import Refused


class Conflict(Refused):
    """This conflicts with the current state of the object."""


class WrongState(Conflict):
    """The object's state does not allow this."""


class RunEnded(WrongState):
    """Too late: the run has already finished."""


class StaleDigest(Conflict):
    """The content that was decided on has changed since."""


class SessionExpired(Conflict):
    """The review session has expired."""


class SignedOut(Conflict):
    """You were signed out in the meantime."""


class SessionUsed(Conflict):
    """The review session was used already."""


class RequestInFlight(Conflict):
    """A request with this idempotency key is still in progress."""


class AlreadyReviewed(Conflict):
    """The person has already reviewed this round."""


class AlreadyExists(Conflict):
    """This exists already."""


class NothingToCorrect(Conflict):
    """The correction changes nothing."""


class NothingLeftOut(Conflict):
    """Nothing is left out of the plan."""


class TooManyPlans(Conflict):
    """You have too many open plans. Make another one when one of them has ended."""


class ChoiceTaken(Conflict):
    """Another alternative was approved; of a choice only one can be."""


class InventoryBusy(Conflict):
    """Someone else is changing the inventory right now."""


class WouldLoosen(Conflict):
    """The change makes policy ask for less than before, and this was not confirmed."""


class LastPasskey(Conflict):
    """The last passkey of an account cannot be removed: without it nobody can sign in."""


class Halted(Conflict):
    """A person halted this run between two steps."""

    def __init__(self, detail: str = "", *, pointer: str = "", decision: str = "") -> None:
        """`decision` is `keep` or `undo`; empty when a guard refused before a worker verified."""
        super().__init__(detail, pointer=pointer)
        self.decision = decision

    @property
    def undo(self) -> bool:
        return self.decision == "undo"


class IdempotencyKeyMissing(Refused):
    """The Idempotency-Key header is missing or malformed."""


class IdempotencyKeyReused(Refused):
    """The Idempotency-Key was used for another request."""


class Throttled(Refused):
    """Too many requests."""

    def __init__(self, retry_after: int, detail: str = "") -> None:
        """`retry_after` is in seconds."""
        self.retry_after = retry_after
        super().__init__(detail)
