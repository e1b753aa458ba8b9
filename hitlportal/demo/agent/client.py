"""A small client of the portal's API: post a report, follow its proposal. Standard library only.

A repeated POST carries the same Idempotency-Key, so a lost answer cannot cause a second incident.
Waiting times come from the server's Retry-After (RFC 9110 section 10.2.3).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from hitlportal.demo.agent.records import Json, canonical

TIMEOUT_S = 30
# Answers hold states and problems and no evidence, so they are small.
MAX_ANSWER_BYTES = 1024 * 1024
MAX_ATTEMPTS = 6
# Limits for Retry-After: no busy loop, no endless sleep.
SHORTEST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
# Conflict while the first request runs, too many requests, temporarily unavailable.
AGAIN = frozenset({409, 429, 502, 503, 504})
ENDED = frozenset(
    {"succeeded", "failed", "stopped", "rolled_back", "unknown", "rejected"}
    | {"returned", "withdrawn", "superseded", "expired", "refused"}
)


class ApiError(Exception):
    """The portal refused; ``status`` and ``problem`` (RFC 9457) say why."""

    def __init__(self, status: int, problem: Json) -> None:
        self.status = status
        self.problem = problem
        detail = problem if isinstance(problem, dict) else {}
        super().__init__(f"{status} {detail.get('title', '')}: {detail.get('detail', '')}")


class Unreachable(Exception):
    """The portal did not answer, or not in JSON."""


class _NoRedirect(HTTPRedirectHandler):
    """Refuse redirects: they would send the token to another address."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


@dataclass(frozen=True)
class Answer:
    """Status, headers with lower-case names, and the parsed body."""

    status: int
    headers: Mapping[str, str]
    body: Json


class Client:
    """Calls one portal with one token. ``sleep`` is replaceable for tests."""

    def __init__(
        self, url: str, token: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("the portal's URL begins with http:// or https://")
        self._base = url.rstrip("/") + "/api/v1"
        self._token = token
        self._sleep = sleep
        self._opener: OpenerDirector = build_opener(_NoRedirect)

    def report(self, body: Mapping[str, Json]) -> Answer:
        """Post a report; repeat it with the same key while the server asks to try again.

        Raises ApiError for a refusal, Unreachable when there is no answer.
        """
        raw = canonical(body)
        key = f'"{hashlib.sha256(raw).hexdigest()}"'
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        for attempt in range(MAX_ATTEMPTS):
            last = attempt == MAX_ATTEMPTS - 1
            try:
                answer = self._send("POST", "/reports", headers, raw)
            except Unreachable:
                if last:
                    raise
                self._sleep(SHORTEST_WAIT_S)
                continue
            if answer.status not in AGAIN or "retry-after" not in answer.headers or last:
                return _accepted(answer)
            self._sleep(wait_of(answer.headers))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def follow(self, proposal: str, *, tries: int) -> Answer:
        """Poll a proposal until it has ended, at most ``tries`` times; return the last answer."""
        path = f"/proposals/{quote(proposal, safe='')}"
        known: Answer | None = None
        for attempt in range(tries):
            tag = {"If-None-Match": known.headers["etag"]} if _tagged(known) and known else {}
            answer = self._send("GET", path, tag, None)
            if answer.status != 304:
                known = _accepted(answer) if answer.status not in AGAIN else known
            if known is not None and state_of(known.body) in ENDED:
                break
            if attempt < tries - 1:
                self._sleep(wait_of(answer.headers))
        if known is None:
            raise Unreachable("the portal's answer has no state")
        return known

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], raw: bytes | None
    ) -> Answer:
        common = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        request = Request(  # noqa: S310 - the scheme was checked in __init__
            self._base + path, data=raw, headers={**common, **headers}, method=method
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                return _answer(response.status, response.headers, response)
        except HTTPError as error:
            with error:
                return _answer(error.code, error.headers, error)
        except (OSError, HTTPException) as error:
            raise Unreachable(str(error)) from error


def _answer(status: int, headers: Message, body: IO[bytes]) -> Answer:
    raw = body.read(MAX_ANSWER_BYTES + 1)
    if len(raw) > MAX_ANSWER_BYTES:
        raise Unreachable(f"the answer has more than {MAX_ANSWER_BYTES} bytes")
    try:
        value: Json = json.loads(raw) if raw else None
    except ValueError:
        value = None
    return Answer(status, {name.lower(): text for name, text in headers.items()}, value)


def _accepted(answer: Answer) -> Answer:
    if not 200 <= answer.status < 300:
        raise ApiError(answer.status, answer.body)
    return answer


def _tagged(answer: Answer | None) -> bool:
    return answer is not None and "etag" in answer.headers


def state_of(body: Json) -> str:
    """Return the proposal's state from an answer, "" if it has none."""
    state = body.get("state") if isinstance(body, dict) else None
    return state if isinstance(state, str) else ""


def wait_of(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait: Retry-After as a number or a date, limited."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(int(text))
    except ValueError:
        seconds = _until(text, headers.get("date", ""))
    return min(LONGEST_WAIT_S, max(SHORTEST_WAIT_S, seconds))


def _until(date: str, now: str) -> float:
    """Return the seconds between the answer's Date and Retry-After, independent of this clock."""
    try:
        return (parsedate_to_datetime(date) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError):
        return SHORTEST_WAIT_S
