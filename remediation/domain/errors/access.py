"""Refusals of the one who asks: that person, agent or token may not."""

from __future__ import annotations

from remediation.domain.errors.refused import Refused


class AccessRefused(Refused):
    """Access refused."""


class NotAuthenticated(AccessRefused):
    """The caller is not known."""


class TokenExpired(AccessRefused):
    """The token has expired."""


class TokenRevoked(AccessRefused):
    """The token was revoked."""


class AgentDisabled(AccessRefused):
    """The agent is suspended."""


class ProposerLost(AccessRefused):
    """Who proposed to undo this is no longer active or holds no role any more."""


class NotEntitled(AccessRefused):
    """The caller does not hold the right that this needs."""


class Separation(AccessRefused):
    """The person took part in this proposal and may not decide on it."""

    def __init__(self, *reasons: str) -> None:
        """`reasons` are each a way in which the person took part."""
        self.reasons = reasons
        super().__init__("; ".join(reasons))


class NoSuchObject(AccessRefused):
    """There is no such object, or the caller may not see it."""


class InvitationInvalid(AccessRefused):
    """The one-time code is wrong, used or older than fifteen minutes."""


class RoleConflict(AccessRefused):
    """An account that administers users or agents holds no approver role."""
