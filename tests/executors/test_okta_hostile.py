"""An Okta that answers wrongly, slowly or not at all: nothing is believed or repeated."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.tlog.canonical import encode
from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Plan
from remediation.executors import okta_calls, okta_http
from remediation.executors.errors import NotApplied, OutcomeUnknown, StepFailed
from remediation.executors.run import run_apply, run_observe
from remediation.executors.targets import Targets
from tests.executors.contract import clearance, make_plan
from tests.executors.kube import certified
from tests.executors.oauth_hostile import Hostile, Send, drip, hostile, nothing, whole
from tests.executors.okta import checks_keys_once, pem

TOKEN = "eyJ0123456789abcdefghijklmnopqrstuvwxyz"
ID, LOGIN, SINCE = "00u1a2b3c4d5e6f7g8h9", "ann@example.org", "2026-01-01T00:00:00Z"
SIGNED: dict[str, Any] = {
    "access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600,
    "scope": "okta.users.read okta.roles.read okta.logs.read okta.users.manage",
}  # fmt: skip
USER: dict[str, Any] = {
    "id": ID, "status": "ACTIVE", "type": {"id": "oty1"}, "profile": {"login": LOGIN},
    "statusChanged": "2026-01-02T03:04:05.000Z", "lastLogin": None, "passwordChanged": None,
}  # fmt: skip
EVENT: dict[str, Any] = {
    "eventType": "user.session.clear", "published": "2026-01-02T03:04:05.000Z",
    "outcome": {"result": "SUCCESS"}, "actor": {"id": "p"}, "target": [{"id": ID}],
}  # fmt: skip
MINT, ONE = "/oauth2/v1/token", f"/api/v1/users/{ID}"
ROLES, SUSPEND = f"{ONE}/roles", f"{ONE}/lifecycle/suspend"
FILTER = (
    f'eventType eq "user.session.clear" and target.id eq "{ID}"'
    ' and outcome.result eq "SUCCESS" and actor.id eq "p"'
)
ASKED = {"filter": FILTER, "since": SINCE, "sortOrder": "DESCENDING", "limit": "1"}
LOG = f"/api/v1/logs?{urlencode(ASKED)}"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def server() -> Iterator[Hostile]:
    with hostile() as made:
        made.answers = good()
        yield made


def good() -> dict[str, list[Send]]:
    return {
        MINT: [whole(SIGNED)],
        ONE: [whole(USER)],
        ROLES: [listed()],
        LOG: [listed()],
        SUSPEND: [whole(b"")],
    }


def listed(*found: Any) -> Send:
    return whole(json.dumps(found).encode())


@pytest.fixture(scope="module")
def key() -> str:
    return pem(generate_private_key(65537, 2048))


@pytest.fixture
def targets(tmp_path: Path, server: Hostile, key: str, monkeypatch: pytest.MonkeyPatch) -> Targets:
    checks_keys_once(monkeypatch)
    (tmp_path / "key.pem").write_text(key)
    (tmp_path / "targets.toml").write_text(
        f'[okta.acme]\nurl = "http://127.0.0.1:{server.port}"\n'
        'observe_client_id = "o"\nobserve_key_file = "key.pem"\n'
        'operate_client_id = "p"\noperate_key_file = "key.pem"\n'
    )
    return Targets.load(tmp_path / "targets.toml", portal_system_identifier=None)


def plan_of(action: str = "okta.user.suspend") -> Plan:
    target = {"kind": "okta.user", "org": "acme", "login": LOGIN, "user_id": ID}
    clears = action.endswith("clear_sessions")
    return make_plan(action, {**target}, {"begun_before": SINCE} if clears else {})


ANY: dict[str, Send] = {
    "too much": whole(b" " * (okta_http.MOST_BYTES + 1)),
    "HTML": whole(b"<html>not found</html>", media_type="text/html"),
    "HTML that is JSON": whole(b"[]", media_type="text/html"),
    "redirect": whole(b"", "302 Found", "Location: http://127.0.0.1:1/"),
    "server error": whole({}, "503 Later"),
    "no content": whole(b"", "204 No Content"),
    "empty": whole(b""),
    "nothing": nothing,
    "no HTTP": lambda to: to.sendall(b"220 smtp\r\n\r\n"),
    "cut": lambda to: to.sendall(HEAD + b"Content-Length: 50\r\n\r\n["),
    "null": whole(b"null"),
    "a text": whole(b'"x"'),
    "deep": whole(b"[" * 60_000),
    "not found, on a page": whole(b"<html>", "404 Not Found", media_type="text/html"),
    "not found by no Okta": whole({"message": "x"}, "404 Not Found"),
    "not found with another number": whole({"errorCode": "E0000006"}, "404 Not Found"),
    "code of another": whole({"errorCode": "<b>"}, "403 Forbidden"),
}
# What each path may not answer, besides.
BAD: dict[str, dict[str, Send]] = {
    MINT: {
        "a list": whole(b"[]"),
        "no token": whole({**SIGNED, "access_token": None}),
        "no text": whole({**SIGNED, "access_token": ""}),
        "a token for no header": whole({**SIGNED, "access_token": "a\r\nb"}),
        "proof of possession": whole({**SIGNED, "token_type": "DPoP"}),
        "no scopes": whole({**SIGNED, "scope": ""}),
        "fewer scopes": whole({**SIGNED, "scope": "okta.users.read okta.logs.read"}),
        "error as a list": whole(b"[]", "400 Bad Request"),
    },
    ONE: {
        "a list": whole(b"[]"),
        "another user": whole({**USER, "id": "00u1a2b3c4d5e6f7g8h0"}),
        "another login": whole({**USER, "profile": {"login": "bob@example.org"}}),
        "no profile": whole({**USER, "profile": None}),
        "status": whole({**USER, "status": "<b>"}),
        "status as a number": whole({**USER, "status": 7}),
        "no type": whole({**USER, "type": {}}),
        "time": whole({**USER, "lastLogin": "yesterday"}),
        "echo of the token": whole({**USER, "statusChanged": TOKEN}),
    },
    ROLES: {
        "an object": whole({}),
        "texts": listed("x"),
        "label": listed({"label": 7}),
        "more pages": whole(b"[]", "200 OK", 'Link: <http://127.0.0.1:1/>; rel="next"'),
    },
    LOG: {
        "an object": whole({}),
        "another event": listed({**EVENT, "eventType": "user.session.start"}),
        "about another": listed({**EVENT, "target": [{"id": "00u0"}]}),
        "by another": listed({**EVENT, "actor": {"id": "x"}}),
        "failed": listed({**EVENT, "outcome": {"result": "FAILURE"}}),
        "day of none": listed({**EVENT, "published": "2026-02-31T00:00:00Z"}),
        "digits of others": listed({**EVENT, "published": "٢٠٢٦-01-02T03:04:05Z"}),
        "older": listed({**EVENT, "published": "2025-12-31T23:59:59.000Z"}),
        "no time": listed({**EVENT, "published": None}),
        "no target": listed({**EVENT, "target": None}),
    },
}


def test_a_wrong_answer_is_never_taken_for_one(server: Hostile, targets: Targets) -> None:
    clear = plan_of("okta.user.clear_sessions")
    for path, more in BAD.items():
        for name, answer in {**ANY, **more}.items():
            server.answers = {**good(), path: [answer]}
            with pytest.raises(TargetUnobservable, match="Okta") as caught:
                run_observe(clear.steps[0], targets)
            assert TOKEN not in caught.value.detail and len(caught.value.detail) < 300, name
    # Before a change that is a reason not to send it.
    with pytest.raises(NotApplied):
        run_apply(clearance(clear), clear.body, 0, targets)
    assert f"{ONE}/sessions?oauthTokens=true" not in server.calls


def test_a_limit_of_calls_and_a_missing_right_are_named(server: Hostile, targets: Targets) -> None:
    for answer, said in (
        (whole({}, "429 No", "X-Rate-Limit-Reset: 1796220641"), "again at 2026-12-02 14:10:41Z$"),
        (whole({}, "429 No", "X-Rate-Limit-Reset: <b>"), "limit of calls is reached$"),
        (whole({"errorCode": "E0000006"}, "403 No"), r"may not do this \(E0000006\)$"),
        (whole({"errorCode": "E0000011"}, "401 No"), r"accept the login \(E0000011\)$"),
    ):
        server.answers[ONE] = [answer]
        with pytest.raises(TargetUnobservable, match=said):
            run_observe(plan_of().steps[0], targets)


def test_a_text_that_no_record_takes_keeps_no_step_off_the_record(
    server: Hostile, targets: Targets
) -> None:
    server.answers[ONE] = [whole({**USER, "type": {"id": "a\0b\ud800c"}})]
    many = [{"label": f"r{number}\0" + "x" * 900} for number in range(1000)]
    server.answers[ROLES] = [listed({"label": "a\0\udfff"}, *many)]
    seen = run_observe(plan_of().steps[0], targets)
    assert seen.state["user_type"] == "a\ufffdb\ufffdc"
    roles = seen.shown["admin_roles"]
    assert isinstance(roles, list) and roles[0] == "a\ufffd\ufffd" and len(roles) == 200
    assert len(encode(seen.to_json())) < 100_000


def test_a_clearing_in_the_same_second_but_before_the_time_does_not_count(
    server: Hostile, targets: Targets
) -> None:
    target = {"kind": "okta.user", "org": "acme", "login": LOGIN, "user_id": ID}
    for since, counts in (
        ("2026-01-02T03:04:05.000001Z", False),
        ("2026-01-02T03:04:05Z", True),
        ("2026-01-02T03:04:04.999999Z", True),
    ):
        plan = make_plan("okta.user.clear_sessions", {**target}, {"begun_before": since})
        server.answers[f"/api/v1/logs?{urlencode({**ASKED, 'since': since})}"] = [listed(EVENT)]
        assert run_observe(plan.steps[0], targets).shown["cleared_since"] is counts, since


def test_a_time_that_is_none_is_not_asked_for(server: Hostile, targets: Targets) -> None:
    target = {"kind": "okta.user", "org": "acme", "login": LOGIN, "user_id": ID}
    for since in ("2026-02-31T00:00:00Z", "2026-01-01T00:00:00Z\n", "٢٠٢٦-01-01T00:00:00Z"):
        plan = make_plan("okta.user.clear_sessions", {**target}, {"begun_before": since})
        server.answers[f"/api/v1/logs?{urlencode({**ASKED, 'since': since})}"] = [listed()]
        with pytest.raises(TargetUnobservable, match="the given time is none"):
            run_observe(plan.steps[0], targets)
        with pytest.raises(NotApplied):
            run_apply(clearance(plan), plan.body, 0, targets)


def test_a_change_counts_by_its_status_alone(server: Hostile, targets: Targets) -> None:
    """Nothing was changed, or it is not known. A second call is never made."""
    quoted = {"errorSummary": TOKEN}
    cases: dict[str, tuple[Send, type[StepFailed] | None]] = {
        "done": (whole(b""), None),
        "status": (whole({"errorCode": "E0000001"}, "400 Bad Request"), NotApplied),
        "right": (whole({"errorCode": "E0000006"}, "403 Forbidden"), NotApplied),
        "none": (whole({}, "404 Not Found"), NotApplied),
        "limit": (whole({}, "429 Too Many"), NotApplied),
        "redirect": (whole(b"", "307 See", "Location: http://127.0.0.1:1/"), OutcomeUnknown),
        "too slow": (whole(b"", "408 Request Timeout"), OutcomeUnknown),
        "error": (whole(quoted, "500 Error"), OutcomeUnknown),
        "lost": (nothing, OutcomeUnknown),
        "cut": (lambda to: to.sendall(HEAD + b"Content-Length: 9\r\n\r\n"), OutcomeUnknown),
        "quoted": (whole(quoted), OutcomeUnknown),
    }
    for name, (answer, wanted) in cases.items():
        server.calls.clear()
        server.answers[SUSPEND] = [answer]
        try:
            run_apply(clearance(plan_of()), plan_of().body, 0, targets)
            found: type[Exception] | None = None
        except StepFailed as error:
            found = type(error)
            assert TOKEN not in error.detail and "eyJ" not in error.detail, name
        assert found is wanted, name
        assert server.calls == [MINT, ONE, ROLES, MINT, SUSPEND], name


def test_a_slow_answer_ends_with_the_time_of_a_call(
    server: Hostile, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many bytes come: in the head, in the body, in a chunk."""
    monkeypatch.setattr(okta_calls, "CALL_SECONDS", 1.0)
    monkeypatch.setattr(okta_http.send, "__defaults__", (1.0,))
    slow = (
        drip(b"HTTP/1.1 200 OK\r\nX: "),
        drip(HEAD + b"Content-Length: 9999\r\n\r\n"),
        drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
    )
    for answer in slow:
        server.answers = {**good(), ONE: [answer]}
        began = time.monotonic()
        with pytest.raises(TargetUnobservable, match="Okta: "):
            run_observe(plan_of().steps[0], targets)
        assert time.monotonic() - began < 6
    server.answers = {**good(), SUSPEND: [slow[0]]}
    with pytest.raises(OutcomeUnknown):
        run_apply(clearance(plan_of()), plan_of().body, 0, targets)
    monkeypatch.setattr(okta_calls, "LOOK_SECONDS", 0.0)
    with pytest.raises(TargetUnobservable, match="took too long"):
        run_observe(plan_of().steps[0], targets)


