"""The tamper matrix: every column of every table, changed by an attacker with all rights.

Made from information_schema, so that it covers new columns. `found` says whether the
verification of the whole log finds the change alone, `with_head` whether it does with a remembered
head. SECURITY.md lists what neither finds.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection, transaction

from audit import fsck
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import Fork, Rollback, TlogError
from tests.audit.conftest import House, rows, run
from tests.domain import record

TABLES = ("entry", "leaf", "node", "checkpoint", "cosignature", "secret", "search")
# Columns whose change does no harm: a hint for the sequencer, unused afterwards; and the name of a
# witness, whose line does not count under another name.
NO_EVIDENCE = {("entry", "txid"), ("cosignature", "witness")}

FLIPS = {
    "bytea": "set_byte({c}, 5, get_byte({c}, 5) # 1)",
    "bigint": "{c} + 1000000",
    "smallint": "({c} % 7) + 1",
    "text": "{c} || 'x'",
    "xid8": "'3'::xid8",
    "tsvector": "'other'::tsvector",
    "timestamp with time zone": "{c} + interval '1 second'",
}


@pytest.fixture
def log(house: House) -> House:
    """Make 600 leaves in three heads, commitments, and a list for people."""
    house.write(2, private={"email": "ada@example.org"}, action="person:user:created")
    for count in (20, 300, 278):
        house.write(count)
        house.integrate()
    run(
        "INSERT INTO audit.cosignature (size, witness, line)"
        " SELECT size, 'w', %s FROM audit.checkpoint WHERE size = 600",
        [str(record.WITNESS.cosign(house.checkpoint().text(), 1))],
    )
    return house


POLICY = record.WITNESSED.__class__(record.WITNESSED.logs, record.WITNESSED.witnesses)


def verify(seen: Checkpoint | None = None) -> fsck.Result:
    return fsck.verify(POLICY, seen=seen)


def columns() -> list[tuple[str, str, str]]:
    return [
        (str(t), str(c), str(d))
        for t, c, d in rows(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'audit' AND table_name = ANY (%s)"
            " ORDER BY table_name, ordinal_position",
            [list(TABLES)],
        )
    ]


def attempts() -> Iterator[tuple[str, str, bool]]:
    """(what, statement, whether it must be found)."""
    for table, column, kind in columns():
        evidence = (table, column) not in NO_EVIDENCE
        changed = FLIPS[kind].format(c=column)
        where = f"ctid = (SELECT ctid FROM audit.{table} ORDER BY 1 OFFSET 1 LIMIT 1)"
        if rows(f"SELECT count(*) FROM audit.{table}")[0][0] < 2:
            where = "true"
        yield (
            f"{table}.{column} flipped",
            f"UPDATE audit.{table} SET {column} = {changed} WHERE {where}",
            evidence,
        )
        if table != "cosignature" and kind not in ("xid8",):
            yield (
                f"{table}.{column} swapped",
                f"UPDATE audit.{table} AS t SET {column} = o.{column} FROM"
                f" (SELECT ctid, lead({column}) OVER (ORDER BY ctid) AS {column}"
                f"    FROM audit.{table} ORDER BY ctid LIMIT 1) AS o"
                f" WHERE t.ctid = o.ctid AND o.{column} IS DISTINCT FROM t.{column}",
                evidence,
            )


DELETED = {
    # A row in the middle is found in every table except these two.
    "entry": True, "leaf": True, "node": True, "search": True,
    "checkpoint": False,  # an older head: nothing is lost, newer heads cover all
    "cosignature": False,  # less trust, not another history
    "secret": False,  # the same as an erasure, which the command records in an entry
}  # fmt: skip
INSERTED = {
    "leaf": "INSERT INTO audit.leaf VALUES (600, 999999, sha256('x'))",
    "node": "INSERT INTO audit.node VALUES (2, 0, sha256('x'))",
    "checkpoint": "INSERT INTO audit.checkpoint VALUES (601, 'x')",
    "cosignature": "INSERT INTO audit.cosignature VALUES (22, 'w', 'x')",
    "secret": "INSERT INTO audit.secret VALUES (sha256('a'), sha256('b'), 'x')",
    "search": "INSERT INTO audit.search SELECT 600, 999999, at, action, actor, object, words"
    " FROM audit.search LIMIT 1",
}


def unguarded() -> None:
    for table in TABLES:
        run(f"ALTER TABLE audit.{table} DISABLE TRIGGER USER")
    run("ALTER TABLE audit.entry ALTER COLUMN id DROP IDENTITY")
    run("ALTER TABLE audit.cosignature DROP CONSTRAINT cosignature_size_fkey")
    # The owner can also drop constraints that refuse a value.
    for table, name in rows(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint"
        " WHERE connamespace = 'audit'::regnamespace AND contype IN ('c', 'u', 'p')"
    ):
        run(f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE")


def test_the_log_holds_before_anybody_touches_it(log: House) -> None:
    found = verify(log.checkpoint())
    assert (found.size, found.heads, found.nodes, found.opened) == (600, 3, 2, 2)
    assert found.root == log.checkpoint().root


def test_a50_every_column_flipped_or_swapped_is_found(log: House) -> None:
    unguarded()
    unseen = []
    done = 0
    for what, statement, must in list(attempts()):
        with transaction.atomic():
            point = transaction.savepoint()
            with connection.cursor() as cursor:
                cursor.execute(statement)
                if cursor.rowcount == 0:
                    transaction.savepoint_rollback(point)
                    continue
            done += 1
            try:
                verify()
            except TlogError:
                found = True
            else:
                found = False
            if found != must:
                unseen.append((what, found))
            transaction.savepoint_rollback(point)
    assert unseen == []
    assert done > 30


@pytest.mark.parametrize("table", TABLES)
def test_a50_a_row_deleted_or_inserted_is_found(log: House, table: str) -> None:
    unguarded()
    order = {"secret": "commitment", "checkpoint": "size", "cosignature": "size"}.get(table, "1")
    point = transaction.savepoint()
    run(
        f"DELETE FROM audit.{table} WHERE ctid ="
        f" (SELECT ctid FROM audit.{table} ORDER BY {order} LIMIT 1)"
    )
    if DELETED[table]:
        with pytest.raises(TlogError):
            verify()
    else:
        verify(log.checkpoint())
    transaction.savepoint_rollback(point)
    if table in INSERTED:
        run(INSERTED[table])
        with pytest.raises(TlogError):
            verify()


def test_an_entry_inserted_is_only_waiting_for_its_leaf(log: House) -> None:
    log.write(1)
    assert verify().backlog == 1


def cut(size: int) -> None:
    """Cut every table back to an older signed size."""
    for statement in (
        f"DELETE FROM audit.entry e USING audit.leaf l WHERE l.entry_id = e.id AND l.idx >= {size}",
        f"DELETE FROM audit.leaf WHERE idx >= {size}",
        f"DELETE FROM audit.node WHERE (idx + 1) * 256 > {size}",
        f"DELETE FROM audit.cosignature WHERE size > {size}",
        f"DELETE FROM audit.checkpoint WHERE size > {size}",
        f"DELETE FROM audit.search WHERE idx >= {size}",
    ):
        run(statement)


def test_a50_bytes_that_are_no_text_are_found_in_their_leaf_too(log: House) -> None:
    """The owner dropped the constraints and made the leaf again: an answer, no traceback."""
    unguarded()
    run("UPDATE audit.entry SET body = '\\xff' WHERE id = (SELECT entry_id FROM audit.leaf"
        " WHERE idx = 5)")  # fmt: skip
    run("UPDATE audit.leaf SET hash = sha256('\\x00ff') WHERE idx = 5")
    with pytest.raises(TlogError, match="leaf 0 on"):
        verify()


def test_a50_a_cut_tail_is_found_with_a_remembered_head(log: House) -> None:
    unguarded()
    cut(22)
    assert verify().size == 22  # not found without a remembered head: SECURITY.md
    with pytest.raises(Rollback):
        verify(log.checkpoint())


def test_a50_an_inconsistently_cut_tail_is_found_without_a_head(log: House) -> None:
    unguarded()
    run("DELETE FROM audit.leaf WHERE idx >= 500")
    with pytest.raises(TlogError):
        verify()


def test_a50_a_rewritten_history_signed_with_the_stolen_key_is_a_fork(log: House) -> None:
    seen = log.checkpoint()
    unguarded()
    run(
        "UPDATE audit.entry SET body = convert_to('{\"v\":2}', 'UTF8')"
        " WHERE id = (SELECT min(id) FROM audit.entry)"
    )
    for table in ("leaf", "node", "checkpoint", "cosignature", "search"):
        run(f"DELETE FROM audit.{table}")
    log.head.path.unlink()
    log.open()
    log.integrate()
    assert verify().size == 600  # not found without a remembered head: SECURITY.md
    with pytest.raises(Fork):
        verify(seen)


def test_every_table_of_the_log_is_in_the_matrix(log: House) -> None:
    found = rows(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = 'audit' AND table_type = 'BASE TABLE'"
    )
    # What the code declares about writers; `check --deploy` compares it.
    assert {str(row[0]) for row in found} == {*TABLES, "author"}
    assert {kind for _, _, kind in columns()} <= set(FLIPS)


def test_the_triggers_refuse_all_of_it_while_they_are_on(log: House) -> None:
    for table in TABLES:
        with pytest.raises(Exception, match="append-only"), transaction.atomic():
            run(f"TRUNCATE audit.{table} CASCADE")
