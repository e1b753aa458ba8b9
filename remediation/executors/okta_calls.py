"""Sign in at Okta as a service app, read a user, and make one change.

Okta answers 404 where the app's admin role does not reach, too. So a user counts as gone only if
Okta's own log has its deletion.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from remediation.domain import instant
from remediation.domain.errors import BadValue, TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.api_http import CALL_SECONDS, Answer, Call, NoAnswer
from remediation.executors.base import Deadline
from remediation.executors.credentials import for_observing, for_operating
from remediation.executors.errors import NotApplied, OutcomeUnknown
from remediation.executors.libraries import OKTA_AUTHLIB
from remediation.executors.okta_http import send
from remediation.executors.okta_server import Login, Organisation
from remediation.executors.secret import watch

Object = Mapping[str, Any]
READ_SCOPES = ("okta.users.read", "okta.roles.read", "okta.logs.read")
OPERATE_SCOPES = ("okta.users.manage",)
TOKEN = "/oauth2/v1/token"  # noqa: S105  a path
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Okta takes an hour at most; a minute in the past, for clocks that differ.
LIFE_SECONDS, PAST_SECONDS = 360, 60
# For all calls of one look: a rollback looks twice, and waits in between.
LOOK_SECONDS = 15.0
# Okta keeps its log for 90 days, and looks back 7 if it is not asked for more.
LOG_KEPT = timedelta(days=89)
MOST_TEXT, MOST_LISTED = 200, 200
# Okta's number for a thing that is not there.
NOT_FOUND = "E0000007"
# A proxy on the way may say it after it has passed the call on.
REQUEST_TIMEOUT = 408
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)


@dataclass(frozen=True)
class Reading:
    """The observer's calls in one organisation, all within one time."""

    at: Organisation
    bearer: str = field(repr=False)
    _until: Deadline

    def user(self, user_id: str) -> Object | None:
        """Return a user; None for a 404, which alone says nothing. Raises TargetUnobservable."""
        answer = self._ask(f"/api/v1/users/{user_id}", {})
        if answer.status == 404 and answer.code == NOT_FOUND:
            return None
        found = _object(_success(answer))
        # Okta takes a login in place of an id.
        if text(found, "id") != user_id:
            raise TargetUnobservable("Okta: it answers with another user")
        return found

    def roles(self, user_id: str) -> list[str]:
        """Return the labels of a user's roles as an administrator. Raises TargetUnobservable."""
        answer = self._ask(f"/api/v1/users/{user_id}/roles", {})
        said = _objects(_success(answer))
        if answer.has_next:
            raise TargetUnobservable("Okta: the list of roles has more than one page")
        return sorted({text(one, "label") or text(one, "type") for one in said})[:MOST_LISTED]

    def event(self, kind: str, user_id: str, since: str = "", by: str = "") -> bool:
        """Return whether the log has a successful event about a user. Raises TargetUnobservable."""
        return self.newest(kind, user_id, since, by) is not None

    def newest(self, kind: str, user_id: str, since: str = "", by: str = "") -> Object | None:
        """Return the last successful event about a user. Raises TargetUnobservable.

        One that is not what was asked for is never taken for it.
        """
        begins = _begins(since)
        asked = [("eventType", kind), ("target.id", user_id), ("outcome.result", "SUCCESS")]
        asked += [("actor.id", by)] if by else []
        query = {
            "filter": " and ".join(f'{name} eq "{value}"' for name, value in asked),
            "since": since or instant.dump(begins),
            "sortOrder": "DESCENDING",
            "limit": "1",
        }
        said = _objects(_success(self._ask("/api/v1/logs", query)))
        for one in said:
            about = {text(each, "id") for each in _objects(one["target"])}
            same = text(one, "eventType") == kind and user_id in about
            same = same and text(_object(one["outcome"]), "result") == "SUCCESS"
            if not same or (by and text(_object(one["actor"]), "id") != by):
                raise TargetUnobservable("Okta: the log answers with another event")
            published = datetime.fromisoformat(moment(one, "published") or "")
            if published < begins.replace(microsecond=0):
                raise TargetUnobservable("Okta: the log answers with an older event")
            if published < begins:  # Okta may have cut the fraction of what was asked for
                return None
        return said[0] if said else None

    def _ask(self, path: str, query: Mapping[str, str]) -> Answer:
        call = Call("GET", f"{self.at.url}{path}", self.bearer, query=query)
        return _sent(self.at, call, self._until)


@contextmanager
def reading(at: Organisation) -> Iterator[Reading]:
    """Yield the observer's calls, with a token that has the scopes to read and no other.

    Raises TargetUnobservable, also for an answer of another shape than Okta's.
    """
    until = Deadline.within(LOOK_SECONDS)
    pem = for_observing(at.observer.key)
    with shaped():
        yield Reading(at, _signed_in(at, at.observer, pem, READ_SCOPES, until), until)


def operator_key(at: Organisation, clearance: Clearance) -> str:
    """Raises ClearanceRefused and CredentialUnavailable."""
    return for_operating(clearance, at.operator.key)


