"""Sign in at Entra by a certificate, read one object at Microsoft Graph, and make one change.

Graph answers 404 for what one copy of the directory does not have yet, too. So an object counts as
gone only if it is among the deleted ones.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.api_http import CALL_SECONDS, Answer, Call, NoAnswer
from remediation.executors.base import Deadline
from remediation.executors.credentials import for_observing, for_operating
from remediation.executors.entra_http import send
from remediation.executors.entra_server import Login, Tenant
from remediation.executors.errors import NotApplied, OutcomeUnknown
from remediation.executors.libraries import ENTRA_AUTHLIB
from remediation.executors.secret import watch

Object = Mapping[str, Any]
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE_SECONDS, PAST_SECONDS = 360, 60
# For all calls of one look: a rollback looks twice, and waits in between.
LOOK_SECONDS = 15.0
MOST_TEXT = 200
# Entra takes fewer credentials of an application.
MOST_CREDENTIALS = 500
NOT_FOUND = "Request_ResourceNotFound"
# A proxy on the way may say it after it has passed the call on.
REQUEST_TIMEOUT = 408
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,12})?(?:Z|[+-]\d\d:\d\d)")
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FEDERATED = ("id", "name", "issuer", "subject")
_KINDS = {"servicePrincipals": "servicePrincipal", "applications": "application"}


@dataclass(frozen=True)
class Reading:
    """The observer's calls in one tenant, all within one time."""

    at: Tenant
    bearer: str = field(repr=False)
    _until: Deadline

    def object(
        self, kind: str, fields: Mapping[str, str], wanted: tuple[str, ...]
    ) -> Object | None:
        """Return an object; None if it is among the deleted ones. Raises TargetUnobservable."""
        path = f"/{kind}/{fields['object_id']}"
        answer = self._ask(path, {"$select": ",".join(wanted)})
        if answer.status == 404 and answer.code == NOT_FOUND:
            self._expect_deleted(kind, fields)
            return None
        found = _object(_success(answer))
        _expect_same(found, fields)
        return found

    def federated(self, fields: Mapping[str, str]) -> dict[str, Object]:
        """Return an application's federated credentials by id. Raises TargetUnobservable."""
        path = f"/applications/{fields['object_id']}/federatedIdentityCredentials"
        found = _object(_success(self._ask(path, {"$select": ",".join(_FEDERATED)})))
        if "@odata.nextLink" in found:
            raise TypeError("value")
        return credentials(found, "value", "id")

    def _expect_deleted(self, kind: str, fields: Mapping[str, str]) -> None:
        answer = self._ask(f"/directory/deletedItems/{fields['object_id']}", {})
        if answer.status == 404 and answer.code == NOT_FOUND:
            raise TargetUnobservable(
                "Entra: it is neither there nor among the deleted objects; it may be too new, or"
                " deleted for good"
            )
        found = _object(_success(answer))
        _expect_same(found, fields)
        kind_said = text(found, "@odata.type").lower()
        if not moment(found, "deletedDateTime") or not kind_said.endswith(
            f".{_KINDS[kind].lower()}"
        ):
            raise TargetUnobservable("Entra: what was deleted is another object")

    def _ask(self, path: str, query: Mapping[str, str]) -> Answer:
        call = Call("GET", f"{self.at.graph}{path}", self.bearer, query=query)
        return _sent(self.at, call, self._until)


def _expect_same(found: Object, fields: Mapping[str, str]) -> None:
    said = (text(found, "id").lower(), text(found, "appId").lower())
    if said != (fields["object_id"], fields["app_id"]):
        raise TargetUnobservable("Entra: the object of this id is of another application")


@contextmanager
def reading(at: Tenant) -> Iterator[Reading]:
    """Yield the observer's calls. Raises TargetUnobservable, also for an answer of another shape.

    Entra cuts no token to a role: it has all roles of the app.
    """
    until = Deadline.within(LOOK_SECONDS)
    pem = for_observing(at.observer.key)
    with shaped():
        yield Reading(at, _signed_in(at, at.observer, pem, until), until)


def operator_key(at: Tenant, clearance: Clearance) -> str:
    """Raises ClearanceRefused and CredentialUnavailable."""
    return for_operating(clearance, at.operator.key)


