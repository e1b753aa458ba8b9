"""AWS CloudTrail as Elastic stores it, in the names of the Elastic Common Schema."""

from __future__ import annotations

import re
from collections.abc import Set

from audit.tlog.canonical import Json
from remediation.domain.formats.body import Body, items, names_of, one_of, value_at, word
from remediation.domain.formats.cloudtrail import CloudTrail, named_in
from remediation.domain.formats.form import Format

_TRAIL = "aws.cloudtrail"
_WHO = f"{_TRAIL}.user_identity"
# Elastic keeps parameters as text too: {userName=eve, groupName=admins}
_PAIR = re.compile(r"\w{0,60}(?:[nN]ame|[iI]d|[aA]rn)=([^,{}\[\]\s]{1,512})")
_CALL = CloudTrail()


class ElasticCloudTrail(Format):
    """https://www.elastic.co/docs/reference/integrations/aws/cloudtrail; names can be dotted."""

    def is_record(self, names: Set[str], body: Body) -> bool:
        return bool(self.name(body)) and (
            isinstance(_at(body, _TRAIL), dict)
            or any(name.startswith(f"{_TRAIL}.") for name in names)
        )

    def name(self, body: Body) -> str:
        return _CALL.name({"eventName": _text(body, "event.action")})

    def service(self, body: Body) -> str:
        return _text(body, "event.provider").partition(".")[0]

    def region(self, body: Body) -> str:
        return _text(body, "cloud.region")

    def time(self, body: Body) -> str:
        return _text(body, "@timestamp")

    def key(self, body: Body) -> str:
        return _text(body, f"{_WHO}.access_key_id")

    def user(self, body: Body) -> str:
        return _text(body, "user.name")

    def actor(self, body: Body) -> str:
        return _text(body, f"{_WHO}.arn", f"{_WHO}.invoked_by", "user.id")

    def issuer(self, body: Body) -> str:
        return _text(body, f"{_WHO}.session_context.session_issuer.arn")

    def session(self, body: Body) -> str:
        return self.actor(body).rpartition("/")[2] if "assumed-role/" in self.actor(body) else ""

    def address(self, body: Body) -> str:
        return _text(body, "source.ip", "source.address")

    def account(self, body: Body) -> str:
        return _text(body, f"{_TRAIL}.recipient_account_id", "cloud.account.id")

    def objects(self, body: Body) -> tuple[str, ...]:
        resources = [one_of(item, "arn") for item in items(body, "aws", "cloudtrail", "resources")]
        asked = named_in(_at(body, f"{_TRAIL}.flattened.request_parameters"))
        pairs = _PAIR.findall(_text(body, f"{_TRAIL}.request_parameters")[:65536])
        return names_of(*resources, *asked, *pairs[:50])

    def obtained(self, body: Body) -> tuple[str, ...]:
        given = _at(body, f"{_TRAIL}.flattened.response_elements")
        return _CALL.obtained({"eventName": self.name(body), "responseElements": given})

    def acts(self, body: Body) -> bool:
        return True

    def error(self, body: Body) -> str | None:
        code = _text(body, f"{_TRAIL}.error_code")
        if code:
            return _CALL.error({"eventName": self.name(body), "errorCode": code})
        outcome = _text(body, "event.outcome")
        return {"failure": "the call failed", "success": ""}.get(outcome)


def _at(body: Body, path: str) -> Json:
    """Return the value at a path, whose names can also stand as one, with dots."""
    if path in body:
        return body[path]
    found = value_at(body, *path.split("."))
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def _text(body: Body, *paths: str) -> str:
    found = (_at(body, path) for path in paths)
    return next((said for value in found if (said := word({"it": value}, "it"))), "")
