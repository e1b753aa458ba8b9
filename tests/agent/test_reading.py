"""Files of every form give the same records; anything but CloudTrail records is skipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hitlportal.demo.agent import reading
from hitlportal.demo.agent.reading import NotReadable, parse, read
from hitlportal.demo.agent.records import Json, find
from tests.agent.cases import CASES, record

ONE, OTHER = record(eventID="1"), record(eventID="2")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("records.json", json.dumps({"Records": [ONE, OTHER]})),
        ("array.json", json.dumps([ONE, OTHER])),
        ("lines.jsonl", f"{json.dumps(ONE)}\n\n{json.dumps(OTHER)}\n"),
        ("scenario.yml", json.dumps({"LogType": "AWS.CloudTrail", "Logs": [ONE, OTHER]})),
    ],
)
def test_every_form_gives_the_same_records(name: str, text: str) -> None:
    assert [r.body for r in parse(name, text.encode())] == [ONE, OTHER]


def test_a_single_record_is_a_file_too() -> None:
    assert [r.position for r in parse("one.json", json.dumps(ONE).encode())] == [0]


def test_positions_and_digest_are_those_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "f.json"
    file.write_text(json.dumps([{"not": "a record"}, ONE]))
    (found,) = read([file]).records
    assert (found.position, found.source.entries, found.source.name) == (1, 2, "f.json")
    assert len(found.source.sha256) == 64


def test_other_logs_and_labels_are_skipped() -> None:
    scenario = CASES / "panther-compromised-root-creds"
    for name in ("attacker_okta.yml", "attacker_s3_access.yml", "attacker_vpc.yml"):
        assert read([scenario / name]).records == []
    label = {"eventID": "1", "eventTime": "x", "eventName": "y", "class": "detonation"}
    assert parse("labels.jsonl", json.dumps(label).encode()) == []


def test_times_in_yaml_stay_text() -> None:
    (found,) = parse(
        "a.yml", json.dumps([ONE]).replace('"2026-01-01T10:00:00Z"', "2026-01-01").encode()
    )
    assert found.body["eventTime"] == "2026-01-01"


def test_one_bad_file_is_reported_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text(json.dumps(ONE))
    got = read([tmp_path, tmp_path / "missing.json"])
    assert [r.body for r in got.records] == [ONE]
    assert len(got.problems) == 2


def test_a_lone_surrogate_does_not_stop_the_reading() -> None:
    raw = json.dumps({"Records": [record(userAgent="\ud800"), OTHER]}).encode()
    assert len(parse("s.json", raw)) == 2


def test_a_number_beyond_all_floats_does_not_stop_the_reading() -> None:
    text = json.dumps([OTHER]).replace('"2"', "1e999")
    (found,) = parse("n.json", text.encode())
    assert found.value("eventID") == "1e999"


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"[" * 100_000, b"%YAML: [", b'{"a": NaN'])
def test_a_file_that_is_no_json_is_named(raw: bytes) -> None:
    with pytest.raises(NotReadable, match=r"x\.json"):
        parse("x.json", raw)


def test_an_endless_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_SOURCE_BYTES", 100)
    (tmp_path / "a.json").write_text(json.dumps(ONE))
    assert "more than 100 bytes" in read([tmp_path]).problems[0]


def test_names_are_found_in_any_case_and_cited_unchanged() -> None:
    body: Json = {"userIdentity": {"accesskeyid": "K"}, "list": [{"a": 1}]}
    assert find(body, ("userIdentity", "accessKeyId")) == (("userIdentity", "accesskeyid"), "K")
    assert find(body, ("list", 0, "a")) == (("list", 0, "a"), 1)
    assert find(body, ("list", 1, "a")) is None
    assert find(body, ("list", "a")) is None
