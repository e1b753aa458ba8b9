"""A GitHub that answers wrongly, slowly or not at all: nothing is believed or repeated."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.tlog.canonical import encode
from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Plan
from remediation.executors import github_calls, github_http
from remediation.executors.errors import NotApplied, OutcomeUnknown, StepFailed
from remediation.executors.run import run_apply, run_observe
from remediation.executors.targets import Targets
from tests.executors.contract import clearance, make_plan
from tests.executors.github import checks_keys_once, pem, public_key
from tests.executors.kube import certified
from tests.executors.oauth_hostile import Hostile, Send, drip, hostile, nothing, whole

TOKEN = "ghs_0123456789abcdefghijklmnopqrstuvwxyz"
RIGHTS = {"administration": "write", "organization_personal_access_tokens": "write"}
SIGNED: dict[str, Any] = {"token": TOKEN, "permissions": RIGHTS, "repository_selection": "all"}
KEY: dict[str, Any] = {
    "id": 7, "key": public_key("a"), "title": "ci", "read_only": False, "enabled": True,
    "created_at": "2026-01-02T03:04:05Z", "added_by": None, "last_used": None,
}  # fmt: skip
GRANT: dict[str, Any] = {
    "id": 9, "token_id": 8, "owner": {"login": "ann"}, "token_name": "laptop",
    "permissions": {"repository": {"contents": "write"}}, "repository_selection": "all",
    "access_granted_at": "2026-01-02T03:04:05Z", "token_expires_at": None, "token_expired": False,
    "token_last_used_at": None,
}  # fmt: skip
MINT, KEYS = "/app/installations/1/access_tokens", "/repos/acme/shop/keys"
LIST, ONE = f"{KEYS}?per_page=100", f"{KEYS}/7"
GRANTS = "/orgs/acme/personal-access-tokens?token_id=8&per_page=100"
REVOKE = "/orgs/acme/personal-access-tokens/9"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def private() -> str:
    return pem(generate_private_key(65537, 2048))


@pytest.fixture
def server() -> Iterator[Hostile]:
    with hostile() as made:
        made.answers = good()
        yield made


def good() -> dict[str, list[Send]]:
    return {
        MINT: [whole(SIGNED, "201 Created")],
        ONE: [whole(KEY)],
        LIST: [listed(KEY)],
        GRANTS: [listed(GRANT)],
        REVOKE: [whole(b"", "204 No Content")],
    }


def listed(*found: Any) -> Send:
    return whole(json.dumps(found).encode())


@pytest.fixture
def targets(
    tmp_path: Path, server: Hostile, private: str, monkeypatch: pytest.MonkeyPatch
) -> Targets:
    checks_keys_once(monkeypatch)
    (tmp_path / "key.pem").write_text(private)
    (tmp_path / "targets.toml").write_text(
        f'[github.acme]\napi = "http://127.0.0.1:{server.port}"\n'
        'observe_client_id = "o"\nobserve_installation = "1"\nobserve_key_file = "key.pem"\n'
        'operate_client_id = "p"\noperate_installation = "1"\noperate_key_file = "key.pem"\n'
    )
    return Targets.load(tmp_path / "targets.toml", portal_system_identifier=None)


def key_plan() -> Plan:
    target = {"kind": "github.deploy_key", "org": "acme", "repository": "shop", "key_id": "7"}
    return make_plan("github.deploy_key.delete", {**target}, {})


def token_plan() -> Plan:
    target = {"kind": "github.fine_grained_token", "org": "acme", "token": "8"}
    return make_plan("github.fine_grained_token.revoke", {**target}, {})


ANY: dict[str, Send] = {
    "too much": whole(b" " * (github_http.MOST_BYTES + 1)),
    "HTML": whole(b"<html>not found</html>", media_type="text/html"),
    "HTML that is JSON": whole(b"[]", media_type="text/html"),
    "redirect": whole(b"", "301 Moved", "Location: http://127.0.0.1:1/"),
    "server error": whole({}, "503 Later"),
    "no content": whole(b"", "204 No Content"),
    "empty": whole(b""),
    "nothing": nothing,
    "no HTTP": lambda to: to.sendall(b"220 smtp\r\n\r\n"),
    "cut": lambda to: to.sendall(HEAD + b"Content-Length: 50\r\n\r\n["),
    "null": whole(b"null"),
    "a text": whole(b'"x"'),
    "deep": whole(b"[" * 60_000),
    "limit": whole({}, "403 Forbidden", "X-RateLimit-Remaining: 0"),
    "second limit": whole({}, "429 Too Many", "Retry-After: 60"),
}
# What each path may not answer, besides.
BAD: dict[str, dict[str, Send]] = {
    MINT: {
        "200": whole(SIGNED),
        "no token": whole({**SIGNED, "token": None}, "201 Created"),
        "a token for no header": whole({**SIGNED, "token": "a\r\nb"}, "201 Created"),
        "no rights": whole({**SIGNED, "permissions": {}}, "201 Created"),
        "other rights": whole({**SIGNED, "permissions": {"contents": "write"}}, "201 Created"),
        "not found, on a page": whole(b"<html>", "404 Not Found", media_type="text/html"),
    },
    ONE: {
        "a list": whole(b"[]"),
        "way": whole({**KEY, "read_only": "no"}),
        "time": whole({**KEY, "last_used": "yesterday"}),
        "key": whole({**KEY, "key": "ssh-ed25519 ?"}),
        "echo of the token": whole({**KEY, "title": f"x{TOKEN}"}),
        "gone, and still in the list": whole({"message": "Not Found"}, "404 Not Found"),
    },
    LIST: {
        "an object": whole({"message": "x"}),
        "texts": listed("x"),
        "id": listed({**KEY, "id": "7"}),
        "id as a truth": listed({**KEY, "id": True}),
        "id of no key": listed(KEY, {**KEY, "id": -7}),
        "id without an end": listed(KEY, {**KEY, "id": 10**4000}),
        "an id twice": listed(KEY, KEY),
        "without it": listed(),
        "title of another": listed(KEY, {**KEY, "id": 5, "title": 7}),
        "an endless list": whole(json.dumps([KEY]).encode(), "200 OK", 'Link: <x>; rel="next"'),
    },
}


def test_a_wrong_answer_is_never_taken_for_one(server: Hostile, targets: Targets) -> None:
    for path, more in BAD.items():
        for name, answer in {**ANY, **more}.items():
            server.answers = {**good(), path: [answer], "/app": [nothing]}
            server.answers |= {f"{LIST}&page={page}": [answer] for page in range(2, 12)}
            with pytest.raises(TargetUnobservable, match="GitHub") as caught:
                run_observe(key_plan().steps[0], targets)
            assert TOKEN not in caught.value.detail and len(caught.value.detail) < 300, name
    # Before a change that is a reason not to send it.
    with pytest.raises(NotApplied):
        run_apply(clearance(key_plan()), key_plan().body, 0, targets)
    assert server.calls.count(ONE) == server.calls.count(MINT) - len(ANY) - len(BAD[MINT])


def test_a_limit_of_calls_is_named(server: Hostile, targets: Targets) -> None:
    for answer, said in (
        (whole({}, "429 Too Many", "Retry-After: 60"), "limit of calls is reached; again in 60 s"),
        (whole({}, "403 No", "X-RateLimit-Remaining: 0"), "limit of calls is reached$"),
        (whole({}, "403 No", "Retry-After: <b>"), "limit of calls is reached$"),
        (whole({"message": "You have exceeded a secondary rate limit."}, "403 No"), "is reached$"),
        (whole({}, "403 No", "X-Accepted-GitHub-Permissions: a=read"), r"\(it needs a=read\)"),
        (whole({}, "403 No", "X-Accepted-GitHub-Permissions: <b>"), "may not do this$"),
    ):
        server.answers[LIST] = [answer]
        with pytest.raises(TargetUnobservable, match=said):
            run_observe(key_plan().steps[0], targets)


def test_a_name_that_no_record_takes_keeps_no_step_off_the_record(
    server: Hostile, targets: Targets
) -> None:
    strange = {**KEY, "title": "a\0b\ud800c"}
    server.answers |= {ONE: [whole(strange)], LIST: [listed(strange, {**strange, "id": 5})]}
    seen = run_observe(key_plan().steps[0], targets)
    assert seen.shown["title"] == "a\ufffdb\ufffdc"
    encode(seen.to_json())


def test_an_installation_with_very_much_is_cut_or_refused(
    server: Hostile, targets: Targets
) -> None:
    one: dict[str, Any] = {
        "id": 3, "app_slug": "bot", "permissions": {"contents": "read"}, "events": ["push"],
        "repository_selection": "all", "suspended_at": None, "suspended_by": None,
    }  # fmt: skip
    target = {"kind": "github.app_installation", "org": "acme", "app": "bot"}
    [step] = make_plan(
        "github.app_installation.suspend", {**target, "installation_id": "3"}, {}
    ).steps
    server.answers[MINT] = [
        whole({**SIGNED, "permissions": {"organization_administration": "read"}}, "201 Created")
    ]

    def answers(**more: Any) -> None:
        said = {"total_count": 1, "installations": [{**one, **more}]}
        server.answers["/orgs/acme/installations?per_page=100"] = [whole(said)]

    answers(events=["e\0" * 200] * 2000)
    encode(run_observe(step, targets).to_json())
    assert len(run_observe(step, targets).shown["events"]) == 200  # type: ignore[arg-type]
    for more in (
        {"events": "push"}, {"events": [{}]}, {"permissions": {"contents": 1}},
        {"permissions": {f"r{number}": "read" for number in range(300)}},
    ):  # fmt: skip
        answers(**more)
        with pytest.raises(TargetUnobservable, match="in an answer"):
            run_observe(step, targets)


def test_a_change_counts_by_its_status_alone(server: Hostile, targets: Targets) -> None:
    """Nothing was changed, or it is not known. A second call is never made."""
    quoted = {"message": TOKEN}
    cases: dict[str, tuple[Send, type[StepFailed] | None]] = {
        "done": (whole(b"", "204 No Content"), None),
        "accepted": (whole({}, "202 Accepted"), None),
        "right": (whole({}, "403 Forbidden"), NotApplied),
        "none": (whole({}, "404 Not Found"), NotApplied),
        "invalid": (whole({}, "422 Invalid"), NotApplied),
        "limit": (whole({}, "429 Too Many"), NotApplied),
        "redirect": (whole(b"", "307 See", "Location: http://127.0.0.1:1/"), OutcomeUnknown),
        "too slow": (whole(b"", "408 Request Timeout"), OutcomeUnknown),
        "error": (whole(quoted, "500 Error"), OutcomeUnknown),
        "lost": (nothing, OutcomeUnknown),
        "cut": (lambda to: to.sendall(HEAD + b"Content-Length: 9\r\n\r\n"), OutcomeUnknown),
        "quoted": (whole(quoted, "200 OK"), OutcomeUnknown),
    }
    for name, (answer, wanted) in cases.items():
        server.calls.clear()
        server.answers[REVOKE] = [answer]
        try:
            run_apply(clearance(token_plan()), token_plan().body, 0, targets)
            found: type[Exception] | None = None
        except StepFailed as error:
            found = type(error)
            assert TOKEN not in error.detail and "eyJ" not in error.detail, name
        assert found is wanted, name
        assert server.calls == [MINT, GRANTS, MINT, REVOKE], name


def test_a_slow_answer_ends_with_the_time_of_a_call(
    server: Hostile, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many bytes come: in the head, in the body, in a chunk."""
    monkeypatch.setattr(github_calls, "CALL_SECONDS", 1.0)
    monkeypatch.setattr(github_http.send, "__defaults__", (1.0,))
    slow = (
        drip(b"HTTP/1.1 200 OK\r\nX: "),
        drip(HEAD + b"Content-Length: 9999\r\n\r\n"),
        drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
    )
    for answer in slow:
        server.answers = {**good(), ONE: [answer]}
        began = time.monotonic()
        with pytest.raises(TargetUnobservable, match="GitHub: "):
            run_observe(key_plan().steps[0], targets)
        assert time.monotonic() - began < 6
    server.answers = {**good(), REVOKE: [slow[0]]}
    with pytest.raises(OutcomeUnknown):
        run_apply(clearance(token_plan()), token_plan().body, 0, targets)
    # Each page in time, and all of them not.
    monkeypatch.setattr(github_calls, "LOOK_SECONDS", 0.0)
    with pytest.raises(TargetUnobservable, match="took too long"):
        run_observe(key_plan().steps[0], targets)


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
                assert run_observe(key_plan().steps[0], given).exists
                continue
            with pytest.raises(TargetUnobservable, match="SSLError"):
                run_observe(key_plan().steps[0], given)
            with pytest.raises(NotApplied):
                run_apply(clearance(key_plan()), key_plan().body, 0, given)
            assert server.calls == []


def test_a_key_that_is_none_signs_nothing(
    server: Hostile, targets: Targets, tmp_path: Path
) -> None:
    form = PrivateFormat.PKCS8
    curve = generate_ec(SECP256R1()).private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    for text in ("", "no key", curve, "-----BEGIN PRIVATE KEY-----\nAAAA\n"):
        (tmp_path / "key.pem").write_text(text)
        with pytest.raises(TargetUnobservable, match="no RSA key"):
            run_observe(key_plan().steps[0], targets)
        with pytest.raises(NotApplied):
            run_apply(clearance(key_plan()), key_plan().body, 0, targets)
    assert server.calls == []
