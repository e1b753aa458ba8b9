"""Okta's system log."""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, items, names_of, one_of, say, word
from remediation.domain.formats.form import Format

_TOKENS = ("system.api_token.create", "app.oauth2.client.lifecycle.new_client_secret")


class Okta(Format):
    """https://developer.okta.com/docs/reference/api/system-log/"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        return bool(say(body, "eventType")) and bool(
            {"outcome", "legacyeventtype", "displaymessage", "published"} & names
            and {"actor", "published"} & names
        )

    def name(self, body: Body) -> str:
        return say(body, "eventType")

    def time(self, body: Body) -> str:
        return say(body, "published")

    def user(self, body: Body) -> str:
        return one_of(body, "actor.alternateId", "actor.displayName")

    def actor(self, body: Body) -> str:
        return one_of(body, "actor.alternateId", "actor.id")

    def issuer(self, body: Body) -> str:
        return one_of(
            body,
            "authenticationContext.issuer.id",
            "authenticationContext.credentialProvider",
            "authenticationContext.authenticationProvider",
        )

    def session(self, body: Body) -> str:
        return one_of(
            body, "authenticationContext.rootSessionId", "authenticationContext.externalSessionId"
        )

    def ends_session(self, body: Body) -> bool:
        return self.name(body) == "user.session.end"

    def address(self, body: Body) -> str:
        chain = items(body, "request", "ipChain")
        return one_of(body, "client.ipAddress") or (word(chain[0], "ip") if chain else "")

    def objects(self, body: Body) -> tuple[str, ...]:
        return names_of(*(_target(item) for item in items(body, "target")))

    def obtained(self, body: Body) -> tuple[str, ...]:
        if self.name(body) not in _TOKENS:
            return ()
        return names_of(*(_target(item) for item in items(body, "target")))

    def acts(self, body: Body) -> bool:
        return True

    def error(self, body: Body) -> str | None:
        """Return why it failed. CHALLENGE and DEFERRED gave nothing yet; ALLOW did."""
        result = one_of(body, "outcome.result").upper()
        if result in ("SUCCESS", "ALLOW"):
            return ""
        return (one_of(body, "outcome.reason") or result) if result else None


def _target(item: Body) -> str:
    return one_of(item, "alternateId", "displayName", "id")
