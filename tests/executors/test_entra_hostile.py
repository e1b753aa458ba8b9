"""An Entra that answers wrongly, slowly or not at all: nothing is believed or repeated."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Plan
from remediation.executors import entra, entra_calls, entra_http
from remediation.executors.errors import NotApplied, OutcomeUnknown, StepFailed
from remediation.executors.run import run_apply, run_observe
from remediation.executors.targets import Targets
from tests.executors.contract import clearance, make_plan
from tests.executors.entra import certificate_of, pem
from tests.executors.kube import certified
from tests.executors.oauth_hostile import Hostile, Send, drip, hostile, nothing, whole
from tests.executors.okta import checks_keys_once

TOKEN = "eyJ0123456789abcdefghijklmnopqrstuvwxyz"
APP, ID = "1f0c6a52-7d1e-4c0b-9a43-3f2d51b7a001", "8b8e2f61-04d5-4c7e-8c55-6a1e0d9f2002"
KEY, HOME = "c4a9d3e7-52f8-4b61-8e0a-7b9c1d2e4004", "7a6c1d20-3b5e-4f8a-9c11-0d2e4f6a8001"
SIGNED: dict[str, Any] = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3599}
PRINCIPAL: dict[str, Any] = {
    "id": ID, "appId": APP, "accountEnabled": True, "displayName": "checkout",
    "servicePrincipalType": "Application", "signInAudience": "AzureADMyOrg",
    "appOwnerOrganizationId": HOME,
}  # fmt: skip
SECRET: dict[str, Any] = {
    "keyId": KEY, "displayName": "ci", "endDateTime": "2028-01-01T00:00:00Z",
}  # fmt: skip
APPLICATION: dict[str, Any] = {
    "id": ID, "appId": APP, "displayName": "checkout", "signInAudience": "AzureADMyOrg",
    "passwordCredentials": [SECRET], "keyCredentials": [],
}  # fmt: skip
MINT, CHANGE = f"/{HOME}/oauth2/v2.0/token", f"/v1.0/servicePrincipals/{ID}"
ONE = f"{CHANGE}?{urlencode({'$select': ','.join(entra._PRINCIPAL)})}"
LIST = f"/v1.0/applications/{ID}?{urlencode({'$select': ','.join(entra._APPLICATION)})}"
FEDERATED = (
    f"/v1.0/applications/{ID}/federatedIdentityCredentials?"
    f"{urlencode({'$select': 'id,name,issuer,subject'})}"
)
DELETED = f"/v1.0/directory/deletedItems/{ID}"
MISSING: dict[str, Any] = {"error": {"code": "Request_ResourceNotFound", "message": "x"}}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def server() -> Iterator[Hostile]:
    with hostile() as made:
        made.answers = good()
        yield made


def good() -> dict[str, list[Send]]:
    return {
        MINT: [whole(SIGNED)],
        ONE: [whole(PRINCIPAL)],
        LIST: [whole(APPLICATION)],
        FEDERATED: [whole({"value": []})],
        DELETED: [whole(MISSING, "404 Not Found")],
        CHANGE: [whole(b"", "204 No Content")],
    }


@pytest.fixture(scope="module")
def login() -> tuple[str, bytes]:
    """Return the private key of an app, and its certificate."""
    key = generate_private_key(65537, 2048)
    return pem(key), certificate_of(key).public_bytes(Encoding.PEM)


@pytest.fixture
def targets(
    tmp_path: Path, server: Hostile, login: tuple[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> Targets:
    checks_keys_once(monkeypatch)
    (tmp_path / "key.pem").write_text(login[0])
    (tmp_path / "app.crt").write_bytes(login[1])
    url = f"http://127.0.0.1:{server.port}"
    (tmp_path / "targets.toml").write_text(
        f'[entra.acme]\nauthority = "{url}"\ngraph = "{url}/v1.0"\ntenant_id = "{HOME}"\n'
        f'observe_client_id = "{KEY}"\nobserve_key_file = "key.pem"\n'
        'observe_certificate_file = "app.crt"\n'
        f'operate_client_id = "{ID}"\noperate_key_file = "key.pem"\n'
        'operate_certificate_file = "app.crt"\n'
    )
    return Targets.load(tmp_path / "targets.toml", portal_system_identifier=None)


def plan_of(action: str = "entra.service_principal.disable") -> Plan:
    kind, _, _ = action.rpartition(".")
    more = {"secret_key_id": KEY} if kind.endswith("secret") else {}
    return make_plan(
        action, {"kind": kind, "tenant": "acme", "app_id": APP, "object_id": ID, **more}, {}
    )


ANY: dict[str, Send] = {
    "too much": whole(b" " * (entra_http.MOST_BYTES + 1)),
    "HTML": whole(b"<html>not found</html>", media_type="text/html"),
    "HTML that is JSON": whole(b"{}", media_type="text/html"),
    "redirect": whole(b"", "302 Found", "Location: http://127.0.0.1:1/"),
    "server error": whole({}, "503 Later"),
    "no content": whole(b"", "204 No Content"),
    "empty": whole(b""),
    "nothing": nothing,
    "no HTTP": lambda to: to.sendall(b"220 smtp\r\n\r\n"),
    "cut": lambda to: to.sendall(HEAD + b"Content-Length: 50\r\n\r\n["),
    "null": whole(b"null"),
    "a list": whole(b"[]"),
    "an empty object": whole({}),
    "deep": whole(b"[" * 60_000),
    "not found, on a page": whole(b"<html>", "404 Not Found", media_type="text/html"),
    "not found by no Graph": whole({"message": "x"}, "404 Not Found"),
    "not found with another code": whole({"error": {"code": "BadRequest"}}, "404 Not Found"),
    "not found, not deleted": whole(MISSING, "404 Not Found"),
    "code of another": whole({"error": {"code": "<b>"}}, "403 Forbidden"),
}
# What each path may not answer, besides.
BAD: dict[str, dict[str, Send]] = {
    MINT: {
        "no token": whole({**SIGNED, "access_token": None}),
        "no text": whole({**SIGNED, "access_token": ""}),
        "a token for no header": whole({**SIGNED, "access_token": "a\r\nb"}),
        "proof of possession": whole({**SIGNED, "token_type": "pop"}),
    },
    ONE: {
        "another object": whole({**PRINCIPAL, "id": APP}),
        "another application": whole({**PRINCIPAL, "appId": ID}),
        "enabled as a text": whole({**PRINCIPAL, "accountEnabled": "true"}),
        "enabled as null": whole({**PRINCIPAL, "accountEnabled": None}),
        "name as a number": whole({**PRINCIPAL, "displayName": 7}),
        "echo of the token": whole({**PRINCIPAL, "displayName": TOKEN}),
    },
    LIST: {
        "another application": whole({**APPLICATION, "appId": ID}),
        "no list": whole({**APPLICATION, "passwordCredentials": None}),
        "texts": whole({**APPLICATION, "passwordCredentials": ["x"]}),
        "a key twice": whole({**APPLICATION, "passwordCredentials": [SECRET, SECRET]}),
        "a key that is none": whole({**APPLICATION, "passwordCredentials": [{"keyId": "x"}]}),
        "a time": whole({**APPLICATION, "passwordCredentials": [{**SECRET, "endDateTime": "x"}]}),
        "very many": whole(
            {**APPLICATION, "keyCredentials": [{"keyId": str(uuid4())} for _ in range(501)]}
        ),
        "more elsewhere": whole({**APPLICATION, "passwordCredentials@odata.nextLink": "/x"}),
    },
    FEDERATED: {
        "no list": whole({"value": None}),
        "no list at all": whole({}),
        "an error": whole({"error": {"code": "BadRequest"}}),
        "one twice": whole({"value": [{"id": KEY}, {"id": KEY.upper()}]}),
        "an id that is none": whole({"value": [{"id": "x"}]}),
        "a name as a number": whole({"value": [{"id": KEY, "name": 7}]}),
        "more elsewhere": whole({"value": [], "@odata.nextLink": "https://graph.example.org/"}),
        "missing": whole(MISSING, "404 Not Found"),
    },
}
PLANS = {
    ONE: plan_of(), MINT: plan_of(), LIST: plan_of("entra.application_secret.remove"),
    FEDERATED: plan_of("entra.application_secret.remove"),
}  # fmt: skip


def test_a_wrong_answer_is_never_taken_for_one(server: Hostile, targets: Targets) -> None:
    for path, more in BAD.items():
        # Both kinds of object are read by the same code.
        for name, answer in {**({} if path in (LIST, FEDERATED) else ANY), **more}.items():
            server.answers = {**good(), path: [answer]}
            with pytest.raises(TargetUnobservable, match="Entra") as caught:
                run_observe(PLANS[path].steps[0], targets)
            assert TOKEN not in caught.value.detail and len(caught.value.detail) < 300, name
        # Before a change that is a reason not to send it.
        with pytest.raises(NotApplied):
            run_apply(clearance(PLANS[path]), PLANS[path].body, 0, targets)
    assert CHANGE not in server.calls


def test_only_a_deleted_object_of_the_same_application_is_gone(
    server: Hostile, targets: Targets
) -> None:
    gone = {
        "@odata.type": "#microsoft.graph.servicePrincipal", "id": ID, "appId": APP,
        "deletedDateTime": "2026-11-30T10:00:00Z",
    }  # fmt: skip
    server.answers |= {ONE: [whole(MISSING, "404 Not Found")], DELETED: [whole(gone)]}
    assert not run_observe(plan_of().steps[0], targets).exists
    wrong = (
        {"@odata.type": "#microsoft.graph.application"}, {"id": APP}, {"appId": ID},
        {"deletedDateTime": None},
    )  # fmt: skip
    for answer in (*ANY.values(), *(whole({**gone, **each}) for each in wrong)):
        server.answers[DELETED] = [answer]
        with pytest.raises(TargetUnobservable, match="Entra"):
            run_observe(plan_of().steps[0], targets)


def test_a_limit_of_calls_and_a_missing_right_are_named(server: Hostile, targets: Targets) -> None:
    denied = {"error": {"code": "Authorization_RequestDenied", "message": "x"}}
    for answer, said in (
        (whole({}, "429 No", "Retry-After: 30"), "limit of calls is reached; again in 30 s$"),
        (whole({}, "429 No", "Retry-After: <b>"), "limit of calls is reached$"),
        (whole(denied, "403 No"), r"may not do this \(Authorization_RequestDenied\)$"),
        (whole({"error": "invalid_client"}, "401 No"), r"accept the login \(invalid_client\)$"),
    ):
        server.answers[ONE] = [answer]
        with pytest.raises(TargetUnobservable, match=said):
            run_observe(plan_of().steps[0], targets)


def test_a_change_counts_by_its_status_alone(server: Hostile, targets: Targets) -> None:
    """Nothing was changed, or it is not known. A second call is never made."""
    quoted = {"error": {"message": TOKEN}}
    cases: dict[str, tuple[Send, type[StepFailed] | None]] = {
        "done": (whole(b"", "204 No Content"), None),
        "status": (whole({"error": {"code": "Request_BadRequest"}}, "400 Bad Request"), NotApplied),
        "right": (whole({}, "403 Forbidden"), NotApplied),
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
        server.answers[CHANGE] = [answer]
        try:
            run_apply(clearance(plan_of()), plan_of().body, 0, targets)
            found: type[Exception] | None = None
        except StepFailed as error:
            found = type(error)
            assert TOKEN not in error.detail and "eyJ" not in error.detail, name
        assert found is wanted, name
        assert server.calls == [MINT, ONE, MINT, CHANGE], name


def test_a_slow_answer_ends_with_the_time_of_a_call(
    server: Hostile, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many bytes come: in the head, in the body, in a chunk."""
    monkeypatch.setattr(entra_calls, "CALL_SECONDS", 1.0)
    monkeypatch.setattr(entra_http.send, "__defaults__", (1.0,))
    slow = (
        drip(b"HTTP/1.1 200 OK\r\nX: "),
        drip(HEAD + b"Content-Length: 9999\r\n\r\n"),
        drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
    )
    for answer in slow:
        server.answers = {**good(), ONE: [answer]}
        began = time.monotonic()
        with pytest.raises(TargetUnobservable, match="Entra: "):
            run_observe(plan_of().steps[0], targets)
        assert time.monotonic() - began < 6
    server.answers = {**good(), CHANGE: [slow[0]]}
    with pytest.raises(OutcomeUnknown):
        run_apply(clearance(plan_of()), plan_of().body, 0, targets)
    monkeypatch.setattr(entra_calls, "LOOK_SECONDS", 0.0)
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
                plain.replace(old, address).replace("tenant_id", f"{authority}tenant_id")
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
