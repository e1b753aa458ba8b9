"""Microsoft 365: the unified audit log."""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, items, names_of, one_of, say, word
from remediation.domain.formats.form import Format


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
