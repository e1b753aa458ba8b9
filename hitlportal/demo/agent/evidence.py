"""Collect the records that support a finding, and citations that resolve in them.

In: records to keep, in order of importance. Out: artefacts, one per source file, each
``{"Records":[…],"Source":{…}}`` as canonical JSON; and for a record and a path the citation
``{"evidence": sha256, "pointer": RFC 6901, "value": …}``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hitlportal.demo.agent.records import Json, Key, Record, Source, canonical, find
from hitlportal.demo.agent.signals import Path

# The portal accepts 1 MiB per artefact, 50 artefacts and 8 MiB per report. These limits leave room
# for claims and for the escaping of artefacts inside the report.
MAX_ARTEFACT_BYTES = 900 * 1024
MAX_ALL_BYTES = 3 * 1024 * 1024
MAX_ARTEFACTS = 50
# People compare cited values by eye; longer values are read in the artefact.
MAX_VALUE = 400
MAX_INTEGER = 2**53 - 1


@dataclass(frozen=True)
class Artefact:
    """One piece of evidence with the metadata that the portal requires."""

    sha256: str
    source: str
    content: str

    def to_json(self, collected_at: str) -> dict[str, Json]:
        """Return the API's form. Callers control parts of a log line (e.g. ``userAgent``)."""
        return {
            "sha256": self.sha256,
            "source": self.source,
            "media_type": "application/json",
            "collected_at": collected_at,
            "attacker_writable": True,
            "content": self.content,
            "encoding": "utf-8",
        }


def artefact(source: str, document: Json) -> Artefact:
    """Make an artefact of a JSON document; ``source`` describes its origin."""
    content = canonical(document)
    return Artefact(hashlib.sha256(content).hexdigest(), source[:200], content.decode())


class Evidence:
    """The artefacts of one finding, and the position of each kept record."""

    def __init__(self, records: Iterable[Record]) -> None:
        """Keep as many of ``records`` as the portal's limits allow, in their order."""
        self.artefacts: list[Artefact] = []
        self._places: dict[str, tuple[str, int]] = {}
        for source, kept in sorted(_fitting(records).items(), key=lambda item: item[0].name):
            kept.sort(key=lambda record: record.position)
            made = artefact(_source_line(source), _document(source, kept))
            self.artefacts.append(made)
            for index, record in enumerate(kept):
                self._places[record.digest] = (made.sha256, index)

    def cite(self, record: Record, paths: Iterable[Path]) -> Iterator[Json]:
        """Return citations of the paths with plain values; none for a record that was left out."""
        if record.digest not in self._places:
            return
        sha256, index = self._places[record.digest]
        for path in paths:
            found = find(record.body, path)
            if found is not None and is_citable(found[1]):
                pointer = to_pointer(("Records", index, *found[0]))
                yield {"evidence": sha256, "pointer": pointer, "value": found[1]}


def _fitting(records: Iterable[Record]) -> dict[Source, list[Record]]:
    groups: dict[Source, list[Record]] = {}
    sizes: dict[Source, int] = {}
    seen: set[str] = set()
    for record in records:
        size = len(canonical(record.body)) + 1
        fits = sizes.get(record.source, 0) + size <= MAX_ARTEFACT_BYTES
        fits = fits and sum(sizes.values()) + size <= MAX_ALL_BYTES
        fits = fits and (record.source in groups or len(groups) < MAX_ARTEFACTS)
        if fits and record.digest not in seen:
            seen.add(record.digest)
            groups.setdefault(record.source, []).append(record)
            sizes[record.source] = sizes.get(record.source, 0) + size
    return groups


def _source_line(source: Source) -> str:
    return f"AWS CloudTrail, file {source.name[-100:]}, sha256 {source.sha256}"


def _document(source: Source, kept: Sequence[Record]) -> Json:
    return {
        "Records": [record.body for record in kept],
        "Source": {
            "file": source.name,
            "sha256": source.sha256,
            "entries": source.entries,
            "positions": [record.position for record in kept],
        },
    }


def is_citable(value: Json) -> bool:
    """Return whether a value is text, integer, boolean or null, and short."""
    if isinstance(value, str):
        return len(value) <= MAX_VALUE and value.isprintable()
    if isinstance(value, float):
        return False
    if isinstance(value, int):
        return abs(value) <= MAX_INTEGER
    return value is None


def to_pointer(path: Sequence[Key]) -> str:
    """Return a JSON pointer (RFC 6901 section 3)."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)
