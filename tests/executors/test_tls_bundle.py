"""The trust of a client is in a directory that the client may own: it directs the worker nowhere.

Each test has the file as an adversary puts it there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from remediation.executors import regular_file, tls_bundle
from remediation.executors.regular_file import Changed, Unusable
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from remediation.executors.tls_handshake import handshake
from remediation.executors.tls_places import Address

SECRET = "-----BEGIN PRIVATE KEY-----\nTOPSECRET\n-----END PRIVATE KEY-----\n"


@pytest.fixture(scope="module")
def authority() -> x509.Certificate:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test Root")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return made.sign(key, hashes.SHA256())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return an empty trust file, for its group too, in a directory of its owner."""
    client = tmp_path / "client"
    client.mkdir(mode=0o755)
    made = client / "trust.pem"
    made.touch()
    made.chmod(0o640)
    return made


@pytest.fixture
def never_blocked() -> Iterator[None]:
    """End a test that waits for a pipe."""

    def blocked(*_: object) -> None:
        raise AssertionError("blocked")

    before = signal.signal(signal.SIGALRM, blocked)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def left(path: Path) -> list[str]:
    """Return what is in the directory."""
    return sorted(one.name for one in path.parent.iterdir())


@pytest.mark.usefixtures("never_blocked")
def test_a_pipe_a_device_and_a_large_file_stop_nobody(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)
    device, large = path.with_name("device"), path.with_name("large")
    device.symlink_to("/dev/zero")
    large.write_bytes(b"\n" * (regular_file.MOST_BYTES + 1))
    for one in (path, device, large, path.parent):
        with pytest.raises((Unusable, IsADirectoryError)):
            tls_bundle.read(one)
        with pytest.raises((Unusable, IsADirectoryError)):
            tls_bundle.anchors(one)
        with pytest.raises((Unusable, IsADirectoryError)):
            handshake(Address("127.0.0.1", 1), "orders.example.test", one)


def test_trust_that_the_portal_only_reads_may_be_a_link(
    path: Path, authority: x509.Certificate
) -> None:
    path.write_text(tls_bundle.pem([authority]))
    link = path.with_name("link.pem")
    link.symlink_to(path)
    assert tls_bundle.anchors(link) == [authority]
    path.write_text("")  # without any, a client would trust the public authorities
    with pytest.raises(ValueError, match="PEM"):
        handshake(Address("127.0.0.1", 1), "orders.example.test", path)


def test_a_link_directs_no_change_to_another_file(
    path: Path, tmp_path: Path, authority: x509.Certificate
) -> None:
    foreign = tmp_path / "approvers.json"
    foreign.write_text('{"a": 1}\n')
    old = tls_bundle.read(path)
    path.unlink()
    path.symlink_to(foreign)
    with pytest.raises(Unusable, match="link"):
        tls_bundle.read(path)
    with pytest.raises(Changed):
        tls_bundle.write(path, old, old.with_(authority))
    (tmp_path / "link").symlink_to("client")
    foreign.rename(tmp_path / "client" / "approvers.json")
    with pytest.raises(Unusable, match="link in its path is a link"):
        tls_bundle.read(tmp_path / "link" / "approvers.json")
    assert (path.parent / "approvers.json").read_text() == '{"a": 1}\n'
    assert left(path) == ["approvers.json", "trust.pem"]


def test_an_old_text_is_never_written_with_the_owner_and_mode_of_another_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, authority: x509.Certificate
) -> None:
    filled: list[int] = []
    real = regular_file._fill

    def swapped(descriptor: int, identity: regular_file.Identity, new: bytes) -> None:
        swap(0o644)
        real(descriptor, identity, new)
        filled.append(stat.S_IMODE(os.fstat(descriptor).st_mode))

    def swap(mode: int) -> None:
        other = path.with_name("other")
        other.touch()
        other.chmod(mode)
        other.replace(path)

    monkeypatch.setattr(regular_file, "_fill", swapped)
    old = tls_bundle.read(path)
    swap(0o644)  # with the same text: the draft gets no content
    with pytest.raises(Changed):
        tls_bundle.write(path, old, old.with_(authority))
    assert filled == []
    swap(0o600)
    old = tls_bundle.read(path)  # and when it has it: owner and mode are those that were read
    with pytest.raises(Changed):
        tls_bundle.write(path, old, old.with_(authority))
    assert filled == [0o600]
    assert path.read_text() == "" and left(path) == ["trust.pem"]


