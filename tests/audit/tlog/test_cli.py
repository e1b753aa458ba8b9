"""`python -m audit.tlog`: output and exit code for any input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.tlog.__main__ import main
from audit.tlog.canonical import encode
from audit.tlog.inert import terminal
from audit.tlog.merkle import leaf_hash, root_of
from audit.tlog.note import Note
from audit.tlog.proof import Proof
from audit.tlog.tiles import entries_path, pack_entries, tile_path
from tests.audit.tlog.case import INCIDENT, case
from tests.domain import record

ROOT = Path(__file__).parents[3]
KEY = str(record.SIGNER.vkey)
OTHER = str(record.signer(seed="other").vkey)
GOOD = case().dump()
HOSTILE = "\x1b[2J\x1b]0;pwned\x07\x9b1A\u202e\u200b\x7f\r\u2028"

Said = Callable[[], str]


@pytest.fixture
def out(capsys: pytest.CaptureFixture[str]) -> Said:
    """Return the output since the last call; require ASCII without control characters (A52)."""

    def said() -> str:
        both = capsys.readouterr()
        text = both.out + both.err
        assert text.isascii()
        assert not [one for one in text if unicodedata.category(one) == "Cc" and one != "\n"]
        assert "Traceback" not in text
        return text

    return said


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "bundle.json").write_bytes(GOOD)
    return tmp_path / "bundle.json"


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    """Return a proof of entry 2 and its body, as the page of an entry gives them."""
    book = case().book
    found = book.prove([2])
    made = Proof(2, found.entries[0].proof, found.checkpoint)
    (tmp_path / "entry.tlog-proof").write_text(made.dump(), encoding="utf-8")
    (tmp_path / "entry.json").write_bytes(book.bodies[2])
    return tmp_path / "entry.tlog-proof"


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """Make a tlog-tiles directory as other software writes it: no entries.jsonl, no policy."""
    book, root = case().book, tmp_path / "log"
    hashes = [leaf_hash(body) for body in book.bodies]
    for name, content in (
        ("checkpoint", book.note().encode()),
        (entries_path(0, len(hashes)), pack_entries(book.bodies)),
        (tile_path(0, 0, len(hashes)), b"".join(hashes)),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    assert root_of(hashes) == book.head().root
    return root


def test_a_bundle(file: Path, out: Said) -> None:
    assert main(["verify", str(file), "--key", KEY]) == 0
    said = out().splitlines()
    assert said[0] == f"incident {INCIDENT}"
    assert "size 36" in said[1]
    for needed in (
        "11 entries are in it", "10 documents are what entries name, 0 without bytes",
        "1 older heads lead to it",
        "no head from elsewhere was given (--seen): a log cut short would go unseen",
        "not checked here: passkeys and the gate (manage.py verify_evidence)",
        "not proven by a bundle: that no other entry is about the incident (verify an export)",
    ):  # fmt: skip
        assert needed in said
    assert said[-1] == "HOLDS"


def test_a_proof_and_its_body(proof: Path, out: Said) -> None:
    body = proof.with_name("entry.json")
    assert main(["verify", str(proof), "--key", KEY, "--body", str(body)]) == 0
    assert "the entry is leaf 2" in out()
    body.write_bytes(body.read_bytes() + b"\n")  # an editor's newline
    assert main(["verify", str(proof), "--key", KEY, "--body", str(body)]) == 0
    body.write_bytes(body.read_bytes().replace(b"opened", b"Opened"))
    assert main(["verify", str(proof), "--key", KEY, "--body", str(body)]) == 1
    assert "bad_proof" in out()
    assert main(["verify", str(proof), "--key", KEY]) == 2
    assert "--body" in out()


def test_any_tlog_tiles_directory(tiles: Path, out: Said) -> None:
    assert main(["verify", str(tiles), "--key", KEY]) == 0
    assert "no entries.jsonl" in out()
    assert main(["verify", str(tiles), "--key", OTHER]) == 1


def test_open_says_origin_size_and_root(tiles: Path, tmp_path: Path, out: Said) -> None:
    head = case().book.head()
    assert main(["open", str(tiles / "checkpoint"), "--key", KEY]) == 0
    said = out().splitlines()
    assert said[:3] == [f"origin {head.origin}", f"size {head.size}", f"root {head.root.hex()}"]
    assert main(["open", str(tiles / "checkpoint"), "--key", OTHER]) == 1
    policy = tmp_path / "policy"
    policy.write_text(record.WITNESSED.dump(), encoding="utf-8")
    assert main(["open", str(tiles / "checkpoint"), "--policy", str(policy)]) == 1
    assert "quorum_missing" in out()
    (tiles / "checkpoint").write_text(case().book.note(witnessed_at=7), encoding="utf-8")
    assert main(["open", str(tiles / "checkpoint"), "--policy", str(policy)]) == 0
    assert "cosigned by w at 7" in out()


def test_a_head_seen_elsewhere(file: Path, tiles: Path, tmp_path: Path, out: Said) -> None:
    seen = tmp_path / "seen"
    seen.write_text(case().book.note(), encoding="utf-8")
    for path in (file, tiles):
        assert main(["verify", str(path), "--key", KEY, "--seen", str(seen)]) == 0
        assert "goes on from the head seen, size 36" in out()
    seen.write_text(case().book.note(5), encoding="utf-8")
    assert main(["verify", str(tiles), "--key", KEY, "--seen", str(seen)]) == 0
    assert main(["verify", str(file), "--key", KEY, "--seen", str(seen)]) == 1
    assert "missing: no proof here from the head seen (5)" in out()
    longer = case()
    longer.book.filler(1)
    seen.write_text(longer.book.note(), encoding="utf-8")
    assert main(["verify", str(tiles), "--key", KEY, "--seen", str(seen)]) == 1
    assert "rollback" in out()
    forked = case()
    forked.book.bodies[0] = b"{}"
    seen.write_text(forked.book.note(), encoding="utf-8")
    for path in (file, tiles):
        assert main(["verify", str(path), "--key", KEY, "--seen", str(seen)]) == 1
        assert "fork" in out()


def test_json_says_the_same(file: Path, out: Said) -> None:
    assert main(["verify", str(file), "--key", KEY, "--json"]) == 0
    assert json.loads(out())["holds"] is True
    assert main(["verify", str(file), "--key", OTHER, "--json"]) == 1
    assert json.loads(out())["problem"] == "unknown_key"


# ---- exit 2: what cannot be read ----------------------------------------------------------------


def test_arguments_and_files_that_cannot_be_read(file: Path, tmp_path: Path, out: Said) -> None:
    witness = str(record.WITNESS.vkey)
    here, junk = str(file), tmp_path / "junk"
    junk.write_bytes(b"\xff\x00junk")
    for arguments in (
        [], ["verify"], ["verify", here], ["frobnicate", here, "--key", KEY],
        ["verify", here, "--key", "no key"], ["verify", here, "--key", witness],
        ["verify", here, "--key", KEY, "--policy", here], ["verify", here, "--policy", here],
        ["verify", here, "--policy", str(junk)], ["verify", here, "--key", KEY, "--seen", here],
        ["verify", str(tmp_path / "nothing"), "--key", KEY],
        ["verify", "x" * 5_000, "--key", KEY], ["open", str(tmp_path), "--key", KEY],
        ["verify", here, "--key", KEY, "--seen", str(tmp_path)],
    ):  # fmt: skip
        assert main(arguments) == 2, arguments
        said = out()
        assert said.startswith("audit-verify: ")
        assert said.count("\n") == 1


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"{}", b"[" * 100_000, b"\0" * 70_000, GOOD[:-2]]
)
def test_what_is_no_bundle_does_not_hold(content: bytes, file: Path, out: Said) -> None:
    file.write_bytes(content)
    assert main(["verify", str(file), "--key", KEY]) == 1
    assert out().splitlines()[-1] == "DOES NOT HOLD"


# ---- A52: a file's text cannot control a terminal ----------------------------------------------


@given(st.text())
def test_a52_whatever_is_printed_isterminal(text: str) -> None:
    said = terminal(text + HOSTILE)
    assert said.isascii()
    assert said.isprintable()


def test_a52_hostile_bytes_in_every_part(file: Path, tiles: Path, out: Said) -> None:
    good = json.loads(GOOD)
    for name in ("incident", "checkpoint", "type"):
        file.write_bytes(encode({**good, name: HOSTILE}) + b"\n")
        assert main(["verify", str(file), "--key", KEY]) == 1
        out()
    for name in ("domain", "digest", "body", "encoding"):
        documents = [{**good["documents"][0], name: HOSTILE}]
        file.write_bytes(encode({**good, "documents": documents}) + b"\n")
        for more in ((), ("--json",)):
            assert main(["verify", str(file), "--key", KEY, *more]) == 1
            out()
    assert main(["verify", str(tiles / HOSTILE), "--key", KEY]) == 2
    (tiles / "tile" / HOSTILE.replace("/", "")).write_bytes(b"x")
    (tiles / "tile" / os.fsdecode(b"\xff\x1b")).write_bytes(b"x")
    assert main(["verify", str(tiles), "--key", KEY]) == 1
    out()


def test_a52_a_strangers_name_under_a_head(file: Path, out: Said) -> None:
    """A valid name in a signed note may still hold terminal control sequences."""
    name = "evil\x7f\x9b\u202e"
    made = case()
    size = len(made.book.bodies)
    text = made.book.head().text()
    stranger = record.signer(name).line(text)
    made.notes[size] = Note(text, (record.SIGNER.line(text), stranger)).dump()
    file.write_bytes(made.dump())
    for more in ((), ("--json",)):
        assert main(["verify", str(file), "--key", KEY, *more]) == 0
        assert "not checked: what evil" in out()


# ---- hostile directories ------------------------------------------------------------------------


def test_a_directory_cannot_hang_it_exhaust_memory_or_make_it_raise(tiles: Path, out: Said) -> None:
    os.mkfifo(tiles / "entries.jsonl")
    assert main(["verify", str(tiles), "--key", KEY]) == 1
    (tiles / "entries.jsonl").unlink()
    (tiles / "entries.jsonl").mkdir()
    assert main(["verify", str(tiles), "--key", KEY]) == 1
    (tiles / "entries.jsonl").rmdir()
    with (tiles / "entries.jsonl").open("wb") as sparse:
        sparse.truncate(1 << 40)  # one line of a terabyte
    assert main(["verify", str(tiles), "--key", KEY]) == 1
    (tiles / "entries.jsonl").unlink()
    assert main(["verify", str(tiles), "--key", KEY]) == 0
    for name in ("checkpoint", "tile/0/000.p/36", "tile/entries/000.p/36"):
        content = (tiles / name).read_bytes()
        (tiles / name).unlink()
        os.mkfifo(tiles / name)
        assert main(["verify", str(tiles), "--key", KEY]) == 1
        (tiles / name).unlink()
        (tiles / name).mkdir()
        assert main(["verify", str(tiles), "--key", KEY]) == 1
        (tiles / name).rmdir()
        with (tiles / name).open("wb") as sparse:
            sparse.truncate(1 << 40)
        assert main(["verify", str(tiles), "--key", KEY]) == 1
        (tiles / name).write_bytes(content)
    out()
    assert main(["verify", str(tiles), "--key", KEY]) == 0


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_flipped_bytes_end_with_one_and_a_name(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Calls the command's main function: no exception escapes."""
    raw = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.mktemp("f") / "b"
    file.write_bytes(bytes(raw))
    assert main(["verify", str(file), "--key", KEY]) == (0 if bytes(raw) == GOOD else 1)


def test_it_runs_as_a_module(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "audit.tlog", "verify", str(file), "--key", KEY],
        cwd=ROOT, env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("HOLDS\n")
