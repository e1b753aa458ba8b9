"""Ask an OAuth provider about a token (RFC 7662), and revoke it (RFC 7009).

A revocation is answered with 200 for a token that the provider does not know, too, and for another
client's. So its answer proves nothing: only the next introspection does.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.base import Deadline
from remediation.executors.credentials import for_observing, for_operating
from remediation.executors.errors import NotApplied, OutcomeUnknown
from remediation.executors.oauth_http import (
    CALL_SECONDS,
    Answer,
    Call,
    delete,
    failures,
    post,
    session_of,
)
from remediation.executors.oauth_kept import moment
from remediation.executors.oauth_registration import Registration
from remediation.executors.oauth_server import Issuer, Login
from remediation.executors.secret import quotes
from remediation.executors.section import Secret

MOST_TEXT = 200
# The refusals of RFC 6749 and RFC 7009; a provider's other words may quote what was sent.
_CODES = frozenset(
    {"invalid_client", "invalid_grant", "invalid_request", "unauthorized_client",
     "unsupported_token_type", "insufficient_scope", "invalid_token", "access_denied"}
)  # fmt: skip
# Nothing was changed: the call was not understood, or its sender may not make it.
_REFUSED = frozenset({400, 401, 403, 404, 405, 411, 413, 415, 421, 429})
# RFC 6750, 2.1: what a header can carry.
_BEARER = re.compile(r"[!-~]{1,8192}")


class TokenRefused(NotApplied):
    """A registration token is not accepted. It says the same of a client that is gone."""


@dataclass(frozen=True)
class Facts:
    """What a provider says about a token. Without `active` it says nothing else."""

    active: bool
    client_id: str = ""
    subject: str = ""
    scope: str = ""
    audience: str = ""
    issued: datetime | None = None
    expires: datetime | None = None


def introspect(at: Issuer, token: Secret, hint: str, seconds: float = CALL_SECONDS) -> Facts:
    """Return what the provider says, asked with the observer's login. Raises TargetUnobservable."""
    assert at.observer.secret is not None
    secret, text = for_observing(at.observer.secret), for_observing(token)
    session, auth = _session(at, at.observer, secret)
    with _observing(at):
        call = Call(session.introspect_token, at.introspection, text, hint, auth)
        answer = post(session, call, seconds)
    if answer.status != 200:
        raise TargetUnobservable(f"OAuth provider {at.name}: {_why_not(answer)}")
    facts = _facts(at, answer)
    # Judged whole, then cut: a part of a quoted secret is not found any more.
    if quotes("\n".join(str(getattr(facts, each.name)) for each in fields(facts)), [text, secret]):
        raise TargetUnobservable(f"OAuth provider {at.name}: its answer quotes a secret")
    texts = ("client_id", "subject", "scope", "audience")
    return replace(facts, **{name: getattr(facts, name)[:MOST_TEXT] for name in texts})


def revoke(
    at: Issuer, login: Login, clearance: Clearance, token: Secret, hint: str, deadline: Deadline
) -> None:
    """Revoke a token as its client. A repeated call changes nothing.

    Raises NotApplied where the provider refused or was not reached, OutcomeUnknown after a lost
    answer: the token may be revoked.
    """
    secret = "" if login.secret is None else for_operating(clearance, login.secret)
    text = for_operating(clearance, token)
    if deadline.left < CALL_SECONDS:
        raise NotApplied("no time is left for the call")
    try:
        session, auth = _session(at, login, secret)
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error
    with _changing(at):
        answer = post(session, Call(session.revoke_token, at.revocation, text, hint, auth))
    if answer.status in _REFUSED:
        raise NotApplied(f"OAuth provider {at.name} refuses the revocation: {_code(answer)}")
    if answer.status != 200:
        raise OutcomeUnknown(f"OAuth provider {at.name} answers with status {answer.status}")