def change(
    at: Organisation, pem: str, method: str, path: str, query: Mapping[str, str], until: Deadline
) -> None:
    """Make one change as the operator. Raises NotApplied and OutcomeUnknown.

    A 4xx is a refusal: nothing was changed. After anything else, and after a lost answer, it may
    have been.
    """
    try:
        with shaped():
            bearer = _signed_in(at, at.operator, pem, OPERATE_SCOPES, until)
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error
    if until.left < CALL_SECONDS:
        raise NotApplied("no time is left for the call")
    try:
        call = Call(method, f"{at.url}{path}", bearer, query=query)
        answer = send(call, str(at.ca_file or ""))
    except NoAnswer as error:
        raise (OutcomeUnknown if error.sent else NotApplied)(f"Okta: {error}") from None
    if 400 <= answer.status < 500 and answer.status != REQUEST_TIMEOUT:
        raise NotApplied(f"Okta refuses: {answer.why_not}")
    if not 200 <= answer.status < 300:
        raise OutcomeUnknown(f"Okta: {answer.why_not}")


def _signed_in(
    at: Organisation, login: Login, pem: str, scopes: tuple[str, ...], until: Deadline
) -> str:
    """Return a token of the app with these scopes. Raises TargetUnobservable."""
    form = {
        "grant_type": "client_credentials",
        "scope": " ".join(scopes),
        "client_assertion_type": ASSERTION,
        "client_assertion": _assertion(at, login, pem),
    }
    answer = _sent(at, Call("POST", f"{at.url}{TOKEN}", form=form), until)
    if answer.status == 400 and _object(answer.said).get("error") == "invalid_scope":
        raise TargetUnobservable(f"Okta: the app was not granted all of {', '.join(scopes)}")
    if answer.status != 200:
        raise TargetUnobservable(f"Okta: the app cannot sign in: {answer.why_not}")
    said = _object(answer.said)
    token = said["access_token"]
    if not isinstance(token, str) or not token or text(said, "token_type").lower() != "bearer":
        raise TargetUnobservable("Okta: the app got no bearer token")
    watch(token)
    if {*scopes} - {*text(said, "scope", 2000).split(" ")}:
        raise TargetUnobservable(f"Okta: the token has not all of {', '.join(scopes)}")
    return token


def _assertion(at: Organisation, login: Login, pem: str) -> str:
    """Return what the app signs in with, signed by its key. Raises TargetUnobservable."""
    try:
        from authlib.oauth2.rfc7523 import private_key_jwt_sign
        from joserfc.jwk import RSAKey  # comes with authlib
    except ImportError:
        raise TargetUnobservable(OKTA_AUTHLIB.missing) from None
    header = {"alg": "RS256", **({"kid": login.key_id} if login.key_id else {})}
    try:
        signed = private_key_jwt_sign(
            RSAKey.import_key(pem),
            login.client_id,
            f"{at.url}{TOKEN}",
            header=header,
            issued_at=int(time.time()) - PAST_SECONDS,
            expires_in=LIFE_SECONDS,
        )
    except Exception:  # of many classes; their words may quote the key
        signed = None
    if signed is None:
        raise TargetUnobservable("the file of an app's private key has no RSA key")
    made = signed.decode() if isinstance(signed, bytes) else str(signed)
    watch(made)
    return made


def _sent(at: Organisation, call: Call, until: Deadline) -> Answer:
    """Raises TargetUnobservable if there is no answer."""
    if until.passed:
        raise TargetUnobservable("Okta: the look took too long")
    try:
        return send(call, str(at.ca_file or ""), min(CALL_SECONDS, until.left))
    except NoAnswer as error:
        raise TargetUnobservable(f"Okta: {error}") from None


def _begins(since: str) -> datetime:
    """Return from when on the log is read. Raises TargetUnobservable."""
    if not since:
        return datetime.now(UTC).replace(microsecond=0) - LOG_KEPT
    try:
        return instant.parse(since)
    except BadValue:
        raise TargetUnobservable("Okta: the given time is none") from None


def _success(answer: Answer) -> Any:
    if answer.status != 200:
        raise TargetUnobservable(f"Okta: {answer.why_not}")
    return answer.said


# -- reading answers -------------------------------------------------------------------------------


@contextmanager
def shaped() -> Iterator[None]:
    """Turn what reading an answer of another shape raises into TargetUnobservable."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise TargetUnobservable(f"Okta: {type(error).__name__} in an answer") from None


def _object(value: Any) -> Object:
    return _objects([value])[0]


def _objects(value: Any) -> list[Object]:
    """Return a list of objects as it is. Raises TypeError for anything else."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise TypeError("no list of objects")
    return value


def text(found: Object, name: str, most: int = MOST_TEXT) -> str:
    """Return a text, cut; "" if there is none. Raises TypeError."""
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError(name)
    return plain(value or "", most)


def plain(value: str, most: int = MOST_TEXT) -> str:
    """Return a text, cut, without what no record takes: it would keep a step off the record."""
    return "".join("\ufffd" if _unkept(each) else each for each in value[:most])


def _unkept(each: str) -> bool:
    return each == "\0" or "\ud800" <= each <= "\udfff"


def moment(found: Object, name: str) -> str | None:
    """Return a time as Okta writes it; "" for none, None if it is not said."""
    if name not in found:
        return None
    value = text(found, name)
    if value and not _MOMENT.fullmatch(value):
        raise ValueError(name)
    return value
