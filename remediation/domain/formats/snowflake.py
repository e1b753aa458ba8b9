"""Snowflake's account usage: log-ins, queries and grants."""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, names_of, one_of
from remediation.domain.formats.form import Format


class Snowflake(Format):
    """https://docs.snowflake.com/sql-reference/account-usage"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        login = {"user_name", "is_success", "client_ip"} <= names
        query = {"user_name", "query_text", "execution_status"} <= names
        return login or query or {"privilege", "granted_on", "grantee_name"} <= names

    def name(self, body: Body) -> str:
        return one_of(body, "QUERY_TYPE", "EVENT_TYPE") or (
            "GRANT" if one_of(body, "PRIVILEGE") else ""
        )

    def time(self, body: Body) -> str:
        return one_of(body, "EVENT_TIMESTAMP", "START_TIME", "CREATED_ON")

    def user(self, body: Body) -> str:
        return one_of(body, "USER_NAME", "GRANTED_BY")

    def session(self, body: Body) -> str:
        return one_of(body, "SESSION_ID")

    def address(self, body: Body) -> str:
        return one_of(body, "CLIENT_IP")

    def message(self, body: Body) -> str:
        return one_of(body, "QUERY_TEXT")

    def objects(self, body: Body) -> tuple[str, ...]:
        paths = ("GRANTEE_NAME", "NAME", "ROLE_NAME", "DATABASE_NAME", "WAREHOUSE_NAME")
        return names_of(*(one_of(body, path) for path in paths))

    def acts(self, body: Body) -> bool:
        return True

    def error(self, body: Body) -> str | None:
        """Return why it failed; a grant stands in its list only if it was given."""
        said = one_of(body, "IS_SUCCESS", "EXECUTION_STATUS").upper()
        if said in ("YES", "SUCCESS", "TRUE") or (not said and one_of(body, "PRIVILEGE")):
            return ""
        return (one_of(body, "ERROR_MESSAGE", "ERROR_CODE") or said) if said else None
