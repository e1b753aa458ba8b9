"""Clients go on without a failed request while a certificate is rotated, and while trust changes.

They are processes that hold connections, resume sessions, and read the list of revoked
certificates where OpenBao publishes it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from hitlportal.demo.servers.openbao import BaoServer
from remediation.executors.errors import NotApplied, RollbackFailed
from tests.executors import tls_client
from tests.executors.asking import Asking, asking
from tests.executors.test_tls import issue, revoke, unmet
from tests.executors.test_tls_trust import change, undo
from tests.executors.tls import HOSTNAME, TlsWorld, TrustWorld, serial


@pytest.fixture
def world(bao: BaoServer, tmp_path: Path) -> Iterator[TlsWorld]:
    made = TlsWorld("tls.certificate.issue", tmp_path, bao)
    yield made
    made.close()


def see(clients: Asking, world: TlsWorld, number: str) -> None:
    """Wait until, from now on, each server showed this certificate in each way."""
    wanted = {(port, how) for port in world.ports for how in ("held", "full", "resumed")}
    clients.wait_for(
        lambda lines: (
            wanted <= {(one["port"], one["how"]) for one in lines if one["serial"] == number}
        )
    )


def refused(port: int, bundle: str, revoked: str) -> str:
    """Return why a client refuses the server; "" if it takes it."""
    try:
        tls_client.connect(port, HOSTNAME, tls_client.trusting(bundle, revoked)).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    return ""


def test_no_request_fails_while_the_leaf_is_changed_and_the_old_one_revoked(
    world: TlsWorld,
) -> None:
    """The clients refuse what is in the list that they fetch: the old one, at a stranger's."""
    old, url = serial(world.first), world.pki.url
    [stranger] = world.start([f"{world.place}=stuck"])  # whoever has the old key
    before, bundle = tls_client.fetch(url), world.directory / "root.pem"
    record = world.directory / "requests.jsonl"
    with asking("tls_client", record, HOSTNAME, bundle, url, *world.ports) as clients:
        see(clients, world, old)
        done, pinned = issue(world)
        new = done.made["serial"]
        see(clients, world, new)
        assert unmet(world, done, pinned) == ""
        assert refused(stranger, world.pki.root, before) == ""
        revoke(world, old)
        after = tls_client.fetch(url)
        see(clients, world, new)
        clients.wait_for(lambda _: sum(one["how"] == "loaded" for one in clients.lines) > 1)
        see(clients, world, new)
    assert clients.failed == []
    assert refused(stranger, world.pki.root, after) == "certificate revoked"
    assert [refused(port, world.pki.root, after) for port in world.ports] == ["", ""]


def test_no_request_fails_while_the_ca_is_changed_trust_first_and_distrust_last(
    bao: BaoServer, tmp_path: Path
) -> None:
    """Each step out of order is refused, and the clients of the bundle see none of it."""
    world = TrustWorld("tls.trust.add", tmp_path, bao)
    [stranger] = world.start([f"{world.place}=stuck"])  # goes on with the old CA's certificate
    record = tmp_path / "requests.jsonl"

    def loaded(times: int) -> None:
        clients.wait_for(lambda _: sum(one["how"] == "loaded" for one in clients.lines) >= times)

    try:
        with asking("tls_client", record, HOSTNAME, world.bundle, "", *world.ports) as clients:
            see(clients, world, serial(world.first))
            world.pki.make_default("second")
            world.action = "tls.certificate.issue"
            with pytest.raises(NotApplied, match="trust comes first: billing: does not trust"):
                issue(world)
            change(world, "tls.trust.add", world.anchor)
            loaded(2)
            see(clients, world, serial(world.first))
            with pytest.raises(NotApplied, match="would refuse servers without it: web1"):
                change(world, "tls.trust.remove", world.first_anchor)
            done, pinned = issue(world)
            new = done.made["serial"]
            see(clients, world, new)
            assert unmet(world, done, pinned) == ""
            with pytest.raises(RollbackFailed, match="would refuse servers without it: web1"):
                undo(world, world.anchor)
            change(world, "tls.trust.remove", world.first_anchor)
            loaded(3)
            see(clients, world, new)
        assert clients.failed == []
        assert "self" in refused(stranger, world.bundle.read_text(), "")
        assert [refused(port, world.second, "") for port in world.ports] == ["", ""]
    finally:
        world.close()
