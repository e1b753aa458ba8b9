"""The log as files: an export verifies, and every change in it is named."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest

from audit import export, formats
from audit.tlog import directory
from audit.tlog.__main__ import main
from audit.tlog.errors import Fork, Mismatch, Rollback, TlogError, UnknownKey
from audit.tlog.policy import Policy
from tests.audit.conftest import House, run
from tests.domain import record

KEY = str(record.SIGNER.vkey)


@pytest.fixture
def log(house: House) -> House:
    for count in (5, 300, 295):
        house.write(count)
        house.integrate()
    return house


@pytest.fixture
def files(log: House, tmp_path: Path) -> Path:
    export.write_directory(tmp_path / "log", record.POLICY)
    return tmp_path / "log"


def test_an_export_verifies_without_the_product(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(files), "--key", KEY]) == 0
    said = capsys.readouterr().out
    assert "600 entries and 4 tiles" in said
    assert said.endswith("HOLDS\n")
    assert main(["open", str(files / "checkpoint"), "--key", KEY]) == 0
    assert "size 600" in capsys.readouterr().out


def test_line_i_is_leaf_i(files: Path) -> None:
    lines = (files / "entries.jsonl").read_bytes().splitlines()
    leaves = b"".join(
        (files / f"tile/0/00{n}{'' if n < 2 else '.p/88'}").read_bytes() for n in range(3)
    )
    for index, line in enumerate(lines):
        assert sha256(b"\0" + line).digest() == leaves[index * 32 : index * 32 + 32]


def test_a50_one_changed_byte_in_any_file_is_found_and_named(files: Path) -> None:
    kept = {"README.txt", "policy", "vkey"}  # for people; verification ignores them
    checked = 0
    for file in sorted(path for path in files.rglob("*") if path.is_file()):
        name = file.relative_to(files).as_posix()
        if name in kept:
            continue
        raw = file.read_bytes()
        for at in {0, 1, len(raw) // 2, len(raw) - 1}:
            file.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
            with pytest.raises(TlogError) as caught:
                directory.verify(files, record.POLICY)
            # The bundle and the lines differ: the message names one of them.
            names = (name.split(".p/")[0], "entries.jsonl" if "entries" in name else "checkpoint")
            assert name == "checkpoint" or any(one in str(caught.value) for one in names)
            checked += 1
        file.write_bytes(raw[:-1])
        with pytest.raises(TlogError):
            directory.verify(files, record.POLICY)
        file.unlink()
        if name != "entries.jsonl":
            with pytest.raises(TlogError):
                directory.verify(files, record.POLICY)
        file.write_bytes(raw)
    assert checked > 25
    directory.verify(files, record.POLICY)


def test_a50_a_remembered_head_shows_a_cut_and_a_fork(log: House, files: Path) -> None:
    head = log.checkpoint()
    directory.verify(files, record.POLICY, seen=head)
    longer = type(head)(head.origin, 601, head.root)
    with pytest.raises(Rollback):
        directory.verify(files, record.POLICY, seen=longer)
    for size in (1, 5, 256, 257, 600):
        with pytest.raises(Fork):
            directory.verify(files, record.POLICY, seen=type(head)(head.origin, size, b"x" * 32))


def test_trust_comes_from_the_arguments(files: Path) -> None:
    """The policy file of the export names the right key; the verifier names another."""
    other = record.signer(seed="other").vkey
    with pytest.raises(UnknownKey):
        directory.verify(files, Policy.single(other))
    assert main(["verify", str(files), "--key", str(other)]) == 1


def test_older_partial_tiles_of_other_software_are_verified_too(files: Path) -> None:
    whole = (files / "tile/0/000").read_bytes()
    part = files / "tile/0/000.p/5"
    part.parent.mkdir()
    part.write_bytes(whole[: 5 * 32])
    directory.verify(files, record.POLICY)
    part.write_bytes(whole[32 : 6 * 32])
    with pytest.raises(Mismatch):
        directory.verify(files, record.POLICY)


def test_the_tar_is_the_directory_and_its_size_is_known(log: House, files: Path) -> None:
    head = export.head(record.POLICY)
    whole = b"".join(export.tar_stream(head, record.POLICY))
    assert len(whole) == export.tar_size(head, record.POLICY)
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        found = {
            member.name: archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive
        }
    on_disk = {
        path.relative_to(files).as_posix(): path.read_bytes()
        for path in files.rglob("*")
        if path.is_file()
    }
    assert found == on_disk


@pytest.mark.parametrize("octets", [0, 8 * 2**30 - 1, 8 * 2**30, 2**40])
def test_a_member_of_any_length_has_a_header(octets: int) -> None:
    """With 27 million entries, the archive would otherwise break off before its stated length."""
    header = export._member("entries.jsonl", octets)
    assert len(header) == tarfile.BLOCKSIZE
    assert tarfile.TarInfo.frombuf(header, "ascii", "strict").size == octets


def test_a_log_that_does_not_hold_is_not_exported(log: House, tmp_path: Path) -> None:
    run("ALTER TABLE audit.entry DISABLE TRIGGER USER")
    run("UPDATE audit.entry SET body = '{}' WHERE id = (SELECT max(id) FROM audit.entry)")
    with pytest.raises(Mismatch):
        export.write_directory(tmp_path / "bad", record.POLICY)
    assert not list(tmp_path.glob("*bad*"))


# ---- views --------------------------------------------------------------------------------------

HOSTILE = [
    "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", " =1+1", "'=1", '"=1',
    "＝1+1", "﹢1", "\u202e=1", "\x1b[2J", "a\nb", "a\u2028b", "|calc", "%0A",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a52_no_cell_is_a_formula_and_no_row_is_broken(house: House, text: str) -> None:
    house.write(1, object=text, data={"x": text})
    house.integrate()
    made = b"".join(formats.csv_rows(export.lines(1))).decode()
    header, row = list(csv.reader(io.StringIO(made)))
    assert header == list(formats.COLUMNS)
    assert len(row) == len(header)
    for cell in row:
        assert not cell.lstrip(' "').startswith(("=", "+", "-", "@", "\t", "\r", "|", "%", "＝"))
        assert cell.isprintable()


def test_ocsf_events_have_what_the_class_requires(house: House) -> None:
    house.write(1)
    house.write(1, action="system:log:broken")
    house.integrate()
    first, second = [
        json.loads(line) for line in b"".join(formats.ocsf(export.lines(2))).splitlines()
    ]
    required = {
        "activity_id", "category_uid", "class_uid", "type_uid", "time", "severity_id", "metadata",
        "actor", "api", "src_endpoint",
    }  # fmt: skip
    for index, event in enumerate((first, second)):
        assert required <= event.keys()
        assert event["class_uid"] == 6003
        assert event["type_uid"] == 600300 + event["activity_id"]
        assert event["metadata"]["version"] == "1.8.0"
        assert event["metadata"]["sequence"] == index
        assert event["raw_data_hash"]["value"] == sha256(event["raw_data"].encode()).hexdigest()
        assert event["time"] > 1_700_000_000_000
    assert (second["severity_id"], second["status_id"]) == (5, 2)


def test_json_lines_are_the_exact_bytes(log: House, files: Path) -> None:
    assert b"".join(formats.jsonl(export.lines(600))) == (files / "entries.jsonl").read_bytes()
