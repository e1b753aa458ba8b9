"""Google Cloud audit logs: one entry is one call."""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, items, names_of, one_of, value_at, word
from remediation.domain.formats.form import Format

_P = "protoPayload"
_INFO = f"{_P}.authenticationInfo"


class GoogleCloud(Format):
    """https://cloud.google.com/logging/docs/reference/audit/auditlog/rest/Shared.Types/AuditLog"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        return bool(one_of(body, f"{_P}.methodName"))

    def name(self, body: Body) -> str:
        return one_of(body, f"{_P}.methodName")

    def service(self, body: Body) -> str:
        return one_of(body, f"{_P}.serviceName").partition(".")[0]

    def region(self, body: Body) -> str:
        return one_of(body, "resource.labels.location", "resource.labels.zone")

    def time(self, body: Body) -> str:
        return one_of(body, "timestamp", f"{_P}.timestamp", "receiveTimestamp")

    def key(self, body: Body) -> str:
        return one_of(body, f"{_INFO}.serviceAccountKeyName")

    def user(self, body: Body) -> str:
        return one_of(body, f"{_INFO}.principalEmail")

    def actor(self, body: Body) -> str:
        return one_of(body, f"{_INFO}.principalEmail", f"{_INFO}.principalSubject")

    def issuer(self, body: Body) -> str:
        """Return who minted the token of a service account: the first in the delegation."""
        by = items(body, "protoPayload", "authenticationInfo", "serviceAccountDelegationInfo")
        found = (
            one_of(one, "firstPartyPrincipal.principalEmail", "principalSubject") for one in by
        )
        return next(filter(None, found), "")

    def address(self, body: Body) -> str:
        return one_of(body, f"{_P}.requestMetadata.callerIp")

    def account(self, body: Body) -> str:
        return one_of(body, "resource.labels.project_id")

    def objects(self, body: Body) -> tuple[str, ...]:
        asked = items(body, "protoPayload", "authorizationInfo")
        return names_of(
            one_of(body, f"{_P}.resourceName"), *(word(one, "resource") for one in asked[:50])
        )

    def obtained(self, body: Body) -> tuple[str, ...]:
        made = self.name(body).rpartition(".")[2].lower()
        if not made.startswith(("create", "insert", "generate")):
            return ()
        return names_of(one_of(body, f"{_P}.response.name", f"{_P}.response.email"))

    def acts(self, body: Body) -> bool:
        return True

    def error(self, body: Body) -> str | None:
        """Return the status; none, or one without a code, is success. A refusal can stand alone."""
        code = one_of(body, f"{_P}.status.code")
        if code and code != "0":
            return one_of(body, f"{_P}.status.message") or f"status {code}"
        asked = items(body, "protoPayload", "authorizationInfo")
        denied = [one for one in asked if value_at(one, "granted") is False]
        return "permission not granted" if denied and len(denied) == len(asked) else ""
