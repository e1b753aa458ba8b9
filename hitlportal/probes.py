"""Answer load balancers and probes: `/livez` and `/readyz`, in front of Django.

`/livez` asks nothing but the process. `/readyz` asks the database and the cache. Strangers may ask
both, with any Host, and learn one word; the log says which server does not answer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from django.core.cache import cache
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

LIVE, READY = "/livez", "/readyz"
# How long an answer counts: a thousand questions a second cost one.
KEPT_S = 1.0
# A server that is frozen answers nothing, not even no. Who asks meanwhile hears "not ready".
PATIENCE_S = 5.0
HEADERS = (
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)


def database_problem() -> str:
    """Return why the database cannot be asked, or nothing."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"the database does not answer: {_line(error)}"
    return ""


def cache_problem() -> str:
    """Return why the cache cannot be asked, or nothing."""
    try:
        # One that sessions and limits may have under the ACL of deploy/valkey.
        cache.get("swept:readyz")
    except (RedisError, OSError) as error:
        return f"the cache does not answer: {_line(error)}"
    return ""


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class Readiness:
    """Whether the servers answer. One thread asks at a time, so that probes never use up all."""

    def __init__(self, *ask: Callable[[], str]) -> None:
        self._ask = ask
        self._asking = threading.Lock()
        self._ready, self._until, self._begun = False, 0.0, 0.0

    def ready(self) -> bool:
        """Return whether all answer, as of at most a second ago."""
        if time.monotonic() < self._until:
            return self._ready
        if not self._asking.acquire(blocking=False):
            # Another thread asks: its last answer counts, until it waits for too long.
            return self._ready and time.monotonic() - self._begun < PATIENCE_S
        try:
            self._begun = time.monotonic()
            close_old_connections()  # as Django does before a request
            problems = [problem for ask in self._ask if (problem := ask())]
            for problem in problems:
                logger.error("not ready: %s", problem)
            self._ready, self._until = not problems, time.monotonic() + KEPT_S
        finally:
            self._asking.release()
        return self._ready


class Probes:
    """Answers the two addresses in front of Django, which asks for Host and TLS, and may look at a
    connection that broke before it answers anything."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._readiness = Readiness(database_problem, cache_problem)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path not in (LIVE, READY):
            return self._application(environ, start_response)
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            status, body = "405 Method Not Allowed", b"no\n"
        elif path == LIVE or self._readiness.ready():
            status, body = "200 OK", b"ok\n"
        else:
            status, body = "503 Service Unavailable", b"not ready\n"
        start_response(status, [*HEADERS, ("Content-Length", str(len(body)))])
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]
