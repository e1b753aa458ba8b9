"""AWS CloudTrail: one event is one call."""

from __future__ import annotations

import re
from collections.abc import Set
from itertools import islice

from audit.tlog.canonical import Json
from remediation.domain.formats.body import (
    Body,
    items,
    names_of,
    one_of,
    say,
    strings_in,
    value_at,
)
from remediation.domain.formats.form import Format
from remediation.domain.formats.nested import parsed_text

# Lambda's event names end in the API date and a version: AddPermission20150331v2.
_API_DATE = re.compile(r"\d{8}(v\d+)?$")
_READING = re.compile(r"(Get|List|Describe|Head|Lookup|BatchGet)[A-Z]")
# A read that finds nothing configured still succeeded: its caller learnt that nothing is there.
_NOTHING_THERE = re.compile(r"NoSuch|NotFound|NotConfigured")
_IN_SESSION = ("AssumedRole", "FederatedUser", "WebIdentityUser", "SAMLUser")
MOST = 50
_NAME = re.compile(r"(?:name|names|arn|id|ids|identifier|number|resource|key)$", re.IGNORECASE)
_NO_NAME = re.compile(r"sessionname|externalid|token|^(?:client)?requestid", re.IGNORECASE)
# What a call hands to its caller, in its answer.
_GIVEN = (
    "accessKey.accessKeyId",
    "credentials.accessKeyId",
    "assumedRoleUser.arn",
    "federatedUser.arn",
    "serviceSpecificCredential.serviceUserName",
    "loginProfile.userName",
)
_MADE = (
    "user.arn",
    "user.userName",
    "role.arn",
    "role.roleName",
    "policy.arn",
    "group.arn",
    "instanceProfile.arn",
    "functionArn",
    "functionUrl",
    "keyPairId",
    "keyName",
)


class CloudTrail(Format):
    """https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference.html"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        """Return whether it names a call, unless it holds the whole event as text (LookupEvents).

        A text that is no event hides nothing: then what stands around it is read.
        """
        if not say(body, "eventName"):
            return False
        held = parsed_text(say(body, "CloudTrailEvent")) if "cloudtrailevent" in names else None
        return not (isinstance(held, dict) and say(held, "eventName"))

    def name(self, body: Body) -> str:
        return _API_DATE.sub("", say(body, "eventName"))

    def service(self, body: Body) -> str:
        return say(body, "eventSource").partition(".")[0]

    def region(self, body: Body) -> str:
        return say(body, "awsRegion")

    def time(self, body: Body) -> str:
        return say(body, "eventTime")

    def key(self, body: Body) -> str:
        return say(body, "userIdentity", "accessKeyId")

    def user(self, body: Body) -> str:
        return say(body, "userIdentity", "userName")

    def actor(self, body: Body) -> str:
        return one_of(
            body,
            "userIdentity.arn",
            "userIdentity.invokedBy",
            "userIdentity.principalId",
            "userIdentity.userName",
            "userIdentity.accountId",
        )

    def issuer(self, body: Body) -> str:
        return one_of(
            body,
            "userIdentity.sessionContext.sessionIssuer.arn",
            "userIdentity.sessionContext.webIdFederationData.federatedProvider",
            "userIdentity.identityProvider",
        )

    def session(self, body: Body) -> str:
        """Return the name of the session of a role or of a federated user."""
        if say(body, "userIdentity", "type") not in _IN_SESSION:
            return ""
        return say(body, "userIdentity", "principalId").partition(":")[2]

    def objects(self, body: Body) -> tuple[str, ...]:
        resources = [one_of(item, "ARN", "resourceName") for item in items(body, "resources")]
        return names_of(*resources, *named_in(value_at(body, "requestParameters")))

    def obtained(self, body: Body) -> tuple[str, ...]:
        paths = _GIVEN + (_MADE if self.name(body).startswith("Create") else ())
        return names_of(*(one_of(body, f"responseElements.{path}") for path in paths))

    def address(self, body: Body) -> str:
        return say(body, "sourceIPAddress")

    def account(self, body: Body) -> str:
        return say(body, "recipientAccountId") or say(body, "userIdentity", "accountId")

    def acts(self, body: Body) -> bool:
        return bool(self.name(body))

    def error(self, body: Body) -> str | None:
        code = say(body, "errorCode")
        if code and _READING.match(self.name(body)) and _NOTHING_THERE.search(code):
            return ""
        if code:
            return code
        failed = say(body, "responseElements", "ConsoleLogin") == "Failure"
        return "the sign-in failed" if failed else ""


def named_in(asked: Json) -> list[str]:
    """Return the names and ids that the parameters of a call hold, at most MOST of them."""
    found = (text for at, text in strings_in(asked) if _names(at) and 0 < len(text) <= 2048)
    return list(islice(found, MOST))


def _names(pointer: str) -> bool:
    parts = [part for part in pointer.split("/") if not part.isdigit()]
    last = parts[-1] if parts else ""
    return bool(_NAME.search(last)) and not _NO_NAME.search(last)
