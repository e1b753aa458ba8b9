"""Slack: the audit logs of an organisation."""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, names_of, one_of, say, value_at
from remediation.domain.formats.form import Format


class Slack(Format):
    """https://docs.slack.dev/admins/audit-logs-api"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        return (
            {"action", "actor", "context"} <= names
            and isinstance(value_at(body, "context"), dict)
            and isinstance(value_at(body, "actor"), dict)
        )

    def name(self, body: Body) -> str:
        return say(body, "action")

    def time(self, body: Body) -> str:
        return one_of(body, "date_create")

    def user(self, body: Body) -> str:
        return one_of(body, "actor.user.email", "actor.user.name")

    def actor(self, body: Body) -> str:
        return self.user(body) or one_of(body, "actor.user.id")

    def session(self, body: Body) -> str:
        return one_of(body, "context.session_id")

    def address(self, body: Body) -> str:
        return one_of(body, "context.ip_address")

    def account(self, body: Body) -> str:
        return one_of(body, "context.location.id")

    def objects(self, body: Body) -> tuple[str, ...]:
        entity = value_at(body, "entity", one_of(body, "entity.type"))
        said = one_of(entity, "email", "name", "id") if isinstance(entity, dict) else ""
        return names_of(said)

    def acts(self, body: Body) -> bool:
        return True

    def error(self, body: Body) -> str | None:
        return "the sign-in failed" if self.name(body) == "user_login_failed" else ""
