"""Read files of one format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from audit.tlog.canonical import Json
from remediation.domain.errors import BadValue, TooLarge
from remediation.domain.intake import backstage, compose, kubernetes, tables
from remediation.domain.intake.documents import decoded, documents
from remediation.domain.intake.node import Node
from remediation.domain.intake.stated import ENVIRONMENTS, Options, Stated

MAX_FILES = 10_000
MAX_TOTAL = 256 * 1024 * 1024
_CLUSTER = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class File:
    """A file's name, as the person knows it, and its bytes."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()


def _yaml(
    reader: Callable[[Iterable[Node], Options], Stated],
) -> Callable[[Sequence[File], Options], Stated]:
    def nodes(files: Sequence[File]) -> Iterator[Node]:
        for file in files:
            for place, value in documents(decoded(file.content, file.name), file.name):
                yield Node(value, place)

    return lambda files, options: reader(nodes(files), options)


def _csv(files: Sequence[File], options: Options) -> Stated:
    return tables.read([(file.name, decoded(file.content, file.name)) for file in files], options)


FORMATS: Mapping[str, Callable[[Sequence[File], Options], Stated]] = {
    "backstage": _yaml(backstage.read),
    "kubernetes": _yaml(kubernetes.read),
    "compose": _yaml(compose.read),
    "csv": _csv,
}


def read(format: str, files: Sequence[File], options: Options) -> Stated:
    """Return what the files state. Raises BadInput, which names file, part and path."""
    if format not in FORMATS:
        raise BadValue(f"{format!r} is not one of {', '.join(FORMATS)}")
    if options.environment and options.environment not in ENVIRONMENTS:
        raise BadValue(f"environment: one of {', '.join(ENVIRONMENTS)}")
    if options.cluster and not _CLUSTER.fullmatch(options.cluster):
        raise BadValue("cluster: lower-case letters, digits, - and _")
    if not files or len(files) > MAX_FILES:
        raise BadValue(f"1 to {MAX_FILES:,} files, not {len(files):,}")
    if sum(len(file.content) for file in files) > MAX_TOTAL:
        raise TooLarge(f"more than {MAX_TOTAL // 2**20} MiB together")
    return FORMATS[format](files, options)


def source(format: str, files: Sequence[File], options: Options) -> dict[str, Json]:
    """Return the source of changes: the digest of every file, and the options."""
    return {
        "format": format,
        "cluster": options.cluster,
        "environment": options.environment,
        "complete": options.complete,
        "files": [{"name": file.name, "sha256": file.sha256} for file in files],
    }
