"""TLS certificates of a real OpenBao, on real servers."""

from __future__ import annotations

import re
import shutil
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from audit.tlog.canonical import Json
from hitlportal.demo.servers.openbao import BaoServer
from remediation.domain.conditions import Consumer, why_not_met
from remediation.domain.errors import BadInput, TargetUnobservable
from remediation.executors import tls_made
from remediation.executors.base import Deadline, Outcome, Question, Snapshot
from remediation.executors.errors import NotApplied, VerifyFailed
from remediation.executors.openbao_server import Api
from remediation.executors.run import executor_of, run_apply, run_observe, run_prepare, run_verify
from remediation.executors.section import TargetsFileInvalid
from tests.executors.contract import clearance, make_plan
from tests.executors.tls import HOSTNAME, Pki, TlsWorld, rules, serial

ISSUE, REVOKE = "tls.certificate.issue", "tls.issued.revoke"


@pytest.fixture
def started() -> Iterator[list[TlsWorld]]:
    worlds: list[TlsWorld] = []
    yield worlds
    for one in worlds:
        one.close()


@pytest.fixture
def world(bao: BaoServer, tmp_path: Path, started: list[TlsWorld]) -> TlsWorld:
    started.append(TlsWorld(ISSUE, tmp_path, bao))
    return started[0]


def issue(world: TlsWorld) -> tuple[Outcome, Snapshot]:
    plan, targets = world.plan(), world.targets()
    seen = run_observe(plan.steps[0], targets)
    given = clearance(plan)
    snapshot = run_prepare(given, plan.body, 0, targets, seen)
    done = run_apply(given, plan.body, 0, targets, snapshot)
    run_verify(given, plan.body, 0, targets)
    return done, snapshot


def unmet(world: TlsWorld, done: Outcome, before: Snapshot, *consumers: Consumer) -> str:
    """Return why the run would go on waiting, in words; "" if it would not."""
    since = datetime.now(UTC)
    asked = Question("served_new", since, done.made, before, consumers)
    step = world.plan().steps[0]
    found = executor_of(step).look_for(asked, step, world.targets())
    why = why_not_met(found, consumers, since=since, now=datetime.now(UTC))
    if why is None:
        return ""
    return f"{why.detail}: {'; '.join(one.detail for one in found.consumers if one.detail)}"


def revoke(world: TlsWorld, number: str) -> None:
    """Observe, check and apply, as a run does."""
    target: dict[str, Json] = {"kind": "tls.issued", "certificate": "orders", "serial": number}
    plan, targets = make_plan(REVOKE, target, {}), world.targets()
    given = clearance(plan)
    run_prepare(given, plan.body, 0, targets, run_observe(plan.steps[0], targets))
    run_apply(given, plan.body, 0, targets)
    run_verify(given, plan.body, 0, targets)


def revoked(world: TlsWorld, number: str) -> bool:
    colons = ":".join(re.findall("..", number))
    found = world.server.ask("GET", f"{world.pki.mount}/cert/{colons}")["data"]
    return bool(found["revocation_time"])


def test_a_rotation_from_issue_to_a_revocation_that_readers_see(world: TlsWorld) -> None:
    old, step = serial(world.first), world.plan().steps[0]
    with pytest.raises(NotApplied, match="servers still show it: web1, web2"):
        revoke(world, old)
    assert not revoked(world, old)
    done, before = issue(world)
    assert unmet(world, done, before) == ""
    seen = run_observe(step, world.targets())
    assert seen.state == {name: done.made[name] for name in ("serial", "public_key")}
    assert seen.state["public_key"] != before["public_key"] and before["serial"] == old
    revoke(world, old)
    assert revoked(world, old) and not revoked(world, done.made["serial"])


