"""One bounded call to an API that speaks JSON over HTTPS, and what its failure says.

The server may be hostile or broken: a redirect is not followed, nothing is unpacked, at most
`Api.most_bytes` are read, and the connection is cut when the time is over, however slowly it
answers. No text of an answer stands in an error: it may quote what was sent.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.executors.cut_after import cut_after
from remediation.executors.libraries import Library
from remediation.executors.secret import quotes

CONNECT_SECONDS = 3.0
CALL_SECONDS = 8.0
# What a header of ours can carry.
_BEARER = re.compile(r"[!-~]+")
WORDS = {
    401: "it does not accept the login",
    403: "the login may not do this",
    404: "it is not there, or the login may not see it",
}


class NoAnswer(Exception):
    """A call that was not answered. `sent`: whether the server may have got it."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


@dataclass(frozen=True)
class Answer:
    """A whole answer; the body never leaves the executor. A family says what is its own."""

    # What a status means, and what a redirect may mean.
    words: ClassVar[Mapping[int, str]] = WORDS
    moved: ClassVar[str] = ""

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
    def code(self) -> str:
        """Return the API's own code of the error; "" if it names none."""
        return ""

    @property
    def why_not(self) -> str:
        """Return in words why it is no success."""
        if self._is_limited:
            return f"its limit of calls is reached{self._again}"
        if 300 <= self.status < 400:
            return f"it answers with a redirect, which is not followed{self.moved}"
        said = self.words.get(self.status, f"it answers with status {self.status}")
        return f"{said}{self._more}"

    @property
    def _is_limited(self) -> bool:
        return self.status == 429

    @property
    def _again(self) -> str:
        """Return when it may be called again, as it says it."""
        after = self.headers.get("retry-after", "")
        return f"; again in {after} s" if re.fullmatch(r"[0-9]{1,6}", after) else ""

    @property
    def _more(self) -> str:
        """Return what else it says about a refusal; never free text of its own."""
        return f" ({self.code})" if self.code else ""


@dataclass(frozen=True)
class Api:
    """What differs from one API to another."""

    library: Library
    answer: type[Answer]
    most_bytes: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Call:
    """One call. `bearer` "": without a login. `form`: a secret may be in it."""

    method: str
    url: str
    bearer: str = field(default="", repr=False)
    body: Json = None
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)


def send_to(api: Api, call: Call, ca_file: str, seconds: float) -> Answer:
    """Make one attempt. Raises NoAnswer, and TargetUnobservable if the library is missing."""
    try:
        import requests
        from urllib3.exceptions import HTTPError
    except ImportError:
        raise TargetUnobservable(api.library.missing) from None
    if call.bearer and not _BEARER.fullmatch(call.bearer):
        raise NoAnswer("the login is no text for a header", sent=False)
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy, no .netrc
            session.verify = ca_file or True
            return _answered(session, api, call, seconds)
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        raise NoAnswer(type(error).__name__, sent=not _sent_nothing(error)) from None


def _answered(session: Any, api: Api, call: Call, seconds: float) -> Answer:
    with cut_after(session, seconds) as cut:
        response = session.request(
            call.method,
            call.url,
            params=dict(call.query),
            data=dict(call.form),
            json=call.body,
            headers=_headers(api, call.bearer),
            timeout=(min(CONNECT_SECONDS, seconds), seconds),
            allow_redirects=False,
            stream=True,
        )
        with response:
            body = response.raw.read(api.most_bytes + 1, decode_content=False)
            headers = {name.lower(): value[:4000] for name, value in response.headers.items()}
    if cut.is_set():
        raise TimeoutError
    if len(body) > api.most_bytes:
        raise ValueError("the answer is too large")
    sent = [text for text in (call.bearer, call.form.get("client_assertion", "")) if text]
    if sent and quotes(body.decode("utf-8", "replace"), sent):
        raise ValueError("the answer quotes the login")
    return api.answer(response.status_code, headers, body)


def _headers(api: Api, bearer: str) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity", "User-Agent": "hitlportal", **api.headers}
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
