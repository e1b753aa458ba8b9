"""A log for a test: on the test's connection, inside its transaction, as the real logins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from pytest_django import Settings

from audit import log
from audit.sequencer import Sequencer
from audit.signing import NoteSigner
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.head import HeadFile
from audit.tlog.note import Note
from audit.tlog.policy import Policy, Witness
from tests import factories
from tests.conftest import _as_login
from tests.domain import record


@dataclass
class House:
    """The log of a test: its key, its files, its writer and its signer."""

    directory: Path
    signers: list[NoteSigner] = field(default_factory=lambda: [record.signer()])
    witnesses: tuple[Witness, ...] = ()
    policy: Policy = record.POLICY
    sequencer: Sequencer | None = None

    @property
    def head(self) -> HeadFile:
        return HeadFile(self.directory / "head")

    def write(self, count: int = 1, **changes: Any) -> list[int]:
        kind = str(changes.get("action", "worker:notice:sent")).partition(":")[0]
        given = {"action": "worker:notice:sent", "actor": f"{kind}:t", "object": "thing:1"}
        return [
            log.append(**{**given, "data": {"n": number}, **changes}).id for number in range(count)
        ]

    def open(self) -> Sequencer:
        """Return a new sequencer process, which knows only its files and the database."""
        connection.ensure_connection()
        sequencer = Sequencer(connection.connection, self.signers, self.head, self.witnesses)
        with _as_login("hitl_sequencer"):
            sequencer.start()
        self.sequencer = sequencer
        return sequencer

    def integrate(self, limit: int = 10_000) -> int:
        sequencer = self.sequencer or self.open()
        with _as_login("hitl_sequencer"):
            count = sequencer.integrate(limit)
            sequencer.index()
        return count

    def checkpoint(self) -> Checkpoint:
        assert self.sequencer is not None
        return Checkpoint.parse(Note.parse(self.sequencer.note).text)


@pytest.fixture
def house(db: None, tmp_path: Path, settings: Settings) -> House:
    settings.AUDIT_POLICY_FILE = str(tmp_path / "policy")
    (tmp_path / "policy").write_text(record.POLICY.dump(), encoding="utf-8")
    return House(tmp_path)


@contextmanager
def tampering(*tables: str) -> Iterator[None]:
    """Act as the owner, who can disable the triggers."""
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE audit.{table} DISABLE TRIGGER USER")
        yield
        for table in tables:
            cursor.execute(f"ALTER TABLE audit.{table} ENABLE ALWAYS TRIGGER append_only")
            if table == "entry":
                cursor.execute("ALTER TABLE audit.entry ENABLE ALWAYS TRIGGER writer")


def hostile(body: bytes) -> None:
    """Insert any JSON object, as a login could before the guard of entries."""
    with factories.anybody_writes():
        run("INSERT INTO audit.entry (body) VALUES (%s)", [body])


def rows(statement: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(statement.encode(), parameters).fetchall()


def run(statement: str, parameters: list[Any] | None = None) -> None:
    with psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement.encode(), parameters)
