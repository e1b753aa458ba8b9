"""Audit logs of GitLab, Slack and Microsoft 365."""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, items, names_of, one_of, say, value_at, word
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


class Microsoft365(Format):
    """https://learn.microsoft.com/office/office-365-management-api/: the unified audit log."""

    def is_record(self, names: Set[str], body: Body) -> bool:
        return {"operation", "workload", "creationtime"} <= names

    def name(self, body: Body) -> str:
        return say(body, "Operation")

    def service(self, body: Body) -> str:
        return say(body, "Workload")

    def time(self, body: Body) -> str:
        return say(body, "CreationTime")

    def user(self, body: Body) -> str:
        return one_of(body, "UserId", "UserKey")

    def session(self, body: Body) -> str:
        return one_of(body, "SessionId", "AppAccessContext.AADSessionId")

    def address(self, body: Body) -> str:
        return one_of(body, "ClientIP", "ActorIpAddress", "ClientIPAddress")

    def account(self, body: Body) -> str:
        return one_of(body, "OrganizationId")

    def objects(self, body: Body) -> tuple[str, ...]:
        named = [word(item, "ID") for item in items(body, "Target")]
        return names_of(one_of(body, "ObjectId", "MailboxOwnerUPN"), *named)

    def acts(self, body: Body) -> bool:
        return True

    def error(self, body: Body) -> str | None:
        result = one_of(body, "ResultStatus")
        failed = result.lower() in ("failed", "failure", "false") or (
            self.name(body) == "UserLoginFailed"
        )
        if failed:
            return one_of(body, "LogonError", "ErrorNumber") or result or "it failed"
        return "" if result else None
