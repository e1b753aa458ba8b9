"""Amazon GuardDuty: a finding, from the API or an event, in lower or upper camel case."""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, items, names_of, one_of, say, value_at, word
from remediation.domain.formats.form import Format
from remediation.domain.formats.nested import parsed_text

_ACTION = "service.action.awsApiCallAction"
_KEY = "resource.accessKeyDetails"
_ACTIONS = ("awsApiCallAction", "networkConnectionAction", "kubernetesApiCallAction")


class GuardDuty(Format):
    """https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-format.html"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        return (
            {"schemaversion", "accountid", "type", "service"} <= names
            and ":" in say(body, "type")
            and isinstance(value_at(body, "service"), dict)
        )

    def name(self, body: Body) -> str:
        return one_of(body, f"{_ACTION}.api") or say(body, "type")

    def service(self, body: Body) -> str:
        return one_of(body, f"{_ACTION}.serviceName").partition(".")[0]

    def region(self, body: Body) -> str:
        return say(body, "region")

    def time(self, body: Body) -> str:
        return one_of(body, "service.eventLastSeen", "updatedAt", "createdAt")

    def key(self, body: Body) -> str:
        return one_of(body, f"{_KEY}.accessKeyId")

    def user(self, body: Body) -> str:
        return one_of(body, f"{_KEY}.userName")

    def actor(self, body: Body) -> str:
        return one_of(
            body,
            f"{_KEY}.principalId",
            "resource.kubernetesDetails.kubernetesUserDetails.username",
            "resource.instanceDetails.instanceId",
        )

    def address(self, body: Body) -> str:
        details = [f"service.action.{one}.remoteIpDetails" for one in _ACTIONS]
        return one_of(body, *(f"{at}.{ip}" for at in details for ip in _ADDRESSES))

    def account(self, body: Body) -> str:
        return say(body, "accountId")

    def objects(self, body: Body) -> tuple[str, ...]:
        affected = value_at(body, "service", "action", "awsApiCallAction", "affectedResources")
        buckets = [one_of(item, "arn", "name") for item in items(body, "resource", "s3Details")]
        bucket_details = items(body, "resource", "s3BucketDetails")
        buckets += [one_of(item, "arn", "name") for item in bucket_details]
        resources = [one_of(body, f"resource.{path}") for path in _RESOURCES]
        said = (
            [name for name in affected.values() if isinstance(name, str)]
            if isinstance(affected, dict)
            else []
        )
        return names_of(*said, *buckets, *resources)

    def note(self, body: Body) -> str:
        """Return that it is a sample (the flag can stand in a JSON text), or archived."""
        more = value_at(body, "service", "additionalInfo")
        text = parsed_text(word({"it": more}, "it", "value"))
        sample = any(
            isinstance(one, dict) and value_at(one, "sample") in (True, "true")
            for one in (more, text)
        ) or say(body, "title").startswith("[SAMPLE]")
        archived = value_at(body, "service", "archived") in (True, "true")
        return ", ".join(["a sample finding"] * sample + ["archived"] * archived)

    def acts(self, body: Body) -> bool:
        return bool(one_of(body, f"{_ACTION}.api"))

    def error(self, body: Body) -> str | None:
        """Return the code of the call's error; a finding about something else does not say."""
        if code := one_of(body, f"{_ACTION}.errorCode"):
            return code
        blocked = value_at(body, "service", "action", "networkConnectionAction", "blocked")
        if blocked is True:
            return "the connection was blocked"
        return "" if self.acts(body) else None


_ADDRESSES = ("ipAddressV4", "ipAddressV6")
_RESOURCES = (
    "instanceDetails.instanceId",
    "eksClusterDetails.arn",
    "lambdaDetails.functionArn",
    "rdsDbInstanceDetails.dbInstanceArn",
)
