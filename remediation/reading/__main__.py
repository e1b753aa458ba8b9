"""`python -m remediation.reading CPU_SECONDS MEMORY_BYTES`: read reports for the parent process.

Standard input and output are pipes of frames. It ends with its input, and has no database, no
settings and no credentials. Its limits hold before the first byte of a report comes.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import IO

from audit.tlog.canonical import Json
from remediation import extensions
from remediation.domain import report as reports
from remediation.domain.errors import BadInput
from remediation.reading import frames, shape
from remediation.reading.here import Here, Rules

NICENESS = 19


def main() -> None:
    cpu, memory = map(int, sys.argv[1:3])
    _limit(memory)
    extensions.load_catalogue()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            asked = frames.take_object(source)
        except frames.Broken:
            return  # the parent closed the pipe, or died
        _time(cpu)
        try:
            _read(source, sink, asked)
        except MemoryError:
            frames.put_json(sink, {"costly": "memory"})
            sink.flush()
            return  # what is left of the memory is unknown
        except frames.Broken:
            return


def _limit(memory: int) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # No file is written, and a core dump would hold secrets.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _time(cpu: int) -> None:
    """Allow this report so many seconds; the kernel ends the process after them."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + cpu + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _read(source: IO[bytes], sink: IO[bytes], asked: dict[str, Json]) -> None:
    """Read one report: parse, then search, then mask, each when the parent asks for it."""
    protected = frozenset(map(str, shape.typed(asked["protected"], list)))
    rules = Rules(protected, bool(asked["allow_test"]))
    raw = frames.take(source)
    try:
        report = reports.parse(raw, protected=rules.protected, allow_test=rules.allow_test)
    except BadInput as error:
        said: dict[str, Json] = {"name": type(error).__name__, "detail": error.detail}
        _answer(sink, {"refused": {**said, "pointer": error.pointer}})
        return
    reading = Here(report)
    about: Json = {"kind": reading.about.kind, "locator": reading.about.locator}
    targets: list[Json] = [one.to_json() for one in reading.targets]
    _answer(sink, {"about": about, "targets": targets, "artefacts": len(report.evidence)})
    exempt = frozenset(map(str, shape.typed(frames.take_object(source)["exempt"], list)))
    _answer(sink, {"external_id": reading.search(exempt)})
    known = frozenset(map(str, shape.typed(frames.take_object(source)["known"], list)))
    masked, own = reading.mask(known)
    again = None if own is masked else shape.dump(own)
    frames.put_json(sink, {"masked": shape.dump(masked), "own": again})
    for artefact in report.evidence:
        frames.put(sink, artefact.content)
    sink.flush()


def _answer(sink: IO[bytes], value: dict[str, Json]) -> None:
    frames.put_json(sink, value)
    sink.flush()


if __name__ == "__main__":
    main()