def test_a_server_that_does_not_load_it_is_named_and_stops_the_revocation(
    bao: BaoServer, tmp_path: Path, started: list[TlsWorld]
) -> None:
    world = TlsWorld(ISSUE, tmp_path, bao, ("reload", "stuck"))
    started.append(world)
    done, before = issue(world)
    assert "web2" in unmet(world, done, before) and "web1" not in unmet(world, done, before)
    with pytest.raises(NotApplied, match="servers still show it: web2"):
        revoke(world, serial(world.first))
    target: dict[str, Json] = {
        "kind": "tls.issued",
        "certificate": "orders",
        "serial": serial(world.first),
    }
    plan = make_plan(REVOKE, target, {})
    with pytest.raises(NotApplied, match="servers still show it: web2"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert not revoked(world, serial(world.first))


@pytest.mark.parametrize("mode", ["tickets", "tickets13"])
def test_a_server_that_resumes_sessions_of_the_old_one_is_found(
    bao: BaoServer, tmp_path: Path, started: list[TlsWorld], mode: str
) -> None:
    """F35: the full handshake shows the new one, and a client goes on with the old."""
    world = TlsWorld(ISSUE, tmp_path, bao, ("reload", mode))
    started.append(world)
    done, before = issue(world)  # its looks began a session with the old one
    [named] = [unmet(world, done, before)]
    assert "web2" in named and "resumes sessions" in named and "web1" not in named


def test_a_server_that_the_map_forgot_is_asked_if_the_inventory_has_it(world: TlsWorld) -> None:
    [other] = world.start([f"{world.place}=stuck"])  # in no map
    done, before = issue(world)
    assert unmet(world, done, before) == ""
    gateway = Consumer("gateway", f"127.0.0.1:{other}", 0, "reload")
    assert "gateway" in unmet(world, done, before, gateway)
    nowhere = Consumer("batch", "", 0, "restart")
    assert "batch" in unmet(world, done, before, nowhere)
    known = Consumer("shop", "web1", 0, "reload")
    assert unmet(world, done, before, known) == ""
    alike = Consumer("web1", f"127.0.0.1:{other}", 0, "reload")  # and web1 of the map is another
    assert f"web1 at 127.0.0.1:{other}" in unmet(world, done, before, alike)


def test_the_old_public_key_is_refused_as_a_rotation(
    world: TlsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = serialization.load_pem_private_key(world.first["private_key"].encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    monkeypatch.setattr(tls_made, "new_key", lambda: key)
    before = world.look()
    with pytest.raises(NotApplied, match="the public key is the old one"):
        issue(world)
    assert world.look() == before and world.changes() == 0

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOSTNAME)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = request.public_bytes(serialization.Encoding.PEM).decode()
    body = {"csr": pem, "common_name": HOSTNAME}
    renewed = world.server.ask("POST", f"{world.pki.mount}/sign/web", body)["data"]
    pinned = dict(run_observe(world.plan().steps[0], world.targets()).state)
    world.serve({**renewed, "private_key": world.first["private_key"]}, "renewed")
    made = {"serial": serial(renewed), "public_key": ""}
    assert "the old public key" in unmet(world, Outcome(made=made), pinned)


def test_trust_comes_before_the_leaf(world: TlsWorld) -> None:
    (world.directory / "theirs.pem").write_text(Pki(world.server).root)
    text = world.toml()
    for lines, words in (
        ('trust_file = "theirs.pem"', "billing: does not trust the issuer"),
        (f'trust_file = "root.pem"\npinned_keys = ["{"0" * 64}"]', "billing: takes only pinned"),
        ('trust_file = "missing.pem"', "billing: trust file"),
    ):
        entry = f"{text}\n[tls.orders.relying.billing]\n{lines}\n"
        world.text = entry
        before = world.look()
        with pytest.raises(NotApplied, match=words):
            issue(world)
        with pytest.raises(NotApplied, match=words):
            run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
        assert world.look() == before


def test_the_private_key_stands_in_the_store_alone(world: TlsWorld) -> None:
    done, _ = issue(world)
    key = (world.place / "current" / "private_key").read_text()
    assert "PRIVATE KEY" in key
    middle = key.splitlines()[2]
    for text in (repr(done), world.server.audit_log.read_text(), world.server.log.read_text()):
        assert middle not in text


def test_a_request_whose_answer_is_lost_leaves_the_old_one_in_place(
    world: TlsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Api.post

    def lose(self: Api, path: str, body: dict[str, Json]) -> object:
        found = real(self, path, body)
        if "/sign/" in path:
            raise ConnectionError("lost")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Api, "post", lose)
        with pytest.raises(Exception, match="ConnectionError"):
            issue(world)
    assert (world.place / "current").readlink().name == "first"
    issue(world)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"auto_rebuild": False}, "does not renew its list"),
        ({"auto_rebuild": True, "disable": True}, "the engine makes no list"),
        (
            {"auto_rebuild": True, "auto_rebuild_grace_period": "1h", "expiry": "2h"},
            "in less than 6 hours: let the engine make it anew",
        ),
    ],
)
def test_a_list_that_would_refuse_everybody_stops_the_revocation(
    world: TlsWorld, config: dict[str, Json], words: str
) -> None:
    world.server.ask("POST", f"{world.pki.mount}/config/crl", config)
    world.server.ask("GET", f"{world.pki.mount}/crl/rotate")
    with pytest.raises(NotApplied, match=words):
        revoke(world, serial(world.old))
    assert not revoked(world, serial(world.old))


def test_a_list_is_read_where_its_readers_fetch_it(world: TlsWorld) -> None:
    text = world.toml()
    other = Pki(world.server)
    for url, words in (
        ("http://127.0.0.1:1/crl", "ConnectionError"),
        (other.url, "not signed by the issuer"),
        (f"{world.server.url}/v1/sys/health", "ValueError"),
        ("file:///etc/passwd", "ValueError"),
    ):
        entry = text.replace(
            'trust_file = "root.pem"', f'trust_file = "root.pem"\ncrl_urls = ["{url}"]', 1
        )
        world.text = entry
        with pytest.raises(NotApplied, match=words):
            revoke(world, serial(world.old))
    assert not revoked(world, serial(world.old))


