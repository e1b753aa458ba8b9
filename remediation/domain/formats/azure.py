"""Microsoft Azure and Entra: activity log, sign-ins and directory audit.

Azure Monitor exports all three in one envelope (`operationName`, `category`, `properties`);
Microsoft Graph gives sign-ins and audit without it.
"""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, items, names_of, one_of, value_at, word
from remediation.domain.formats.form import Format

_CLAIMS = "identity.claims"
_UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
_WORKED = ("success", "succeeded", "0", "200")
_OPEN = ("none", "start", "started", "accept", "accepted", "active")  # not ended: not known
_BY = "initiatedBy"
_WHO = (
    f"{_BY}.user.userPrincipalName",
    f"{_BY}.user.id",
    f"{_BY}.app.servicePrincipalId",
    f"{_BY}.app.appId",
    f"{_BY}.app.displayName",
    "userPrincipalName",
    "servicePrincipalName",
    "servicePrincipalId",
    "userId",
    "appId",
)


class Azure(Format):
    """https://learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        exported = {"operationname", "category"} <= names or {"operationname", "caller"} <= names
        placed = {"operationname", "resourceid"} <= names
        graph = {"activitydisplayname", "targetresources"} <= names
        sign_in = {"userprincipalname", "createddatetime", "ipaddress"} <= names
        if word(body, "category").startswith("kube-audit"):
            return False  # the envelope of AKS: the record is the Kubernetes event inside
        return (exported or placed or graph or sign_in) and "protopayload" not in names

    def name(self, body: Body) -> str:
        return _either(body, "operationName", "operationName.value", "activityDisplayName") or (
            "Sign-in activity" if word(body, "createdDateTime") else ""
        )

    def service(self, body: Body) -> str:
        return self.name(body).partition("/")[0] if "/" in self.name(body) else ""

    def region(self, body: Body) -> str:
        return word(body, "location")

    def time(self, body: Body) -> str:
        return one_of(
            body, "time", "eventTimestamp", "activityDateTime", "createdDateTime"
        ) or one_of(body, "properties.activityDateTime", "properties.createdDateTime")

    def user(self, body: Body) -> str:
        upn = value_at(body, "identity", "claims", _UPN)
        return (
            (upn if isinstance(upn, str) else "")
            or _either(body, f"{_BY}.user.userPrincipalName", "userPrincipalName")
            or one_of(body, "caller")
        )

    def actor(self, body: Body) -> str:
        return (
            self.user(body)
            or one_of(body, f"{_CLAIMS}.name", f"{_CLAIMS}.appid", "identity")
            or _either(body, *_WHO)
        )

    def issuer(self, body: Body) -> str:
        return one_of(body, f"{_CLAIMS}.iss")

    def session(self, body: Body) -> str:
        return _either(body, "sessionId", "uniqueTokenIdentifier") or one_of(body, f"{_CLAIMS}.uti")

    def address(self, body: Body) -> str:
        return one_of(body, "callerIpAddress", "httpRequest.clientIpAddress") or _either(
            body, "ipAddress", f"{_BY}.user.ipAddress"
        )

    def account(self, body: Body) -> str:
        at = one_of(body, "resourceId").split("/")
        if len(at) > 2 and at[1].lower() == "subscriptions":
            return at[2]
        return one_of(body, "subscriptionId", "tenantId")

    def objects(self, body: Body) -> tuple[str, ...]:
        about = one_of(body, "resourceId")
        return names_of(about, *_acted_on(body), _either(body, "resourceDisplayName"))

    def obtained(self, body: Body) -> tuple[str, ...]:
        """Return the objects that were made, and those that got a new credential."""
        name = self.name(body).lower()
        gives = name.startswith("add ") or "certificates and secrets" in name
        return _acted_on(body) if gives and word(body, "category") != "SignInLogs" else ()

    def acts(self, body: Body) -> bool:
        return True

    def error(self, body: Body) -> str | None:
        """Return why it failed: a code of a sign-in, a result, or a status of HTTP."""
        code = _either(body, "status.errorCode")
        if code and code != "0":
            return _either(body, "status.failureReason") or code
        said = one_of(body, "resultType", "status.value", "status", "properties.result", "result")
        said = said or code or one_of(body, "resultSignature")
        if not said or said.lower() in _OPEN:
            return None
        if said.lower() in _WORKED:
            return ""
        return one_of(body, "resultDescription", "properties.statusMessage") or said


def _acted_on(body: Body) -> tuple[str, ...]:
    acted = [*items(body, "targetResources"), *items(body, "properties", "targetResources")]
    return names_of(*(one_of(item, "userPrincipalName", "displayName", "id") for item in acted))


def _either(body: Body, *paths: str) -> str:
    """Return what stands at a path, in the envelope or in its properties."""
    return one_of(body, *paths, *(f"properties.{path}" for path in paths))