def delete_client(
    at: Issuer, registered: Registration, clearance: Clearance, deadline: Deadline
) -> None:
    """Delete a client with its registration token (RFC 7592, 2.3): 204 alone is a success.

    There is no read before: its answer may hold a new token, and end this one. Raises NotApplied
    where the provider refused or was not reached, OutcomeUnknown after any other answer.
    """
    token = for_operating(clearance, registered.token)
    if not _BEARER.fullmatch(token):
        raise NotApplied("what the file holds is no registration token")
    if deadline.left < CALL_SECONDS:
        raise NotApplied("no time is left for the call")
    with _changing(at):
        status = delete(registered.endpoint, token, str(at.ca_file or ""))
    if status in _REFUSED:
        refused = TokenRefused if status == 401 else NotApplied
        raise refused(f"OAuth provider {at.name}: {_REFUSALS.get(status, f'status {status}')}")
    if 300 <= status < 400:
        raise OutcomeUnknown(
            f"OAuth provider {at.name} answers with a redirect ({status}), which is not followed"
        )
    if status != 204:
        raise OutcomeUnknown(f"OAuth provider {at.name} answers with status {status}, not 204")


_REFUSALS = {
    401: "it does not accept the registration token: that is not the client's, or is no longer in"
    " force, or the client is gone (401)",
    403: "the registration token may not delete the client (403)",
    405: "it does not delete clients (405)",
}


def _session(at: Issuer, login: Login, secret: str) -> tuple[Any, Any]:
    """Return a session of Authlib, and how it signs in. Raises TargetUnobservable."""
    session = session_of(login.client_id, secret, login.auth, str(at.ca_file or ""))
    return session, None if login.client_id else session.token_auth


def _why_not(answer: Answer) -> str:
    if answer.status in (401, 403):
        return (
            f"it refuses the observer's login ({_code(answer)}): the client is not known, or may"
            " not introspect tokens"
        )
    if 300 <= answer.status < 400:
        return f"it answers with a redirect ({answer.status}), which is not followed"
    return f"it answers an introspection with {_code(answer)}"


def _code(answer: Answer) -> str:
    """Return the status, and the code of the refusal where it is one of the standard's."""
    try:
        found = json.loads(answer.body).get("error")
    except (ValueError, AttributeError, RecursionError):
        found = None
    return f"{answer.status} {found}" if found in _CODES else f"status {answer.status}"


def _facts(at: Issuer, answer: Answer) -> Facts:
    """Read an answer. Raises TargetUnobservable unless each member that is read is as it must be.

    An answer without `active` is never taken for "not active": a page of a proxy would confirm a
    revocation.
    """
    try:
        if answer.media_type != "application/json":
            raise ValueError("it is no JSON")
        found = json.loads(answer.body)
        if not isinstance(found, dict) or not isinstance(found.get("active"), bool):
            raise ValueError("it does not say whether the token is active")
        if not found["active"]:
            return Facts(active=False)
        return Facts(
            active=True,
            client_id=_text(found, "client_id"),
            subject=_text(found, "username") or _text(found, "sub"),
            scope=_texts(found, "scope"),
            audience=_texts(found, "aud"),
            issued=_moment(found, "iat"),
            expires=_moment(found, "exp"),
        )
    except (ValueError, RecursionError) as error:
        why = str(error) if type(error) is ValueError else "it is no JSON"
        raise TargetUnobservable(f"OAuth provider {at.name}: bad introspection: {why}") from None


def _text(found: Mapping[str, object], name: str) -> str:
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value or ""


def _texts(found: Mapping[str, object], name: str) -> str:
    value = found.get(name)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    return _text(found, name)


def _moment(found: Mapping[str, object], name: str) -> datetime | None:
    value = found.get(name)
    at = moment(value)
    if value is not None and at is None:
        raise ValueError(f"{name} is no time")
    return at


@contextmanager
def _observing(at: Issuer) -> Iterator[None]:
    """Turn every error of an introspection into TargetUnobservable; its words may quote a token."""
    try:
        yield
    except failures() as error:
        raise TargetUnobservable(f"OAuth provider {at.name}: {type(error).__name__}") from None


@contextmanager
def _changing(at: Issuer) -> Iterator[None]:
    """Turn errors of a revocation into NotApplied or OutcomeUnknown."""
    try:
        yield
    except failures() as error:
        kind = NotApplied if _sent_nothing(error) else OutcomeUnknown
        raise kind(f"OAuth provider {at.name}: {type(error).__name__}") from None


def _sent_nothing(error: Exception) -> bool:
    """Return whether no connection was made, or none to a server with the right certificate."""
    import requests
    from urllib3.exceptions import NewConnectionError

    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, NewConnectionError):
        return True
    inner = reason.args[0] if reason is not None and reason.args else None
    return isinstance(inner, ssl.SSLCertVerificationError)
