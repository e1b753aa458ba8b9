"""A log goes on under another name only from the head that the operator gave to the sequencer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit import log, origin
from audit.origin import Start
from audit.tlog.canonical import encode
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import TlogError
from audit.tlog.merkle import root_of
from audit.tlog.note import Note
from tests.audit.conftest import House, hostile, rows, run, tampering
from tests.conftest import _as_login
from tests.domain import record

NEW = record.signer("portal.example/audit-2", "new")
_LEAVES = "SELECT hash FROM audit.leaf ORDER BY idx"


@pytest.fixture
def old(house: House) -> House:
    """A log of three entries under the old name."""
    house.write(3)
    house.integrate()
    return house


@pytest.fixture
def fresh(old: House, tmp_path: Path) -> House:
    """The same log with the new key; its sequencer has no file yet."""
    return House(tmp_path / "new", [NEW])


def last(house: House) -> str:
    assert house.sequencer is not None
    return house.sequencer.note


def ceremony(previous: str, rest: str = "", **changes: Any) -> str:
    """Write what `audit_reopen` writes, as its login; return the file that it makes."""
    said = {"origin": NEW.vkey.name, "vkey": str(NEW.vkey), "previous": previous, "reason": "x"}
    with _as_login("hitl_worker"):
        entry = log.append(
            action=origin.REOPENED,
            actor="operator:root@host",
            object=f"log:{NEW.vkey.name}",
            data={**said, **changes},
        )
    return Start.of(entry.body, rest or previous).dump()


def forged(previous: str, writer: str | None) -> str:
    """Write such an entry past the guard, as the owner of the tables can; return a file for it."""
    said = {
        "action": origin.REOPENED,
        "actor": "operator:root@host",
        "at": "2026-12-01T00:00:00.000000+00:00",
        "data": {
            "origin": NEW.vkey.name,
            "vkey": str(NEW.vkey),
            "previous": previous,
            "reason": "x",
        },
        "object": f"log:{NEW.vkey.name}",
        "v": 1,
        **({"writer": writer} if writer else {}),
    }
    hostile(encode(said))
    return Start.of(encode(said), previous).dump()


def head_of(size: int) -> str:
    return str(rows("SELECT note FROM audit.checkpoint WHERE size = %s", [size])[0][0])


def refusal(house: House, start: str = "") -> str:
    """Start a sequencer, with this file if one is named; return why it refuses, or nothing."""
    if start:
        house.head.write(start)
    try:
        house.open()
    except TlogError as error:
        return error.name
    return ""


def rolled_back(size: int) -> None:
    """Take the newest entries, with their leaves and heads, out of the database."""
    with tampering("leaf", "checkpoint", "search", "cosignature"):
        run("DELETE FROM audit.checkpoint WHERE size > %s", [size])
        run("DELETE FROM audit.leaf WHERE idx >= %s", [size])
        run("DELETE FROM audit.search WHERE idx >= %s", [size])


def test_after_a_stolen_key_the_log_continues_under_a_new_name(old: House, fresh: House) -> None:
    assert refusal(fresh) == "origin_changed"
    start = ceremony(last(old))
    assert refusal(fresh) == "origin_changed"  # the entry alone is not enough
    assert refusal(fresh, last(old)) == "origin_changed"
    assert refusal(fresh, start) == ""
    assert fresh.integrate() == 1
    head = fresh.checkpoint()
    assert (head.origin, head.size) == ("portal.example/audit-2", 4)
    assert fresh.head.read() == last(fresh)
    assert refusal(fresh) == ""
    # The old name with the stolen key cannot continue from here.
    assert refusal(old) == "origin_changed"


def test_a_crash_before_the_first_head_reaches_the_file_is_repaired(
    old: House, fresh: House
) -> None:
    start = ceremony(last(old))
    assert refusal(fresh, start) == ""
    fresh.integrate()
    assert refusal(fresh, start) == ""
    assert fresh.head.read() == last(fresh)
    # Without any file nothing shows that this is the first head after the ceremony.
    fresh.head.path.unlink()
    assert refusal(fresh) == "origin_changed"
    assert refusal(fresh, start) == ""
    fresh.write(1)
    fresh.integrate()
    assert refusal(fresh, start) == "head_missing"


def test_a_declared_loss_goes_on_from_the_head_that_proves_the_rest(
    old: House, fresh: House
) -> None:
    text = Checkpoint(record.ORIGIN, 9, b"\x07" * 32).text()
    longer = Note(text, (record.SIGNER.line(text),)).dump()
    assert refusal(fresh, ceremony(longer)) == "rollback"
    assert refusal(fresh, ceremony(longer, rest=last(old), lost=6)) == ""


def test_a43_forged_reopening_entries_do_not_prevent_reopening_the_log(
    old: House, fresh: House
) -> None:
    about = f'"action":"operator:log:reopened","x":"{NEW.vkey.name}"'
    right = f'"origin":"{NEW.vkey.name}"'
    for body in (
        f'{{{about},"data":[]}}',
        f'{{{about},"data":{{{right},"vkey":[{{}}]}}}}',
        f'{{{about},"data":{{{right},"vkey":"another"}}}}',
        f'{{{about},"data":{"[" * 5_000 + "]" * 5_000}}}',
        f'{{{about},"data":{"7" * 6_000}}}',
    ):
        hostile(body.encode())
        start = Start.of(body.encode(), last(old)).dump()
        assert refusal(fresh, start) == "origin_changed"
    assert refusal(fresh, ceremony(last(old))) == ""
    assert fresh.integrate() == 6


def test_an_entry_for_another_key_or_of_another_log_does_not_reopen_the_log(
    old: House, fresh: House
) -> None:
    other = ceremony(last(old), vkey=str(record.signer("a/b", "c").vkey))
    assert refusal(fresh, other) == "origin_changed"
    text = Checkpoint("other.example/log", 3, old.checkpoint().root).text()
    assert refusal(fresh, ceremony(Note(text, (NEW.line(text),)).dump())) == "origin_changed"


def test_a86_an_entry_that_no_ceremony_wrote_reopens_nothing(old: House, fresh: House) -> None:
    for writer in (None, "hitl_web", "hitl_owner", "hitl_sequencer"):
        assert refusal(fresh, forged(last(old), writer)) == "origin_changed"


def test_a86_the_owner_of_the_record_cannot_hide_a_rollback(old: House, fresh: House) -> None:
    """The tables are rolled back after the ceremony, with an entry that says that this is right."""
    old.write(4)
    old.integrate()
    start = ceremony(last(old))
    rolled_back(3)
    forged(head_of(3), "hitl_worker")
    assert refusal(fresh, start) == "rollback"
    with tampering("entry"):
        run("DELETE FROM audit.entry WHERE position('previous'::bytea IN body) > 0")
    forged(head_of(3), "hitl_worker")
    assert refusal(fresh, start) == "origin_changed"


def test_a86_the_owner_of_the_record_cannot_rewrite_what_the_ceremony_saw(
    old: House, fresh: House
) -> None:
    start = ceremony(last(old))
    with tampering("leaf", "checkpoint"):
        run("UPDATE audit.leaf SET hash = %s WHERE idx = 1", [b"\x09" * 32])
        text = Checkpoint(
            record.ORIGIN, 3, root_of([bytes(row[0]) for row in rows(_LEAVES)])
        ).text()
        note = Note(text, (record.SIGNER.line(text),)).dump()
        run("UPDATE audit.checkpoint SET note = %s", [note])
    assert refusal(fresh, start) == "fork"


def test_a86_control_without_the_file_a_forged_entry_hides_the_rollback(
    old: House, fresh: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    old.write(4)
    old.integrate()
    start = ceremony(last(old))
    rolled_back(3)

    def believe(kept: Start | None, last: Checkpoint, name: str, vkeys: Any, query: Any) -> None:
        """Believe any entry that says so, as the sequencer once did."""
        found = query("SELECT body FROM audit.entry WHERE position(%s::bytea IN body) > 0",
                      (origin.REOPENED.encode(),))  # fmt: skip
        assert name.encode() in found[0][0]

    monkeypatch.setattr(origin, "check", believe)
    assert refusal(fresh, start) == ""
