"""A child process that reads large reports, and the few that wait for the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, Timer
from typing import IO

from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.domain.plan import Target
from remediation.domain.secrets.masking import Masked
from remediation.reading import frames, shape
from remediation.reading.here import About, Rules

# The report's own share of the processor: the largest took 2.8 s. The clock's limit is longer, for
# at this priority others come first.
CPU_S, WALL_S, MEMORY = 15, 45.0, 1024 * 1024 * 1024
# A child that read so many is replaced.
REPORTS = 100

_ROOT = Path(__file__).resolve().parents[2]
_idle: list[Child] = []
_lock = Lock()


class Failed(Exception):
    """The child died, answered nonsense, or had no time; the report may be sent again."""


class Child:
    """One process; one thread at a time talks to it."""

    def __init__(self, cpu: int = CPU_S, memory: int = MEMORY) -> None:
        places = [str(_ROOT), *(os.path.abspath(one) for one in sys.path)]
        self.process = subprocess.Popen(
            [sys.executable, "-s", "-m", "remediation.reading", str(cpu), str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a traceback may quote the report
            cwd=_ROOT,
            env={"PYTHONPATH": os.pathsep.join(places), "PYTHONUTF8": "1"},
            start_new_session=True,
        )
        assert self.process.stdin and self.process.stdout
        self.sink: IO[bytes] = self.process.stdin
        self.source: IO[bytes] = self.process.stdout
        self.reports = 0

    def end(self) -> int:
        """Kill the process; return how it ended."""
        self.process.kill()
        status = self.process.wait()
        for pipe in (self.sink, self.source):
            try:
                pipe.close()
            except OSError:
                pass  # what was buffered cannot be written to the dead
        return status


class Apart:
    """A reading in a child. Raises Failed, TooLarge when it costs too much, and BadInput."""

    def __init__(self, child: Child, raw: bytes, rules: Rules) -> None:
        self._child, self._rules = child, rules
        asked: Json = {"protected": sorted(rules.protected), "allow_test": rules.allow_test}
        frames.put_json(child.sink, asked)
        frames.put(child.sink, raw)
        found = self._answer()
        if "refused" in found:
            raise _refusal(shape.typed(found["refused"], dict))
        about = shape.typed(found["about"], dict)
        self.about = About(shape.typed(about["kind"], str), shape.typed(about["locator"], str))
        self.targets: Sequence[Target] = [
            shape.target(one, rules) for one in shape.typed(found["targets"], list)
        ]
        self._artefacts = shape.typed(found["artefacts"], int)

    def search(self, exempt: Collection[str]) -> str:
        frames.put_json(self._child.sink, {"exempt": sorted(exempt)})
        return shape.typed(self._answer()["external_id"], str)

    def mask(self, known: frozenset[str]) -> tuple[Masked, Masked]:
        frames.put_json(self._child.sink, {"known": sorted(known)})
        found = self._answer()
        contents = [frames.take(self._child.source) for _ in range(self._artefacts)]
        masked = shape.load(found["masked"], contents, self._rules)
        if found["own"] is None:
            return masked, masked
        return masked, shape.load(found["own"], contents, self._rules)

    def _answer(self) -> dict[str, Json]:
        self._child.sink.flush()
        found = frames.take_object(self._child.source)
        if "costly" in found:
            raise errors.TooLarge("reading the report takes too much memory")
        return found


@contextmanager
def read(raw: bytes, rules: Rules, child: Child | None = None) -> Iterator[Apart]:
    """Read a report in a child for the block. Raises Failed, TooLarge and BadInput."""
    child = child or _taken()
    late = Timer(WALL_S, child.process.kill)
    late.daemon = True
    late.start()
    good = False
    try:
        yield Apart(child, raw, rules)
        good = True
    except errors.BadInput as error:
        good = not isinstance(error, errors.TooLarge)
        raise
    except (frames.Broken, OSError, TypeError, LookupError, ValueError) as error:
        status = child.end()
        if status == -signal.SIGXCPU:
            raise errors.TooLarge("reading the report takes too much time") from None
        raise Failed(f"the reader ended with {status}") from error
    finally:
        late.cancel()
        _give_back(child, good=good)


def _taken() -> Child:
    with _lock:
        while _idle:
            child = _idle.pop()
            if child.process.poll() is None:
                return child
            child.end()
    return Child()


def _give_back(child: Child, *, good: bool) -> None:
    child.reports += 1
    if good and child.reports < REPORTS and child.process.poll() is None:
        with _lock:
            _idle.append(child)
    else:
        child.end()


def _refusal(found: dict[str, Json]) -> errors.BadInput:
    kind = getattr(errors, shape.typed(found["name"], str), errors.BadInput)
    if not (isinstance(kind, type) and issubclass(kind, errors.BadInput)):
        raise TypeError("no refusal of input")
    return kind(shape.typed(found["detail"], str), pointer=shape.typed(found["pointer"], str))
