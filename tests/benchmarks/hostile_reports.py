"""Reports at the API's own maxima (A83): each costs as much as its author can make it cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256

from audit.tlog.canonical import Json, encode
from remediation.domain import report

AT = "2026-11-22T10:00:00Z"
MIB = report.MAX_ARTEFACT_BYTES
# What the parts of a report beside its artefacts may take.
REST = 1_500_000


def citations(name: str) -> bytes:
    """4,000 citations into one list of half a million members."""
    members = MIB // 2 - 100
    artefact = b'{"many":[' + b",".join([b"1"] * members) + b"]}"
    step = members // (report.MAX_CLAIMS * report.MAX_CITATIONS)
    places = iter(range(0, members, step))
    return _report(
        name,
        [artefact],
        [
            ("it stands there", [(0, f"/many/{next(places)}", 1)] * report.MAX_CITATIONS)
            for _ in range(report.MAX_CLAIMS)
        ],
    )


def claims(name: str) -> bytes:
    """200 claims of as many names as fit, none of them in some MiB of evidence."""
    artefacts = [
        encode({"log": " ".join(f"host-{number}.{part}.example" for number in range(48_000))})
        for part in range(4)
    ]
    text = " ".join(f"arn:aws:iam::123456789012:user/u{number}" for number in range(40))
    return _report(
        name, artefacts, [(f"{text} n{number}", [(0, "/log", "")]) for number in range(200)]
    )


def secrets(name: str) -> bytes:
    """Thousands of secrets of as many lengths under one head."""
    lines = [
        f"password={'aB3' * 2}{number:05d}{'xY7q' * (number % 60)}" for number in range(12_000)
    ]
    return _report(name, list(_full(lines)), [("it is misused", [(0, "", "x")])])


def telemetry(name: str) -> bytes:
    """Calls that switch a log off, and as many that could have switched it on again."""
    records: list[str] = [
        json.dumps(
            {
                "eventVersion": "1.08",
                "eventSource": "cloudtrail.amazonaws.com",
                "eventName": "StopLogging" if number % 2 else "StartLogging",
                "eventTime": AT,
                "requestParameters": {"name": f"trail-{number}"},
            },
            separators=(",", ":"),
        )
        for number in range(20_000)
    ]
    artefacts = [b'{"Records":[' + part.replace(b"\n", b",") + b"]}" for part in _full(records, 14)]
    return _report(name, artefacts, [("it was switched off", [(0, "/Records/1/eventTime", AT)])])


KINDS: Mapping[str, Callable[[str], bytes]] = {
    one.__name__: one for one in (citations, claims, secrets, telemetry)
}


def _full(lines: Sequence[str], spare: int = 0) -> Iterator[bytes]:
    """Yield artefacts of whole lines, as large and as many as a report takes."""
    held, size, left = list[bytes](), spare, report.MAX_BYTES - REST
    for line in map(str.encode, lines):
        if size + len(line) + 1 > MIB:
            yield b"\n".join(held)
            held, size = [], spare
        if left < 2 * len(line):  # quotation marks are written as two characters
            break
        held.append(line)
        size += len(line) + 1
        left -= len(line) + 2 * line.count(b'"') + 2
    if held:
        yield b"\n".join(held)


def _report(
    name: str,
    artefacts: Sequence[bytes],
    claimed: Sequence[tuple[str, Sequence[tuple[int, str, Json]]]],
) -> bytes:
    """Return a report about test target `name`; a citation: artefact, pointer, value."""
    target: Json = {"kind": "test.target", "name": name}
    digests = [sha256(one).hexdigest() for one in artefacts]
    evidence: list[Json] = [
        {
            "sha256": digest,
            "source": "benchmark",
            "media_type": "application/json" if one.startswith(b"{") else "text/plain",
            "collected_at": AT,
            "attacker_writable": True,
            "content": one.decode(),
            "encoding": "utf-8",
        }
        for one, digest in zip(artefacts, digests, strict=True)
    ]
    told: list[Json] = [
        {
            "text": text,
            "citations": [
                {"evidence": digests[at], "pointer": pointer, "value": value}
                for at, pointer, value in cited
            ],
        }
        for text, cited in claimed
    ]
    return encode(
        {
            "incident": {
                "kind": "credential_misuse",
                "title": "Credential misused",
                "identity": target,
                "detected_at": AT,
            },
            "evidence": evidence,
            "diagnosis": {
                "summary": "It is misused.",
                "identity": target,
                "confidence": 90,
                "claims": told,
            },
            "proposal": {
                "plan": {
                    "version": 1,
                    "environment": "production",
                    "steps": [{"action": "test.noop", "target": target, "parameters": {}}],
                },
                "rationale": "Stop it.",
            },
        }
    )