def test_a_certificate_that_does_not_verify_gets_no_login(tmp_path: Path, targets: Targets) -> None:
    certificate, key = certified(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    path = tmp_path / "targets.toml"
    plain = path.read_text()
    with hostile(context) as server:
        server.answers = good()
        for address, authority, works in (
            (f"https://127.0.0.1:{server.port}", f'ca_file = "{certificate.name}"\n', True),
            (f"https://127.0.0.1:{server.port}", "", False),
            (f"https://localhost:{server.port}", f'ca_file = "{certificate.name}"\n', False),
        ):
            server.calls.clear()
            old = plain.split('"')[1]
            path.write_text(
                plain.replace(old, address).replace("observe_cl", f"{authority}observe_cl")
            )
            given = Targets.load(path, portal_system_identifier=None)
            if works:
                assert run_observe(plan_of().steps[0], given).exists
                continue
            with pytest.raises(TargetUnobservable, match="SSLError"):
                run_observe(plan_of().steps[0], given)
            with pytest.raises(NotApplied):
                run_apply(clearance(plan_of()), plan_of().body, 0, given)
            assert server.calls == []


def test_a_key_that_is_none_signs_nothing(
    server: Hostile, targets: Targets, tmp_path: Path
) -> None:
    form = PrivateFormat.PKCS8
    curve = generate_ec(SECP256R1()).private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    for text in ("", "no key", curve, "-----BEGIN PRIVATE KEY-----\nAAAA\n"):
        (tmp_path / "key.pem").write_text(text)
        with pytest.raises(TargetUnobservable, match="no RSA key"):
            run_observe(plan_of().steps[0], targets)
        with pytest.raises(NotApplied):
            run_apply(clearance(plan_of()), plan_of().body, 0, targets)
    assert server.calls == []
