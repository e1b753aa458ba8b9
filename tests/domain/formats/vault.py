"""A log format in one file, by the recipe in CONTRIBUTING.md."""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, say
from remediation.domain.formats.form import Format


class Vault(Format):
    """The audit log of a secret store: https://openbao.org/docs/audit/"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        return {"type", "time", "auth", "request"} <= names

    def name(self, body: Body) -> str:
        return f"{say(body, 'request', 'operation')} {say(body, 'request', 'path')}"

    def time(self, body: Body) -> str:
        return say(body, "time")

    def user(self, body: Body) -> str:
        return say(body, "auth", "display_name")

    def address(self, body: Body) -> str:
        return say(body, "request", "remote_address")

    def acts(self, body: Body) -> bool:
        return True

    def error(self, body: Body) -> str | None:
        return say(body, "error")
