"""One bounded call to Entra or Microsoft Graph, and what its failure says.

The server may be hostile or broken: a redirect is not followed, nothing is unpacked, at most
MOST_BYTES are read, and the connection is cut when the time is over, however slowly it answers. No
text of an answer stands in an error: it may quote what was sent.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.executors.cut_after import cut_after
from remediation.executors.libraries import ENTRA_REQUESTS
from remediation.executors.secret import quotes

CONNECT_SECONDS = 3.0
CALL_SECONDS = 8.0
# An application has a few kilobytes; it may have many credentials.
MOST_BYTES = 1024 * 1024
# What a header of ours can carry.
_BEARER = re.compile(r"[!-~]+")
# Graph's code of an error, for example Authorization_RequestDenied.
_CODE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{1,79}")
_WORDS = {
    401: "it does not accept the login",
    403: "the login may not do this",
    404: "it is not there, or not yet everywhere",
}


class NoAnswer(Exception):
    """A call that was not answered. `sent`: whether the server may have got it."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


@dataclass(frozen=True)
class Answer:
    """A whole answer; the body never leaves the executor."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def said(self) -> Any:
        """Return the JSON that it carries. Raises ValueError if it carries none."""
        if not self.headers.get("content-type", "").startswith("application/json"):
            raise ValueError("the answer is no JSON")
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise ValueError("the answer is no JSON") from None

    @property
    def code(self) -> str:
        """Return Graph's number of the error; "" if it names none."""
        try:
            found = self.said["error"]
            # Where one signs in, the error is the code itself.
            found = found if isinstance(found, str) else found["code"]
        except (ValueError, AttributeError, KeyError, TypeError):
            return ""
        return found if isinstance(found, str) and _CODE.fullmatch(found) else ""

    @property
    def why_not(self) -> str:
        """Return in words why it is no success."""
        if self.status == 429:
            return f"its limit of calls is reached{self._again}"
        if 300 <= self.status < 400:
            return "it answers with a redirect, which is not followed"
        said = _WORDS.get(self.status, f"it answers with status {self.status}")
        return f"{said} ({self.code})" if self.code else said

    @property
    def _again(self) -> str:
        after = self.headers.get("retry-after", "")
        return f"; again in {after} s" if re.fullmatch(r"[0-9]{1,6}", after) else ""


@dataclass(frozen=True)
class Call:
    """One call. `bearer` "": without a login. `form`: a secret may be in it."""

    method: str
    url: str
    bearer: str = field(default="", repr=False)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json = None


def send(call: Call, ca_file: str, seconds: float = CALL_SECONDS) -> Answer:
    """Make one attempt. Raises NoAnswer, and TargetUnobservable if the library is missing."""
    try:
        import requests
        from urllib3.exceptions import HTTPError
    except ImportError:
        raise TargetUnobservable(ENTRA_REQUESTS.missing) from None
    if call.bearer and not _BEARER.fullmatch(call.bearer):
        raise NoAnswer("the login is no text for a header", sent=False)
    try:
        with requests.Session() as session:
            return _answered(session, call, ca_file, seconds)
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        raise NoAnswer(type(error).__name__, sent=not _sent_nothing(error)) from None


def _answered(session: Any, call: Call, ca_file: str, seconds: float) -> Answer:
    session.trust_env = False  # no proxy, no .netrc
    session.verify = ca_file or True
    with cut_after(session, seconds) as cut:
        response = session.request(
            call.method,
            call.url,
            params=dict(call.query),
            data=dict(call.form),
            json=call.body,
            headers=_headers(call.bearer),
            timeout=(min(CONNECT_SECONDS, seconds), seconds),
            allow_redirects=False,
            stream=True,
        )
        with response:
            body = response.raw.read(MOST_BYTES + 1, decode_content=False)
            headers = {name.lower(): value[:4000] for name, value in response.headers.items()}
    if cut.is_set():
        raise TimeoutError
    if len(body) > MOST_BYTES:
        raise ValueError("the answer is too large")
    sent = [text for text in (call.bearer, call.form.get("client_assertion", "")) if text]
    if sent and quotes(body.decode("utf-8", "replace"), sent):
        raise ValueError("the answer quotes the login")
    return Answer(response.status_code, headers, body)


def _headers(bearer: str) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "hitlportal",
    }
    return headers | ({"Authorization": f"Bearer {bearer}"} if bearer else {})


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
