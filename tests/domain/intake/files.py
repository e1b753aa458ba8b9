"""Input files for tests of the readers."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any

from hitlportal.demo import inventory_files
from remediation.domain.intake.changes import ChangeSet, Known, compare
from remediation.domain.intake.reading import File, read
from remediation.domain.intake.stated import Options, Stated

GRAPHS = inventory_files.GRAPHS
EMPTY = Known({}, {}, {})


def file(text: str | bytes, name: str = "file.yaml") -> File:
    return File(name, text if isinstance(text, bytes) else dedent(text).encode())


def state(format: str, *texts: str | bytes, **options: Any) -> Stated:
    files = [file(text, f"file{n}.yaml") for n, text in enumerate(texts, start=1)]
    return read(format, files, Options(**options))


def real(format: str, *names: str, **options: Any) -> Stated:
    files = [File(name, (GRAPHS / name).read_bytes()) for name in names]
    return read(format, files, Options(**options))


def expected(folder: str) -> Any:
    return json.loads((GRAPHS / folder / "edges.json").read_text())


def difference(stated: Stated, known: Known = EMPTY, **options: Any) -> ChangeSet:
    return compare(stated, known, Options(**options))


def service_edges(stated: Stated) -> set[tuple[str, str]]:
    return {(source, service) for source, service, _ in stated.edges if service}


def identity_edges(stated: Stated) -> set[tuple[str, str]]:
    return {(source, locator) for source, _, locator in stated.edges if locator}
