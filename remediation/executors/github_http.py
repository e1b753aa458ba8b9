"""One bounded call to GitHub's REST API, and what its failure says.

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
from remediation.executors.libraries import REQUESTS
from remediation.executors.secret import quotes

CONNECT_SECONDS = 3.0
CALL_SECONDS = 8.0
# A hundred installations have about half a megabyte.
MOST_BYTES = 4 * 1024 * 1024
VERSION = "2022-11-28"
# What a header of ours can carry.
_BEARER = re.compile(r"[!-~]+")
# `x-accepted-github-permissions`, for example "administration=write"
_RIGHTS = re.compile(r"[a-z_]+=[a-z]+(?:[,;] ?[a-z_]+=[a-z]+){0,5}")
_WORDS = {
    401: "it does not accept the login",
    404: "it is not there, or the login may not see it",
    409: "somebody else changed it",
    422: "it takes the call for invalid",
}


class NoAnswer(Exception):
    """A call that was not answered. `sent`: whether GitHub may have got it."""

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
    def has_next(self) -> bool:
        return 'rel="next"' in self.headers.get("link", "")

    @property
    def why_not(self) -> str:
        """Return in words why it is no success."""
        if self.status in (403, 429) and self._is_limited:
            wait = self.headers.get("retry-after", "")
            later = f"; again in {wait} s" if re.fullmatch(r"[0-9]{1,6}", wait) else ""
            return f"its limit of calls is reached{later}"
        if self.status == 403:
            rights = self.headers.get("x-accepted-github-permissions", "")
            needs = f" (it needs {rights})" if _RIGHTS.fullmatch(rights) else ""
            return f"the login may not do this{needs}"
        if 300 <= self.status < 400:
            return "it answers with a redirect, which is not followed: it was renamed or moved"
        return _WORDS.get(self.status, f"it answers with status {self.status}")

    @property
    def _is_limited(self) -> bool:
        left = self.headers.get("x-ratelimit-remaining", "")
        if self.status == 429 or left == "0" or "retry-after" in self.headers:
            return True
        # The second limit (calls in a short time) may have no header of its own, only these words.
        return b"secondary rate limit" in self.body[:2000].lower()


@dataclass(frozen=True)
class Call:
    """One call. `bearer` "": without a login."""

    method: str
    url: str
    bearer: str = field(default="", repr=False)
    body: Json = None
    query: Mapping[str, str] = field(default_factory=dict)


def send(call: Call, ca_file: str, seconds: float = CALL_SECONDS) -> Answer:
    """Make one attempt. Raises NoAnswer, and TargetUnobservable if the library is missing."""
    try:
        import requests
        from urllib3.exceptions import HTTPError
    except ImportError:
        raise TargetUnobservable(REQUESTS.missing) from None
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
    if call.bearer and quotes(body.decode("utf-8", "replace"), [call.bearer]):
        raise ValueError("the answer quotes the login")
    return Answer(response.status_code, headers, body)


def _headers(bearer: str) -> dict[str, str]:
    headers = {
        "Accept": "application/vnd.github+json",
        "Accept-Encoding": "identity",
        "User-Agent": "hitlportal",
        "X-GitHub-Api-Version": VERSION,
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
