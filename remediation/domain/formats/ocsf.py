"""OCSF: findings, account changes, authentication and API activity by their `class_uid`."""

from __future__ import annotations

from collections.abc import Set

from remediation.domain.formats.body import Body, items, names_of, one_of, value_at, word
from remediation.domain.formats.form import Format

_FAILED = 2
_WORKED = 1
_FINDINGS = range(2000, 3000)
_DETECTION = 2004
_SUPPRESSED = 3


class Ocsf(Format):
    """https://schema.ocsf.io/ — version 1.x"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        return {"class_uid", "metadata"} <= names and isinstance(value_at(body, "class_uid"), int)

    def name(self, body: Body) -> str:
        return one_of(
            body,
            "api.operation",
            "finding_info.title",
            "finding.title",
            "activity_name",
            "type_name",
            "class_name",
        )

    def service(self, body: Body) -> str:
        return one_of(body, "api.service.name").partition(".")[0]

    def region(self, body: Body) -> str:
        return one_of(body, "cloud.region")

    def time(self, body: Body) -> str:
        return one_of(body, "time_dt", "time")

    def key(self, body: Body) -> str:
        return one_of(body, "actor.user.credential_uid", "actor.session.credential_uid")

    def user(self, body: Body) -> str:
        return one_of(body, "actor.user.name", "actor.user.email_addr", *_alone(body))

    def actor(self, body: Body) -> str:
        return one_of(
            body, "actor.user.uid_alt", "actor.user.uid", "actor.invoked_by", "actor.app_name"
        )

    def issuer(self, body: Body) -> str:
        return one_of(body, "actor.session.issuer", "actor.idp.name")

    def session(self, body: Body) -> str:
        return one_of(body, "actor.session.uid", "session.uid")

    def address(self, body: Body) -> str:
        return one_of(body, "src_endpoint.ip", "src_endpoint.hostname")

    def account(self, body: Body) -> str:
        return one_of(body, "cloud.account.uid", "cloud.account_uid")

    def objects(self, body: Body) -> tuple[str, ...]:
        listed = [*items(body, "resources"), *items(body, "resource"), *items(body, "entity")]
        people = [*items(body, "user"), *items(body, "group"), *items(body, "role")]
        return names_of(*(one_of(item, "uid", "name") for item in (*listed, *people)))

    def note(self, body: Body) -> str:
        test = word(body, "verdict_id") == "6"
        if test:
            return "a test, by its verdict"
        closed = word(body, "status_id") == str(_SUPPRESSED) and _class(body) == _DETECTION
        return "suppressed" if closed else ""

    def acts(self, body: Body) -> bool:
        return _class(body) not in _FINDINGS

    def error(self, body: Body) -> str | None:
        """Return why it failed; the status of a finding is about the finding, not the act."""
        code = one_of(body, "api.response.error")
        if code or _class(body) in _FINDINGS:
            return code or None
        status = word(body, "status_id")
        if status == str(_FAILED):
            return one_of(body, "status_code", "status_detail", "status") or "it failed"
        return "" if status == str(_WORKED) else None


def _class(body: Body) -> int:
    value = value_at(body, "class_uid")
    return value if isinstance(value, int) else 0


def _alone(body: Body) -> tuple[str, ...]:
    """Return where the actor of an authentication (3002) stands: it is the user itself."""
    return ("user.name", "user.email_addr", "user.uid") if _class(body) == 3002 else ()
