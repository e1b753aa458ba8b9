"""A log format in one file, by the recipe in CONTRIBUTING.md."""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, say
from remediation.domain.formats.form import Format


class Okta(Format):
    """Okta's system log: https://developer.okta.com/docs/reference/api/system-log/"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        return {"eventtype", "outcome"} <= names

    def name(self, body: Body) -> str:
        return say(body, "eventType")

    def time(self, body: Body) -> str:
        return say(body, "published")

    def user(self, body: Body) -> str:
        return say(body, "actor", "alternateId")

    def address(self, body: Body) -> str:
        return say(body, "client", "ipAddress")

    def acts(self, body: Body) -> bool:
        return True

    def error(self, body: Body) -> str | None:
        return say(body, "outcome", "reason") if say(body, "outcome", "result") != "SUCCESS" else ""
