"""An OAuth provider that answers wrongly, slowly or not at all: nothing is believed or repeated."""

from __future__ import annotations

import gzip
import ipaddress
import json
import ssl
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Plan
from remediation.executors import oauth_calls, oauth_http
from remediation.executors.errors import NotApplied, OutcomeUnknown, StepFailed
from remediation.executors.run import run_apply, run_observe
from remediation.executors.targets import Targets
from tests.executors.contract import clearance, make_plan
from tests.executors.oauth import ISSUER, sha256
from tests.executors.oauth_hostile import Hostile, Send, drip, hostile, nothing, whole

TOKEN, SECRET = "leaked-token-0123456789", "secret-of-the-observer"
ACTIVE: dict[str, Any] = {"active": True, "client_id": "shop"}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def provider() -> Iterator[Hostile]:
    with hostile() as made:
        yield made


def targets_at(directory: Path, url: str, more: str = "") -> Targets:
    (directory / "tokens").mkdir(exist_ok=True)
    (directory / "tokens" / sha256(TOKEN)).write_text(TOKEN)
    (directory / "secret").write_text(SECRET)
    (directory / "targets.toml").write_text(
        f'[oauth.{ISSUER}]\nintrospection_endpoint = "{url}/i"\nrevocation_endpoint = "{url}/r"\n'
        'tokens_dir = "tokens"\nobserve_client_id = "o"\nobserve_client_secret_file = "secret"\n'
        f'{more}[oauth.{ISSUER}.clients.shop]\noperate_client_secret_file = "secret"\n'
    )
    return Targets.load(directory / "targets.toml", portal_system_identifier=None)


@pytest.fixture
def targets(tmp_path: Path, provider: Hostile) -> Targets:
    return targets_at(tmp_path, f"http://127.0.0.1:{provider.port}")


def plan() -> Plan:
    target = {"kind": "oauth.token", "issuer": ISSUER, "sha256": sha256(TOKEN)}
    return make_plan("oauth.token.revoke", {**target}, {"token_type": "access_token"})


BAD: dict[str, Send] = {
    "too much": whole(b" " * (oauth_http.MOST_BYTES + 1) + b'{"active": false}'),
    "too much, said": whole({"active": False, "x": "y" * oauth_http.MOST_BYTES}),
    "HTML": whole(b"<html>active: false</html>", media_type="text/html"),
    "HTML that is JSON": whole({"active": False}, media_type="text/html"),
    "no type": whole({"active": False}, media_type=""),
    "redirect": whole(b"", "302 Found", "Location: http://127.0.0.1:1/"),
    "redirect with a body": whole({"active": False}, "307 See", "Location: http://127.0.0.1:1/"),
    "server error": whole({"active": False}, "503 Later"),
    "no content": whole(b"", "204 No Content"),
    "empty": whole(b""),
    "nothing": nothing,
    "no HTTP": lambda to: to.sendall(b"220 smtp\r\n\r\n"),
    "cut": lambda to: to.sendall(HEAD + b"Content-Length: 50\r\n\r\n{"),
    "bad length": lambda to: to.sendall(HEAD + b'Content-Length: -1\r\n\r\n{"active": false'),
    "packed": whole(gzip.compress(b'{"active": false}'), "200 OK", "Content-Encoding: gzip"),
    "a list": whole(b"[]"),
    "a text": whole(b'"active"'),
    "null": whole(b"null"),
    "not said": whole({"client_id": "shop"}),
    "a text for a truth": whole({"active": "false"}),
    "a number for a truth": whole({"active": 0}),
    "deep": whole(b"[" * 60_000),
    "long number": whole(b'{"active": true, "exp": ' + b"9" * 5_000 + b"}"),
    "client": whole({"active": True, "client_id": ["shop"]}),
    "client as an object": whole({"active": True, "client_id": {"": 1}}),
    "subject": whole({**ACTIVE, "sub": 17}),
    "scope": whole({**ACTIVE, "scope": [1]}),
    "time": whole({**ACTIVE, "exp": "tomorrow"}),
    "time as a truth": whole({**ACTIVE, "exp": True}),
    "late": whole({**ACTIVE, "exp": 10**20}),
    "endless": whole(json.dumps({**ACTIVE, "iat": float("inf")}).encode()),
    "echo of the token": whole({**ACTIVE, "sub": f"x{TOKEN}"}),
    "echo of the secret": whole({**ACTIVE, "scope": SECRET}),
}


def test_a_wrong_introspection_is_never_taken_for_an_answer(
    provider: Hostile, targets: Targets
) -> None:
    for name, answer in BAD.items():
        provider.answers = {"/i": [answer]}
        with pytest.raises(TargetUnobservable, match="OAuth provider") as caught:
            run_observe(plan().steps[0], targets)
        assert TOKEN not in caught.value.detail and SECRET not in caught.value.detail, name
        assert len(caught.value.detail) < 300, name
        # Before a revocation that is a reason not to send it.
        with pytest.raises(NotApplied):
            run_apply(clearance(plan()), plan().body, 0, targets)
    assert "/r" not in provider.calls


def test_what_a_provider_says_is_cut_and_shown_as_it_is(
    provider: Hostile, targets: Targets
) -> None:
    said = {**ACTIVE, "sub": "<script>" + "x" * 5_000, "scope": ["a", "b"], "aud": "\u202e\x00"}
    provider.answers = {"/i": [whole(said)]}
    shown = run_observe(plan().steps[0], targets).shown
    assert str(shown["user"]).startswith("<script>x") and len(str(shown["user"])) == 200
    assert (shown["scope"], shown["expires"], shown["other_tokens"]) == ("a b", None, [])