def test_a_list_is_fetched_over_tls_as_its_readers_trust_its_server(world: TlsWorld) -> None:
    body = {"common_name": HOSTNAME, "ip_sans": "127.0.0.1"}
    made = world.server.ask("POST", f"{world.pki.mount}/issue/web", body)["data"]
    own = world.directory / "list-server.pem"
    own.write_text("\n".join([made["private_key"], made["certificate"], made["issuing_ca"]]))
    text = world.toml()
    with forwarding(world.pki.url, own) as port:
        lines = f'crl_urls = ["https://127.0.0.1:{port}/crl"]'
        for more, words in (("", "SSLError"), ('\ncrl_ca_file = "root.pem"', "")):
            entry = text.replace("[tls.orders]", f"[tls.orders]\n{lines}{more}")
            world.text = entry
            if words:
                with pytest.raises(NotApplied, match=words):
                    revoke(world, serial(world.old))
        revoke(world, serial(world.old))
    assert revoked(world, serial(world.old))


@contextmanager
def forwarding(url: str, certificate: Path) -> Iterator[int]:
    """Serve what is at this address over TLS, anew for each request."""

    class Forward(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with urllib.request.urlopen(url, timeout=60) as answer:
                body = answer.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Forward) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_a_list_that_does_not_show_it_is_no_confirmation(world: TlsWorld) -> None:
    target: dict[str, Json] = {
        "kind": "tls.issued",
        "certificate": "orders",
        "serial": serial(world.old),
    }
    plan = make_plan(REVOKE, target, {})
    number = world.old["serial_number"]
    world.server.ask("POST", f"{world.pki.mount}/revoke", {"serial_number": number})
    # auto_rebuild: the engine knows it and the list does not, until it is made anew.
    assert run_observe(plan.steps[0], world.targets()).state == {"revoked": False}
    executor = executor_of(plan.steps[0])
    with pytest.raises(VerifyFailed):
        executor.verify(clearance(plan), plan.steps[0], world.targets(), Deadline.within(0))
    run_apply(clearance(plan), plan.body, 0, world.targets())
    run_verify(clearance(plan), plan.body, 0, world.targets())


def test_a_server_that_does_not_answer_stops_the_revocation(world: TlsWorld) -> None:
    text = world.toml()
    entry = f'{text}\n[tls.orders.server.web9]\naddress = "127.0.0.1:1"\n'
    world.text = entry
    with pytest.raises(NotApplied, match="did not answer, and may show it: web9"):
        revoke(world, serial(world.old))
    assert not revoked(world, serial(world.old))


def test_an_expired_certificate_is_not_said_to_be_revoked(world: TlsWorld) -> None:
    short = world.pki.issue(ttl="1s")
    time.sleep(2.5)
    with pytest.raises(NotApplied, match="it has expired"):
        revoke(world, serial(short))


def test_with_one_right_less_nothing_is_issued_or_revoked(world: TlsWorld) -> None:
    lines = [line for of in ("observer", "operator") for line in rules(of).splitlines()]
    needed = set()
    for line in lines:
        world.give_rights(without=f"^{re.escape(line)}$")
        for call in (lambda: issue(world), lambda: revoke(world, serial(world.old))):
            try:
                call()
            except (NotApplied, TargetUnobservable):
                needed.add(line)
            except Exception as error:  # the list could not be made anew: it is said
                assert "crl/rotate" in line and "list" in str(error)
                needed.add(line)
        world.old = world.pki.issue()
        (world.place / "current").unlink()
        shutil.rmtree(world.place / "versions")
        world.serve(world.first)
    # A certificate can be read without a token.
    assert {line for line in lines if line not in needed} <= {
        line for line in lines if "/cert/" in line or "/issuer/" in line
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"certificate": "Orders"},
        {"certificate": "../orders"},
        {"serial": "1B" * 20},
        {"serial": "1b:" * 10},
        {"serial": "1b" * 30},
        {"serial": "1b" * 10 + "\n"},
    ],
)
def test_a_name_that_could_mean_something_else_is_refused(fields: dict[str, Json]) -> None:
    target: dict[str, Json] = {"kind": "tls.issued", "certificate": "orders", "serial": "1b" * 20}
    make_plan(REVOKE, target, {})
    with pytest.raises(BadInput):
        make_plan(REVOKE, {**target, **fields}, {})


def test_a_map_that_is_not_whole_is_refused(world: TlsWorld) -> None:
    text = world.toml()
    first = f'address = "127.0.0.1:{world.ports[0]}"'
    for old, new in (
        (first, 'address = "nowhere"'),
        (first, f'address = "127.0.0.1:{world.ports[1]}"'),
        (f'hostname = "{HOSTNAME}"', 'hostname = "Orders.Example"'),
        ('ttl = "24h"', 'ttl = "24h"\nother = 1'),
    ):
        entry = text.replace(old, new, 1)
        world.text = entry
        with pytest.raises(TargetsFileInvalid):
            world.targets()
