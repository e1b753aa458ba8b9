"""Digests are separated by kind, and tests/vectors/digest.json freezes them."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from remediation.domain.digest import Digests, Kind, digest
from tests.every import every

FILES = sorted((Path(__file__).parents[1] / "vectors").glob("digest*.json"))
VECTORS = [vector for file in FILES for vector in json.loads(file.read_text())]


@every("vector", VECTORS, ids=lambda v: f"{v['kind']}-{len(v['body'])}")
def test_digests_are_those_of_the_stored_vectors(vector: dict[str, str]) -> None:
    assert digest(Kind(vector["kind"]), vector["body"].encode()) == vector["digest"]


def test_every_kind_has_vectors() -> None:
    assert {vector["kind"] for vector in VECTORS} == set(Kind)


def test_a_digest_covers_the_domain_the_kind_a_nul_and_the_body() -> None:
    assert digest(Kind.PLAN, b"{}") == sha256(b"hitlportal/plan/v1\x00{}").hexdigest()


def test_the_same_bytes_have_another_digest_for_every_kind() -> None:
    assert len({digest(kind, b"{}") for kind in Kind}) == len(Kind)


def test_a_review_signs_six_digests() -> None:
    found = Digests.of(plan=b"1", diagnosis=b"1", scope=b"1", ruling=b"1", pin=b"1", checks=b"1")
    assert found.plan == digest(Kind.PLAN, b"1")
    assert found.pin == digest(Kind.PIN, b"1")
    six = {found.plan, found.diagnosis, found.scope, found.ruling, found.pin, found.checks}
    assert len(six) == 6
