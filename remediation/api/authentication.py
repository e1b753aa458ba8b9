"""Authenticate agents by `Authorization: Bearer`; sessions and cookies are never accepted."""

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
from remediation.services.reporting import agents, token_use

if TYPE_CHECKING:  # the settings name this module; rest_framework.views needs them to be imported
    from rest_framework.views import APIView


class AgentTokenAuthentication(BaseAuthentication):
    """Set `request.user` to an AgentActor and `request.auth` to the token's id."""

    def authenticate(self, request: Request) -> tuple[AgentActor, UUID]:
        """Return actor and token id.

        Raises NotAuthenticated, TokenExpired, TokenRevoked, AgentDisabled or Throttled.
        """
        known = agents.identify(bearer(request.META.get("HTTP_AUTHORIZATION", "")))
        if known is None:
            raise NotAuthenticated()
        request.META[AGENT] = known.actor
        if known.refusal is not None:
            # Each of these refusals is recorded, so an ended token needs a budget, too.
            throttling.spend(known.actor.agent_id)
            raise known.refusal
        token_use.count_call(token_id=known.actor.token_id, agent_id=known.actor.agent_id)
        return known.actor, known.actor.token_id

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="agents"'


class IsAgent(BasePermission):
    """Allow agents only."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, AgentActor)


def bearer(header: str) -> str:
    """Return the token of an Authorization header (RFC 6750, section 2.1).

    Raises NotAuthenticated.
    """
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated()
    return token.strip()


class AgentTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The scheme's entry in the OpenAPI document."""

    target_class = AgentTokenAuthentication
    name = "agentToken"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "hitl_<prefix>_<secret>",
            "description": "A token of the agent, created by a person in the portal's admin.",
        }
