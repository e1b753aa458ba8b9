"""Rotation of a password that a real PgBouncer verifies, too: by asking the server, or by its own
file."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from hitlportal.demo.servers.account import remove_home
from remediation.domain.limits import Standing, limits
from remediation.executors import postgres_rotate
from remediation.executors.errors import NotApplied, OutcomeUnknown, PartlyApplied
from remediation.executors.postgres_pooler import (
    Answer,
    Pooler,
    _final,
    _NotToldError,
    try_password,
)
from remediation.executors.postgres_rotate import RotatePassword
from remediation.executors.postgres_scram import make_verifier
from remediation.executors.run import run_apply, run_observe, run_tighten, run_verify
from tests.executors import install
from tests.executors.conftest import Cluster
from tests.executors.contract import CLUSTER
from tests.executors.pgbouncer import PgBouncer
from tests.executors.rotation import RotationWorld, cleared

OLD = install.PASSWORD
BOUNCER = f"{CLUSTER}, pooler bouncer"


class PoolerWorld(RotationWorld):
    """A role, its cluster, and one PgBouncer that the targets file names."""

    pooler: PgBouncer
    database = "asks"

    def toml(self, port: int | None = None) -> str:
        return super().toml(port) + (
            f'[postgres.{CLUSTER}.pooler.bouncer]\naddress = "127.0.0.1:{self.pooler.port}"\n'
            f'database = "{self.database}"\n'
        )

    @property
    def verifier(self) -> str:
        return str(self.ask("SELECT rolpassword FROM pg_authid WHERE rolname = %s", self.role)[0])

    def answer(self, password: str) -> Answer:
        at = Pooler("127.0.0.1", self.pooler.port, self.database)
        return try_password(at, self.role, password, 5)[0]

    def sign_in(self, password: str) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.pooler.port, dbname=self.database, user=self.role,
            password=password, autocommit=True,
        )  # fmt: skip


@pytest.fixture
def home() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-bouncer-"))
    directory.chmod(0o711)  # when root runs the tests, the server runs under another account
    yield directory / "bouncer"
    remove_home(directory / "bouncer")
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def world(newest_cluster: Cluster, tmp_path: Path, home: Path) -> Iterator[PoolerWorld]:
    made = PoolerWorld(tmp_path, newest_cluster.superuser, newest_cluster.log)
    at = urlsplit(newest_cluster.superuser)
    assert at.username and at.password
    server = f"host={at.hostname} port={at.port} dbname={at.path.strip('/')}"
    made.pooler = PgBouncer(
        home,
        {
            "asks": f"{server} auth_user={at.username}",
            "keeps": server,
            "other": f"{server} user={at.username}",
        },
    )
    made.pooler.users[at.username] = at.password
    yield made
    made.pooler.stop()


def test_a_challenge_with_few_iterations_gets_no_proof() -> None:
    """Whoever answers as the pooler could guess the old password from it (RFC 7677, 4)."""
    nonce, salt = "abc", "c2FsdHNhbHRzYWx0c2FsdA=="
    for iterations in ("1", "4095", "200001", "0"):
        with pytest.raises(_NotToldError, match="iterations"):
            _final(f"n=,r={nonce}", nonce, f"r={nonce}xyz,s={salt},i={iterations}", OLD)
    assert b",p=" in _final(f"n=,r={nonce}", nonce, f"r={nonce}xyz,s={salt},i=4096", OLD)


def test_a_pooler_that_asks_the_server_refuses_the_old_one(world: PoolerWorld) -> None:
    world.pooler.start()
    world.sign_in(OLD).close()
    outcome = world.run()
    assert outcome.detail["old_refused"] == {CLUSTER: True, BOUNCER: True}
    # The worker began no session there, which would look like a consumer that has moved.
    old = world.ask("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", world.role)
    assert old[0] <= 1, "only the one of before"
    world.sign_in(world.current).close()
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        world.sign_in(OLD)


def test_f33_refused_is_not_claimed_while_a_pooler_takes_the_old_one(
    world: PoolerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_rotate, "PATIENCE_SECONDS", 0.5)
    world.database = "keeps"
    world.pooler.users[world.role] = world.verifier
    world.pooler.start()
    plan, snapshot = world.plan(), world.prepare()
    with world.sign_in(OLD) as open_session:
        named = f"not promoted: {BOUNCER}: it still takes the old password"
        with pytest.raises(PartlyApplied, match=named):
            run_apply(cleared(plan), plan.body, 0, world.targets(), snapshot)
        open_session.execute("SELECT 1")
    # libpq reads a refusal here, which is the server's; a session that is open lets the client in.
    assert not world.signs_in(OLD) and world.answer(OLD) is Answer.TAKEN
    assert world.current == OLD
    seen = run_observe(world.step, world.targets())
    left = RotatePassword().left_open(world.step, seen)
    assert left[-1] == "pooler bouncer: it was not seen to refuse the earlier password"
    with pytest.raises(OutcomeUnknown, match="it still takes the old password"):
        run_tighten(cleared(plan), plan.body, 0, world.targets())
    assert (world.place / "staged").is_symlink(), "the value in force is not discarded"
    world.pooler.stop()
    world.pooler.users[world.role] = world.verifier
    world.pooler.start()
    monkeypatch.undo()
    done = run_tighten(cleared(plan), plan.body, 0, world.targets())
    assert done.detail["old_refused"] == {CLUSTER: True, BOUNCER: True}
    run_verify(cleared(plan), plan.body, 0, world.targets())
    world.sign_in(world.current).close()


def test_a_pooler_that_signs_in_as_another_role_takes_the_old_one(
    world: PoolerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_rotate, "PATIENCE_SECONDS", 0.5)
    world.database = "other"
    world.pooler.users[world.role] = world.verifier
    world.pooler.start()
    with pytest.raises(PartlyApplied, match="it still takes the old password"):
        world.run()
    world.sign_in(OLD).close()  # and does so for ever


def test_a_pooler_that_does_not_answer_is_not_one_that_refuses(
    world: PoolerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_rotate, "PATIENCE_SECONDS", 0.5)
    world.pooler.start()
    plan, snapshot = world.plan(), world.prepare()
    world.pooler.stop()
    with pytest.raises(NotApplied, match=f"{BOUNCER}: it cannot be asked"):
        run_apply(cleared(plan), plan.body, 0, world.targets(), snapshot)
    assert world.signs_in(OLD) and not (world.place / "staged").is_symlink()
    world.pooler.start()
    ticket = postgres_rotate.open_ticket

    def stopping(*given: Any, **named: Any) -> None:
        world.pooler.stop()
        ticket(*given, **named)

    monkeypatch.setattr(postgres_rotate, "open_ticket", stopping)
    with pytest.raises(OutcomeUnknown, match=f"{BOUNCER}: it cannot be told whether it takes"):
        run_apply(cleared(plan), plan.body, 0, world.targets(), snapshot)
    assert world.current == OLD and not world.signs_in(OLD)
    world.pooler.start()
    monkeypatch.undo()
    run_tighten(cleared(plan), plan.body, 0, world.targets())
    assert world.signs_in(world.current)


def test_without_the_password_in_force_nothing_is_changed(world: PoolerWorld) -> None:
    world.pooler.start()
    (world.place / "current" / "password").chmod(0o600)
    (world.place / "current" / "password").write_text("one of years ago")
    with pytest.raises(NotApplied, match="nobody could see whether a pooler refuses it"):
        world.run()
    assert world.signs_in(OLD) and not (world.place / "staged").is_symlink()


def test_the_page_says_at_which_poolers_the_old_one_is_tried(world: PoolerWorld) -> None:
    world.pooler.start()
    (found,) = [
        limit for limit in limits(world.step, run_observe(world.step, world.targets()))
        if limit.field == "pooler"
    ]  # fmt: skip
    assert found.standing is Standing.PRESENT and found.value_untrusted == "bouncer"


def test_a_pooler_with_another_certificate_is_not_asked(home: Path, tmp_path: Path) -> None:
    def certificate(name: str) -> Path:
        key, made = tmp_path / f"{name}.key", tmp_path / f"{name}.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
                *("-subj", "/CN=bouncer", "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", key, "-out", made),
            ],
            check=True,
            capture_output=True,
        )
        return made

    its, other = certificate("its"), certificate("other")
    pair = its.with_suffix(".key").read_text() + its.read_text()
    pooler = PgBouncer(home, {"orders": "host=127.0.0.1"}, pair)
    pooler.users["svc"] = make_verifier(OLD)
    pooler.start()

    def answer(ca_file: Path | None, password: str = OLD) -> tuple[Answer, str]:
        at = Pooler("127.0.0.1", pooler.port, "orders", ca_file)
        return try_password(at, "svc", password, 5)

    try:
        assert answer(its) == (Answer.TAKEN, "")
        assert answer(its, "another") == (Answer.REFUSED, "")
        for ca_file in (other, None):
            found, why = answer(ca_file)
            assert found is Answer.UNKNOWN and why, "the certificate is not its, or TLS is missing"
    finally:
        pooler.stop()
