"""The end of a call over HTTP: no connection of it outlives its time."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
import requests

from remediation.executors.cut_after import Cuts
from tests.executors.oauth_hostile import drip, hostile


def test_a_connection_that_is_made_when_the_time_is_over_is_ended_too() -> None:
    """A name may have addresses that do not answer, each with its own time to connect."""
    with (
        hostile() as server,
        requests.Session() as session,
        closing(Cuts(session)) as cuts,
    ):
        session.trust_env = False
        server.answers = {"/": [drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", 3)]}
        with cuts.after(0.01) as over:
            assert over.wait(5)
            began = time.monotonic()
            with pytest.raises(requests.RequestException):
                session.get(f"http://127.0.0.1:{server.port}/", timeout=2)
            assert time.monotonic() - began < 1
        # The time of one call is not that of the next.
        server.answers = {"/": [drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", 1)]}
        with cuts.after(5):
            assert session.get(f"http://127.0.0.1:{server.port}/", timeout=2).content == b"x"
