"""One bounded call to an OAuth provider, with Authlib and requests.

The provider may be hostile or broken: a redirect is not followed, nothing is unpacked, at most
MOST_BYTES are read, and the connection is cut when the time is over, however slowly it answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from remediation.domain.errors import TargetUnobservable
from remediation.executors.cut_after import cut_after
from remediation.executors.libraries import AUTHLIB

CONNECT_SECONDS = 3.0
CALL_SECONDS = 8.0
MOST_BYTES = 64 * 1024
_METHODS = {"basic": "client_secret_basic", "post": "client_secret_post", "none": "none"}


@dataclass(frozen=True)
class Answer:
    """A whole answer; the body never leaves the executor."""

    status: int
    media_type: str
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Call:
    """A call of Authlib's session, with the token that it sends."""

    method: Callable[..., Any]
    url: str
    token: str = field(repr=False)
    hint: str
    auth: Any = field(default=None, repr=False)


def session_of(client_id: str, secret: str, auth: str, ca_file: str) -> Any:
    """Return a session that signs in as a client; without `client_id`, with a bearer token.

    Raises TargetUnobservable if the library is missing.
    """
    try:
        from authlib.integrations.requests_client import OAuth2Session
    except ImportError:
        raise TargetUnobservable(AUTHLIB.missing) from None
    more: dict[str, Any] = {"token": {"access_token": secret, "token_type": "Bearer"}}
    if client_id:
        if auth == "basic":
            # RFC 6749, 2.3.1: encoded before they go into the header. Authlib does not do it.
            client_id, secret = quote(client_id, safe=""), quote(secret, safe="")
        more = {
            "client_id": client_id,
            "client_secret": secret,
            "token_endpoint_auth_method": _METHODS[auth],
            "revocation_endpoint_auth_method": _METHODS[auth],
        }
    session = OAuth2Session(**more)
    session.trust_env = False  # no proxy, no .netrc
    session.verify = ca_file or True
    session.headers.update({"Accept": "application/json", "Accept-Encoding": "identity"})
    return session


def failures() -> tuple[type[Exception], ...]:
    """Return what a call can raise; its words may quote what was sent."""
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    return RequestException, HTTPError, OSError, ValueError


def post(session: Any, call: Call, seconds: float = CALL_SECONDS) -> Answer:
    """Send a token and return the answer. Raises one of `failures()`."""
    with session, cut_after(session, seconds) as cut:
        response = call.method(
            call.url,
            token=call.token,
            token_type_hint=call.hint,
            auth=call.auth,
            timeout=(min(CONNECT_SECONDS, seconds), seconds),
            allow_redirects=False,
            stream=True,
        )
        with response:
            body = response.raw.read(MOST_BYTES + 1, decode_content=False)
            media_type = response.headers.get("Content-Type", "")
    if cut.is_set():
        raise TimeoutError
    if len(body) > MOST_BYTES:
        raise ValueError("the answer is too large")
    return Answer(response.status_code, media_type.partition(";")[0].strip().lower(), body)


def delete(url: str, bearer: str, ca_file: str, seconds: float = CALL_SECONDS) -> int:
    """Send a DELETE and return its status. Raises one of `failures()`.

    The body is not read: it may hold a registration token.
    """
    from requests import Session

    session = Session()
    session.trust_env = False  # no proxy, no .netrc
    headers = {"Authorization": f"Bearer {bearer}", "Accept-Encoding": "identity"}
    with session, cut_after(session, seconds) as cut:
        response = session.delete(
            url,
            headers=headers,
            timeout=(min(CONNECT_SECONDS, seconds), seconds),
            allow_redirects=False,
            stream=True,
            verify=ca_file or True,
        )
        with response:
            status = response.status_code
    if cut.is_set():
        raise TimeoutError
    return status
