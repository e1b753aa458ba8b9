"""Who calls: an agent, by `Authorization: Bearer`; never a session, never a cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from remediation.api import throttling
from remediation.api.problems import AGENT
from remediation.domain.errors import NotAuthenticated
from remediation.services.actors import AgentActor
from remediation.services.reporting import agents

if TYPE_CHECKING:  # the settings name this module; rest_framework.views needs them to be imported
    from rest_framework.views import APIView


class AgentTokenAuthentication(BaseAuthentication):
    """`request.user` becomes an AgentActor, `request.auth` the token's id."""

    def authenticate(self, request: Request) -> tuple[AgentActor, UUID]:
        """Raises NotAuthenticated, TokenExpired, TokenRevoked, AgentDisabled, Throttled."""
        known = agents.identify(bearer(request.META.get("HTTP_AUTHORIZATION", "")))
        if known is None:
            raise NotAuthenticated()
        request.META[AGENT] = known.actor
        if known.refusal is not None:
            # Each such refusal goes on record: a token that has ended has a budget, too.
            throttling.spend(known.actor.agent_id)
            raise known.refusal
        return known.actor, known.actor.token_id

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="agents"'


class IsAgent(BasePermission):
    """Nobody but an agent; there is no other kind of caller here."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, AgentActor)


def bearer(header: str) -> str:
    """The token of an Authorization header (RFC 6750, section 2.1). Raises NotAuthenticated."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated()
    return token.strip()


class AgentTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The scheme's place in the OpenAPI document."""

    target_class = AgentTokenAuthentication
    name = "agentToken"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "hitl_<prefix>_<secret>",
            "description": "A token of the agent, made by a person in the portal's admin.",
        }
