"""Calls to a hostile OpenBao: each ends in time, and a lost one is never called refused."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from requests import exceptions
from urllib3.exceptions import MaxRetryError, SSLError

from remediation.domain.observation import Observation
from remediation.executors.base import Settled
from remediation.executors.errors import NotApplied, OutcomeUnknown
from remediation.executors.openbao_client import BaoLogin, BaoServer
from remediation.executors.openbao_server import changing
from remediation.executors.run import executor_of
from remediation.executors.section import Secret
from tests.executors.contract import make_plan
from tests.executors.oauth_hostile import drip, hostile, whole

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def client(port: int, seconds: float) -> Any:
    login = BaoLogin(Secret(None))
    return BaoServer(f"http://127.0.0.1:{port}", login, login).client("token", seconds)


def test_a_slow_answer_ends_with_the_time_of_a_call() -> None:
    """However many bytes come: in the head, in the body, in one without a length."""
    slow = (
        drip(b"HTTP/1.1 200 OK\r\nX: ", 5),
        drip(HEAD + b"Content-Length: 9999\r\n\r\n", 5),
        drip(HEAD + b"\r\n {}", 5),
    )
    with hostile() as server:
        for answer in slow:
            server.answers = {"/v1/x": [answer]}
            # Each read is in time: without the cut this would be another error, much later.
            with pytest.raises(OutcomeUnknown, match="ReadTimeout"), changing():
                client(server.port, 0.5).adapter.request("POST", "/v1/x", json={})
        server.answers = {"/v1/x": [whole({"data": {}})]}
        held = client(server.port, 5)
        for _ in range(3):  # each call on a connection of its own
            assert held.adapter.request("GET", "/v1/x") == {"data": {}}


def test_an_error_of_tls_after_the_call_was_sent_is_no_refusal() -> None:
    cases = {
        ssl.SSLEOFError("EOF occurred in violation of protocol"): OutcomeUnknown,
        ssl.SSLCertVerificationError("self-signed"): NotApplied,
    }
    for inner, wanted in cases.items():
        with pytest.raises(wanted), changing():
            retried = MaxRetryError(None, "/", SSLError(inner))  # type: ignore[arg-type]
            raise exceptions.SSLError(retried)


def test_a_path_of_which_some_leases_ended_is_not_called_not_applied() -> None:
    target = {"kind": "openbao.lease_prefix", "server": "main", "prefix": "database/creds/a"}
    step = make_plan("openbao.lease_prefix.revoke", target, {}).steps[0]
    before = {"leases": 3, "mount": "database (database)"}
    for leases, wanted in ((3, Settled.NOT_APPLIED), (0, Settled.APPLIED), (1, None)):
        seen = Observation(True, {**before, "leases": leases}, {}, simulated=False)
        assert executor_of(step).settled_from(step, seen, before, {}) is wanted
