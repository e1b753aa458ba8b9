"""Clients of AWS services, all made from one session of boto3 in each process.

A session of its own registers its handlers and reads the descriptions of the services anew: 130 ms
of processor time instead of 8 for each client of IAM. The shared one holds no credential: each
client has exactly those that it is given.
"""

from __future__ import annotations

import os
from functools import cache
from threading import Lock
from typing import Any


class _Making:
    """A session may not make two clients at once (botocore's documentation, "Multithreading")."""

    lock = Lock()


def client(
    service: str,
    key_id: str,
    secret: str,
    token: str | None = None,
    *,
    region: str,
    endpoint_url: str | None,
    config: Any,
) -> Any:
    """Return a client with exactly these credentials. Raises ImportError without boto3, and
    ValueError without credentials: boto3 would look for some in the environment."""
    if not key_id or not secret:
        raise ValueError("a client needs credentials of its own")
    with _Making.lock:
        return _session().client(
            service,
            region_name=region,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
            endpoint_url=endpoint_url,
            config=config,
        )


def _begin_anew() -> None:
    """Forget the parent's session after a fork: another thread may have held its lock."""
    _Making.lock = Lock()
    _session.cache_clear()


@cache
def _session() -> Any:
    from boto3.session import Session  # extra "aws"; loaded here because it is slow

    return Session()


os.register_at_fork(after_in_child=_begin_anew)
