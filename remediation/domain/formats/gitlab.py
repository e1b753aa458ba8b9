"""GitLab: audit events."""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, names_of, one_of, value_at
from remediation.domain.formats.form import Format


class GitLab(Format):
    """https://docs.gitlab.com/api/audit_events/, and the streamed form with `event_type`."""

    def is_record(self, names: Set[str], body: Body) -> bool:
        about = {"author_id", "entity_id", "entity_type", "details"} <= names
        return about and isinstance(value_at(body, "details"), dict)

    def name(self, body: Body) -> str:
        return one_of(
            body,
            "event_type",
            "details.event_name",
            "event_name",
            "details.custom_message",
            *(f"details.{act}" for act in ("add", "change", "remove", "with")),
        )

    def time(self, body: Body) -> str:
        return one_of(body, "created_at")

    def user(self, body: Body) -> str:
        return one_of(body, "author_name", "details.author_name", "details.author_email")

    def actor(self, body: Body) -> str:
        return self.user(body) or one_of(body, "author_id")

    def address(self, body: Body) -> str:
        return one_of(body, "ip_address", "details.ip_address")

    def account(self, body: Body) -> str:
        return one_of(body, "entity_path", "details.entity_path")

    def objects(self, body: Body) -> tuple[str, ...]:
        return names_of(
            one_of(body, "target_details", "details.target_details", "details.target_id"),
            one_of(body, "entity_path", "details.entity_path"),
        )

    def acts(self, body: Body) -> bool:
        return True

    def error(self, body: Body) -> str | None:
        return "the sign-in failed" if one_of(body, "details.failed_login") else ""
