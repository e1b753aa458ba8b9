"""Refusals of the moment: it is too late, too early, too often, or done already."""

from __future__ import annotations

from remediation.domain.errors.refused import Refused


class Conflict(Refused):
    """The object is no longer, or not yet, in a state that allows this."""


class WrongState(Conflict):
    """The object's state does not allow this."""


class StaleDigest(Conflict):
    """What was decided on is no longer what stands."""


class SessionExpired(Conflict):
    """The review session has expired."""


class SessionUsed(Conflict):
    """The review session was used already."""


class RequestInFlight(Conflict):
    """A request with this idempotency key is being worked on."""


class AlreadyReviewed(Conflict):
    """The person has already reviewed this round."""


class AlreadyExists(Conflict):
    """There is one already."""


class NothingToCorrect(Conflict):
    """The correction says what stands already."""


class InventoryBusy(Conflict):
    """Somebody else is changing the inventory."""


class WouldLoosen(Conflict):
    """The change makes policy ask for less than before, and nobody said that it may."""


class LastPasskey(Conflict):
    """The last passkey of an account stays: without it nobody can sign in."""


class Halted(Conflict):
    """A person halted this run between two steps."""


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