def change(at: Tenant, pem: str, method: str, path: str, body: Json, until: Deadline) -> None:
    """Make one change as the operator. Raises NotApplied and OutcomeUnknown.

    A 4xx is a refusal: nothing was changed. After anything else, and after a lost answer, it may
    have been.
    """
    try:
        with shaped():
            bearer = _signed_in(at, at.operator, pem, until)
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error
    if until.left < CALL_SECONDS:
        raise NotApplied("no time is left for the call")
    try:
        answer = send(Call(method, f"{at.graph}{path}", bearer, body=body), str(at.ca_file or ""))
    except NoAnswer as error:
        raise (OutcomeUnknown if error.sent else NotApplied)(f"Entra: {error}") from None
    if 400 <= answer.status < 500 and answer.status != REQUEST_TIMEOUT:
        raise NotApplied(f"Entra refuses: {answer.why_not}")
    if not 200 <= answer.status < 300:
        raise OutcomeUnknown(f"Entra: {answer.why_not}")


def _signed_in(at: Tenant, login: Login, pem: str, until: Deadline) -> str:
    """Return a token of the app for Graph. Raises TargetUnobservable."""
    form = {
        "grant_type": "client_credentials",
        "client_id": login.client_id,
        "scope": f"{at.graph.removesuffix('/v1.0')}/.default",
        "client_assertion_type": ASSERTION,
        "client_assertion": _assertion(at, login, pem),
    }
    answer = _sent(at, Call("POST", at.token_url, form=form), until)
    if answer.status != 200:
        raise TargetUnobservable(f"Entra: the app cannot sign in: {answer.why_not}")
    said = _object(answer.said)
    token = said["access_token"]
    if not isinstance(token, str) or not token or text(said, "token_type").lower() != "bearer":
        raise TargetUnobservable("Entra: the app got no bearer token")
    watch(token)
    return token


def _assertion(at: Tenant, login: Login, pem: str) -> str:
    """Return what the app signs in with, signed by its key. Raises TargetUnobservable."""
    try:
        from authlib.oauth2.rfc7523 import private_key_jwt_sign
        from joserfc.jwk import RSAKey  # comes with authlib
    except ImportError:
        raise TargetUnobservable(ENTRA_AUTHLIB.missing) from None
    # Its own error names the certificate.
    thumbprint = login.thumbprint
    begins = int(time.time()) - PAST_SECONDS
    try:
        signed = private_key_jwt_sign(
            RSAKey.import_key(pem),
            login.client_id,
            at.token_url,
            alg="PS256",
            header={"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint},
            claims={"nbf": begins},
            issued_at=begins,
            expires_in=LIFE_SECONDS,
        )
    except Exception:  # of many classes; their words may quote the key
        signed = None
    if signed is None:
        raise TargetUnobservable("the file of an app's private key has no RSA key")
    made = signed.decode() if isinstance(signed, bytes) else str(signed)
    watch(made)
    return made


def _sent(at: Tenant, call: Call, until: Deadline) -> Answer:
    """Raises TargetUnobservable if there is no answer."""
    if until.passed:
        raise TargetUnobservable("Entra: the look took too long")
    try:
        return send(call, str(at.ca_file or ""), min(CALL_SECONDS, until.left))
    except NoAnswer as error:
        raise TargetUnobservable(f"Entra: {error}") from None


def _success(answer: Answer) -> Any:
    if answer.status != 200:
        raise TargetUnobservable(f"Entra: {answer.why_not}")
    return answer.said


# -- reading answers -------------------------------------------------------------------------------


@contextmanager
def shaped() -> Iterator[None]:
    """Turn what reading an answer of another shape raises into TargetUnobservable."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise TargetUnobservable(f"Entra: {type(error).__name__} in an answer") from None


def _object(value: Any) -> Object:
    if not isinstance(value, dict):
        raise TypeError("no object")
    return value


def credentials(found: Object, name: str, key: str = "keyId") -> dict[str, Object]:
    """Return an object's whole list of credentials by id. Raises TypeError and ValueError."""
    listed = found[name]
    if not isinstance(listed, list) or f"{name}@odata.nextLink" in found:
        raise TypeError(name)
    by_id = {text(_object(one), key).lower(): one for one in listed}
    if len(by_id) != len(listed) or len(listed) > MOST_CREDENTIALS:
        raise ValueError(name)
    if not all(_GUID.fullmatch(each) for each in by_id):
        raise ValueError(key)
    return by_id


def text(found: Object, name: str, most: int = MOST_TEXT) -> str:
    """Return a text that a record takes, cut; "" if there is none. Raises TypeError."""
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError(name)
    said = (value or "")[:most]
    return "".join(
        "\ufffd" if each == "\0" or "\ud800" <= each <= "\udfff" else each for each in said
    )


def moment(found: Object, name: str) -> str:
    """Return a time as Graph writes it; "" for none. Raises TypeError and ValueError."""
    value = text(found, name)
    if value and not _MOMENT.fullmatch(value):
        raise ValueError(name)
    return value
