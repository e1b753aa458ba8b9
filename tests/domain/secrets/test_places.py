"""The recorded places give the same values as a search of the whole artefact (A61, A83)."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from remediation.domain.secrets import detector, masking, places
from remediation.domain.secrets.detector import Found, Secret
from tests.domain.secrets.test_detector import AWS, PASSWORD

LINE = json.dumps({"secretAccessKey": AWS, "url": f"amqp://app:{PASSWORD}@mq/"})
SHAPES = {
    "plain": LINE.encode(),
    "json in json": json.dumps({"message": LINE}).encode(),
    "in a url": f"GET /?q={quote(LINE)} HTTP/1.1".encode(),
    "base64": b'{"data": "' + base64.b64encode(LINE.encode()) + b'"}',
    "utf-16": LINE.encode("utf-16-le"),
    "utf-16, big end first": LINE.encode("utf-16-be"),
    "twice": f"{LINE} and then {AWS}".encode(),
    "not ascii": json.dumps({"password": "pässwörd-Ünïcode-1"}, ensure_ascii=False).encode(),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("before", [b"", b"x", b"nothing " * 1000, b"nothing. " * 999])
def test_a83_the_neighbourhood_of_a_place_gives_its_values(shape: bytes, before: bytes) -> None:
    content = before + b"\n" + shape + b"\n" + before
    whole = masking.values(content)
    assert whole
    found = places.values(content, detector.find(content))
    # None says that the whole has to be searched, and is never wrong.
    assert found is None or whole <= found
    assert found is not None or "utf-16" in next(k for k, v in SHAPES.items() if v == shape)


def test_a83_places_that_do_not_say_it_all_are_no_answer() -> None:
    content = b"- " * 1000 + b"hunter2-hunter3" + b" -" * 1000
    at = content.index(b"hunter2")
    assert places.values(content, Found((), whole=False)) is None
    assert places.values(content, Found((Secret(at, 15, "assigned_secret"),))) is None
    assert places.values(content, Found((Secret(at, 15, "repeated_secret"),))) == frozenset()