def test_a_revocation_counts_by_its_status_alone(provider: Hostile, targets: Targets) -> None:
    """Nothing was changed, or it is not known. A second call is never made."""
    quoted = {"error": "invalid_client", "error_description": TOKEN}
    cases: dict[str, tuple[Send, type[StepFailed] | None]] = {
        "done": (whole(b"", "200 OK"), None),
        "done, with a page": (whole(b"<html>", media_type="text/html"), None),
        "revoked_by": (whole(quoted, "401 Unauthorized"), NotApplied),
        "type": (whole({"error": "unsupported_token_type"}, "400 Bad"), NotApplied),
        "odd code": (whole({"error": TOKEN}, "400 Bad"), NotApplied),
        "no endpoint": (whole(b"", "404 Not Found"), NotApplied),
        "redirect": (whole(b"", "302 Found", "Location: /i"), OutcomeUnknown),
        "later": (whole(b"", "503 Later"), OutcomeUnknown),
        "lost": (nothing, OutcomeUnknown),
        "cut": (lambda to: to.sendall(HEAD + b"Content-Length: 9\r\n\r\n"), OutcomeUnknown),
        "too much": (whole(b"x" * (oauth_http.MOST_BYTES + 1)), OutcomeUnknown),
    }
    for name, (answer, wanted) in cases.items():
        provider.calls.clear()
        provider.answers = {"/i": [whole(ACTIVE)], "/r": [answer]}
        try:
            run_apply(clearance(plan()), plan().body, 0, targets)
            found: type[Exception] | None = None
        except StepFailed as error:
            found = type(error)
            assert TOKEN not in error.detail and SECRET not in error.detail, name
        assert found is wanted, name
        assert provider.calls == ["/i", "/r"], name


def test_a_slow_answer_ends_with_the_time_of_a_call(
    provider: Hostile, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many bytes come: in the head, in the body, in a chunk."""
    monkeypatch.setattr(oauth_calls.post, "__defaults__", (1.0,))
    monkeypatch.setattr(oauth_calls.introspect, "__defaults__", (1.0,))
    slow = (
        drip(b"HTTP/1.1 200 OK\r\nX: "),
        drip(HEAD + b"Content-Length: 9999\r\n\r\n"),
        drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
    )
    for answer in slow:
        provider.answers = {"/i": [answer], "/r": [answer]}
        began = time.monotonic()
        with pytest.raises(TargetUnobservable):
            run_observe(plan().steps[0], targets)
        assert time.monotonic() - began < 300, "half of what the answer takes"
    provider.answers = {"/i": [whole(ACTIVE)], "/r": [slow[0]]}
    with pytest.raises(OutcomeUnknown):
        run_apply(clearance(plan()), plan().body, 0, targets)


def test_a_certificate_that_does_not_verify_gets_no_token(tmp_path: Path) -> None:
    ours, others = certificate(tmp_path, "ours"), certificate(tmp_path, "others")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ours)
    with hostile(context) as provider:
        provider.answers = {"/i": [whole(ACTIVE)], "/r": [whole(b"")]}
        good, bad = f"https://127.0.0.1:{provider.port}", f"https://localhost:{provider.port}"
        given = targets_at(tmp_path, good, f'ca_file = "{ours}"\n')
        assert run_observe(plan().steps[0], given).state == {"active": True}
        run_apply(clearance(plan()), plan().body, 0, given)
        provider.calls.clear()
        for url, authority in ((good, others), (bad, ours)):  # not signed by it; another name
            given = targets_at(tmp_path, url, f'ca_file = "{authority}"\n')
            with pytest.raises(TargetUnobservable, match="SSLError"):
                run_observe(plan().steps[0], given)
        with pytest.raises(TargetUnobservable, match="SSLError"):
            run_observe(plan().steps[0], targets_at(tmp_path, good))
        assert provider.calls == []
        # Nor at the endpoint for revocations: then nothing was sent.
        provider.calls.clear()
        targets_at(tmp_path, good, f'ca_file = "{ours}"\n')
        path = tmp_path / "targets.toml"
        for wrong in (f"{bad}/r", "https://127.0.0.1:1/r", "https://nowhere.invalid/r"):
            path.write_text(path.read_text().replace(f"{good}/r", wrong))
            given = Targets.load(path, portal_system_identifier=None)
            with pytest.raises(NotApplied, match="OAuth provider"):
                run_apply(clearance(plan()), plan().body, 0, given)
        assert set(provider.calls) == {"/i"}


def test_without_its_library_it_says_what_to_install(
    targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "authlib.integrations.requests_client", None)
    with pytest.raises(TargetUnobservable, match=r"install hitlportal\[oauth\]"):
        run_observe(plan().steps[0], targets)


def certificate(directory: Path, name: str) -> Path:
    """Return a file with a key and its own certificate for the loopback address."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
    at = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = made.add_extension(x509.SubjectAlternativeName([at]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    path = directory / f"{name}.pem"
    signed = made.sign(key, hashes.SHA256()).public_bytes(pem)
    path.write_bytes(key.private_bytes(pem, form, none) + signed)
    return path
