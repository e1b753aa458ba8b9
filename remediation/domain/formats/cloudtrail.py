"""AWS CloudTrail: one event is one call."""

from __future__ import annotations

import re
from collections.abc import Set

from remediation.domain.formats.body import Body, say
from remediation.domain.formats.form import Format

# Lambda's event names end in the API date and a version: AddPermission20150331v2.
_API_DATE = re.compile(r"\d{8}(v\d+)?$")
_READING = re.compile(r"(Get|List|Describe|Head|Lookup|BatchGet)[A-Z]")
# A read that finds nothing configured still succeeded: its caller learnt that nothing is there.
_NOTHING_THERE = re.compile(r"NoSuch|NotFound|NotConfigured")


class CloudTrail(Format):
    """https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference.html"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        return "eventname" in names

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
        return say(body, "userIdentity", "arn")

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
        return "the sign-in failed" if failed else None
