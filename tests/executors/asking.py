"""Programs that ask a server all the time, as processes of their own, and what they recorded.

Such a program writes a line of JSON for each request, with "error" ("" if it did not fail), into
the file that is its last argument, and ends when its input is closed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Asking:
    """A running program and its record."""

    def __init__(self, process: subprocess.Popen[str], record: Path) -> None:
        self._process, self._record = process, record

    @property
    def lines(self) -> list[Line]:
        if not self._record.exists():
            return []
        whole = self._record.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    @property
    def failed(self) -> list[Line]:
        return [line for line in self.lines if line["error"]]

    def say(self, word: str) -> None:
        """Write a line to its input."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def wait_for(self, what: Callable[[list[Line]], bool]) -> list[Line]:
        """Return what was recorded from now on, as soon as this is so."""
        begins, give_up = len(self.lines), time.monotonic() + 60
        while not what(found := self.lines[begins:]):
            assert self._process.poll() is None, "it has ended"
            assert time.monotonic() < give_up, f"not seen in {found[-5:]}"
            time.sleep(0.05)
        return found


@contextmanager
def asking(module: str, record: Path, *arguments: object) -> Iterator[Asking]:
    """Run a program of tests.executors."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.executors.{module}", *map(str, arguments), record],
        stdin=subprocess.PIPE,
        text=True,
    )
    try:
        yield Asking(process, record)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)
