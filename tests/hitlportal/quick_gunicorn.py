"""The shipped settings of gunicorn with shorter times, and an application without a database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hitlportal import whole_requests
from hitlportal.gunicorn import *  # noqa: F403

workers = 1
threads = 2
HEAD_S = 3.0
whole_requests.HEAD_S = whole_requests.WHOLE_S = HEAD_S
whole_requests.MAX_UNFINISHED = 40
whole_requests.MAX_BYTES = 12 * 1024 * 1024


def echo(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer with the length of the body."""
    # Far more than is stated: the thread must not wait for it.
    said = str(len(environ["wsgi.input"].read(20 * 1024 * 1024))).encode()
    start_response("200 OK", [("Content-Length", str(len(said)))])
    return [said]
