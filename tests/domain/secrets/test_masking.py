"""Secrets are masked on pages and in what is kept for ever (docs/attacks.md A61)."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remediation.domain import citations, report
from remediation.domain.secrets import detector, masking
from remediation.domain.secrets.detector import Found, Secret
from tests.domain.secrets.test_detector import AWS, PASSWORD
from tests.factories import artefact

CONTENT = json.dumps({"url": f"amqp://app:{PASSWORD}@mq/", "secretAccessKey": AWS}).encode()


def test_a61_masked_json_is_still_json_without_the_secret() -> None:
    found = detector.find(CONTENT)
    shown = masking.masked(CONTENT, found)
    assert json.loads(shown) == {"url": "amqp://app:[masked]@mq/", "secretAccessKey": "[masked]"}


@given(st.binary(max_size=200), st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9))))
def test_the_parts_make_up_the_whole_artefact(content: bytes, gaps: list[tuple[int, int]]) -> None:
    secrets, at = [], 0
    for gap, length in gaps:
        if at + gap + length <= len(content):
            secrets.append(Secret(at + gap, length, "jwt"))
            at = secrets[-1].end
    cut = masking.parts(content, Found(tuple(secrets)))
    assert b"".join(part.content for part in cut) == content
    assert [len(part.content) for part in cut if part.rule] == [one.length for one in secrets]


def test_a63_an_artefact_with_too_many_secrets_is_not_shown() -> None:
    assert masking.masked(CONTENT, Found((), whole=False)) == b"[masked]"


def test_a_short_plain_password_does_not_mask_words() -> None:
    content = b"postgres://postgres:postgres@db/x"
    assert masking.values(content) == frozenset()


def test_a61_a_text_is_masked_by_its_own_secrets_and_those_of_evidence() -> None:
    known = masking.values(CONTENT)
    assert known == {AWS, PASSWORD}
    assert masking.mask_text(f"The password is {PASSWORD}!", known) == "The password is [masked]!"
    assert masking.mask_text(f"The password is {PASSWORD}!") == f"The password is {PASSWORD}!"
    assert masking.mask_text(f"secret key: {AWS}") == "secret key: [masked]"
    assert masking.mask_text("nothing to hide \ud800") == "nothing to hide \ud800"


@given(st.text())
def test_a_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert masking.mask_text(text) == text


def reported(**changes: Any) -> report.Report:
    identity = {"kind": "test.target", "name": "t1"}
    content = CONTENT
    value: dict[str, Any] = {
        "incident": {
            "kind": "leak",
            "title": f"Leaked {AWS}",
            "identity": identity,
            "detected_at": "2026-11-22T10:00:00Z",
            "external_id": f"case {PASSWORD}",
        },
        "evidence": [
            {
                "sha256": sha256(content).hexdigest(),
                "source": f"dump of {PASSWORD}",
                "media_type": "application/json",
                "collected_at": "2026-11-22T10:00:00Z",
                "attacker_writable": True,
                "content": content.decode(),
                "encoding": "utf-8",
            }
        ],
        "diagnosis": {
            "summary": f"{PASSWORD} was used",
            "identity": identity,
            "confidence": 90,
            "claims": [
                {
                    "text": f"The key {AWS} stands there",
                    "citations": [
                        {
                            "evidence": sha256(content).hexdigest(),
                            "pointer": "/secretAccessKey",
                            "value": AWS,
                        }
                    ],
                }
            ],
        },
    }
    return report.from_json({**value, **changes}, protected=frozenset(), allow_test=True)


def test_a61_no_text_of_a_report_keeps_a_secret() -> None:
    given = replace(reported(), rationale=f"Because of {AWS}")
    made = masking.mask_report(masking.searched(given))
    kept = made.report
    assert kept.evidence[0].content == CONTENT
    texts = [str(replace(kept, evidence=())), kept.evidence[0].source, kept.diagnosis.body.decode()]
    assert not any(AWS in text or PASSWORD in text for text in texts)
    assert kept.incident.title == "Leaked [masked]"
    assert kept.rationale == "Because of [masked]"
    assert [one.rule for one in made.found[kept.evidence[0].sha256].secrets] == [
        "connection_string",
        "aws_secret_key",
    ]


def test_a_masked_diagnosis_is_canonical_and_masked_once() -> None:
    kept = masking.mask_report(masking.searched(reported())).report
    assert report.load_diagnosis(kept.diagnosis.body, allow_test=True) == kept.diagnosis
    assert masking.mask_report(masking.searched(kept)).report == kept


def test_a_report_without_secrets_keeps_its_diagnosis() -> None:
    content = artefact("t1")
    given = reported()
    plain = replace(
        given,
        evidence=(replace(given.evidence[0], content=content, source="log"),),
        diagnosis=report.parse_diagnosis(
            {
                "summary": "It is misused.",
                "identity": {"kind": "test.target", "name": "t1"},
                "confidence": 1,
                "claims": [],
            },
            allow_test=True,
        ),
    )
    assert masking.mask_report(masking.searched(plain)).report.diagnosis is plain.diagnosis


def test_a63_few_failed_citations_are_compared_again() -> None:
    """Otherwise four thousand wrong ones would each search the whole artefact."""
    reads: list[str] = []
    wrong = report.Citation("0" * 64, "/url", "no")

    def read(sha256: str) -> bytes:
        reads.append(sha256)
        return CONTENT

    stored = citations.Stored(read, lambda: {PASSWORD})
    assert stored.holds(report.Citation("0" * 64, "/url", "amqp://app:[masked]@mq/"))
    assert not stored.holds(report.Citation("0" * 64, "/nowhere", "no"))
    assert not any(stored.holds(wrong) for _ in range(citations.Stored.MOST))
    assert not stored.holds(report.Citation("0" * 64, "/url", "amqp://app:[masked]@mq/"))
    assert len(reads) == 1