def test_the_new_file_has_the_owner_and_the_mode_of_the_old_one(
    path: Path, authority: x509.Certificate
) -> None:
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    before, old = path.stat(), tls_bundle.read(path)
    tls_bundle.write(path, old, old.with_(authority))
    after = path.stat()
    assert after.st_ino != before.st_ino and path.read_text() == tls_bundle.pem([authority])
    for one in ("st_uid", "st_gid", "st_mode"):
        assert getattr(after, one) == getattr(before, one)
    assert left(path) == ["trust.pem"]


def test_a_private_key_is_no_trust(path: Path, authority: x509.Certificate) -> None:
    for text in (SECRET, tls_bundle.pem([authority]) + SECRET.replace("PRIVATE", "EC PRIVATE")):
        path.write_text(text)
        with pytest.raises(Unusable, match="private key") as refused:
            tls_bundle.read(path)
        assert "TOPSECRET" not in tls_bundle.words(refused.value)


def test_others_than_the_owner_may_not_write_in_the_directory(path: Path) -> None:
    for mode in (0o775, 0o757, 0o1777):
        path.parent.chmod(mode)
        with pytest.raises(Unusable, match="can write in its directory"):
            tls_bundle.read(path)
    if os.geteuid() == 0:
        path.parent.chmod(0o755)
        os.chown(path.parent, 65534, 65534)
        with pytest.raises(Unusable, match="can write in its directory"):
            tls_bundle.read(path)
        os.chown(path, 65534, 65534)
        assert tls_bundle.read(path).text == ""


def test_another_worker_that_writes_there_is_not_waited_for_long(
    path: Path, monkeypatch: pytest.MonkeyPatch, authority: x509.Certificate
) -> None:
    monkeypatch.setattr(regular_file, "LOCK_SECONDS", 0.0)
    old, theirs = tls_bundle.read(path), os.open(path.parent, os.O_RDONLY)
    fcntl.flock(theirs, fcntl.LOCK_EX)
    with pytest.raises(Unusable, match="locked"):
        tls_bundle.write(path, old, old.with_(authority))
    os.close(theirs)
    tls_bundle.write(path, old, old.with_(authority))
    with pytest.raises(Changed):  # the other one had read the same text
        tls_bundle.write(path, old, old.with_(authority))


def test_a_full_disk_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, authority: x509.Certificate
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    old = tls_bundle.read(path)
    with pytest.raises(OSError, match="full"):
        tls_bundle.write(path, old, old.with_(authority))
    assert tls_bundle.holds(path, old) and left(path) == ["trust.pem"]


CERTIFICATE = """
[tls.{0}]
hostname = "{0}.example.test"
openbao = "main"
mount = "pki"
role = "web"
trust_file = "{0}.pem"
[tls.{0}.server.web1]
address = "127.0.0.1:8443"
[tls.{0}.relying.billing]
trust_file = "billing-{0}.pem"
managed = true
"""


def test_a_file_that_the_portal_may_write_is_the_trust_of_one_client(tmp_path: Path) -> None:
    both = CERTIFICATE.format("orders") + CERTIFICATE.format("shop")
    another = '[tls.orders.relying.ledger]\ntrust_file = "billing-orders.pem"\n'
    (tmp_path / "link.pem").symlink_to("billing-orders.pem")

    def load(text: str) -> None:
        file = tmp_path / "targets.toml"
        file.write_text(text)
        Targets.load(file, portal_system_identifier=None)

    load(both)
    load(both.replace('"orders.pem"', '"billing-orders.pem"'))  # of the same servers
    for text, who in (
        (both.replace("billing-shop.pem", "../%s/billing-orders.pem"), "shop (billing)"),
        (both.replace('"shop.pem"', '"billing-orders.pem"'), "shop"),
        (both.replace('"shop.pem"', '"link.pem"'), "shop"),
        (both.replace('"shop.pem"', '"shop.pem"\ncrl_ca_file = "link.pem"'), "shop (crl_ca_file)"),
        (both + another, "orders (ledger)"),
    ):
        with pytest.raises(TargetsFileInvalid, match="is managed, and listed by") as refused:
            load(text.replace("%s", tmp_path.name))
        assert f"listed by {who} too: give each a file of its own" in str(refused.value)
    load((both + another).replace("managed = true", ""))
