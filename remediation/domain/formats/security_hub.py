"""AWS Security Hub: a finding in the AWS Security Finding Format (ASFF)."""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, items, names_of, one_of, say, value_at, word
from remediation.domain.formats.form import Format

_CALL = "Action.AwsApiCallAction"
_KEY = ("Details", "AwsIamAccessKey")
_DISMISSED = ("SUPPRESSED", "RESOLVED")


class SecurityHub(Format):
    """https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format.html"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        return {"awsaccountid", "productarn", "resources"} <= names

    def name(self, body: Body) -> str:
        kinds = value_at(body, "Types")
        kind = kinds[0] if isinstance(kinds, list) and kinds else ""
        return one_of(body, f"{_CALL}.Api", "Title") or (kind if isinstance(kind, str) else "")

    def service(self, body: Body) -> str:
        return one_of(body, f"{_CALL}.ServiceName").partition(".")[0]

    def region(self, body: Body) -> str:
        return say(body, "Region")

    def time(self, body: Body) -> str:
        return one_of(body, "LastObservedAt", "UpdatedAt", "CreatedAt", "FirstObservedAt")

    def key(self, body: Body) -> str:
        return _of_key(body, "AccessKeyId")

    def user(self, body: Body) -> str:
        return _of_key(body, "UserName") or _of_key(body, "PrincipalName")

    def actor(self, body: Body) -> str:
        acting = [item for item in items(body, "Resources") if _role(item) == "actor"]
        return _of_key(body, "PrincipalId") or next((word(item, "Id") for item in acting), "")

    def issuer(self, body: Body) -> str:
        found = (
            word(item, *_KEY, "SessionContext", "SessionIssuer", "Arn")
            for item in items(body, "Resources")
        )
        return next(filter(None, found), "")

    def address(self, body: Body) -> str:
        at = (f"{_CALL}.RemoteIpDetails", "Action.NetworkConnectionAction.RemoteIpDetails")
        return one_of(body, *(f"{one}.IpAddressV4" for one in at), "Network.SourceIpV4")

    def account(self, body: Body) -> str:
        return word(body, "AwsAccountId")

    def objects(self, body: Body) -> tuple[str, ...]:
        listed = [item for item in items(body, "Resources") if _role(item) != "actor"]
        return names_of(*(word(item, "Id") for item in listed))

    def note(self, body: Body) -> str:
        said = []
        if value_at(body, "Sample") is True:
            said.append("a sample finding")
        if say(body, "RecordState").upper() == "ARCHIVED":
            said.append("archived")
        workflow = one_of(body, "Workflow.Status").upper()
        if workflow in _DISMISSED:
            said.append(f"{workflow.lower()} in its workflow")
        return ", ".join(said)

    def acts(self, body: Body) -> bool:
        return bool(one_of(body, f"{_CALL}.Api"))

    def error(self, body: Body) -> str | None:
        return (
            one_of(body, f"{_CALL}.ErrorCode", "ProductFields.aws/guardduty/service/errorCode")
            or None
        )


def _of_key(body: Body, name: str) -> str:
    found = (word(item, *_KEY, name) for item in items(body, "Resources"))
    return next(filter(None, found), "")


def _role(item: Body) -> str:
    return say(item, "ResourceRole").lower()
