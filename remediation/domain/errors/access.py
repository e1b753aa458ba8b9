"""Refusals because of the caller: this person, agent or token may not do it."""

from __future__ import annotations

from remediation.domain.errors.refused import Refused


class AccessRefused(Refused):
    """Access refused."""


class NotAuthenticated(AccessRefused):
    """The caller is not authenticated."""


class TokenExpired(AccessRefused):
    """The token has expired."""


class TokenRevoked(AccessRefused):
    """The token was revoked."""


class AgentDisabled(AccessRefused):
    """The agent is suspended."""


class ProposerLost(AccessRefused):
    """The person who proposed this reversal is no longer active or no longer holds a role."""


class NotEntitled(AccessRefused):
    """The caller does not have the right to do this."""


class Separation(AccessRefused):
    """The person took part in this proposal and may not decide on it."""

    def __init__(self, *reasons: str) -> None:
        """Each of `reasons` is a way in which the person took part."""
        self.reasons = reasons
        super().__init__("; ".join(reasons))


class NoSuchObject(AccessRefused):
    """There is no such object, or the caller may not see it."""


class InvitationInvalid(AccessRefused):
    """The one-time code is wrong, used or older than fifteen minutes."""


class RoleConflict(AccessRefused):
    """An account that administers users or agents holds no approver role."""
