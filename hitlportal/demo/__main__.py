"""``hitlportal demo``: the whole system on this machine. ``--auto`` plays and checks it.

Data lie in .demo/ (or HITL_DEMO_DIR) and are kept from one start to the next; ``--auto`` and
``--brief`` take a directory of their own and remove it. Exit status: 0 as it should be, 1 not,
130 when a play was interrupted.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from hitlportal import env, places
from hitlportal.demo import words
from hitlportal.demo.people.browser import Unexpected
from hitlportal.demo.run import Run
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.errors import InstallationFailed, ServerError
from hitlportal.demo.stack import Stack

INTERRUPTED = 130  # what a shell reports after Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    played = options.auto or options.brief
    directory = _directory(played)
    try:
        with _alone(directory):
            if options.reset:
                _remove(directory)
                return 0
            return _run(directory, options)
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
        # Ctrl-C is how the demo is meant to end; a play that was cut short proved nothing.
        return INTERRUPTED if played else 0
    except (ServerError, InstallationFailed, Unexpected, TimeoutError) as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    finally:
        if played:
            _remove(directory)


def _run(directory: Path, options: argparse.Namespace) -> int:
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:5.1f} s  {text}", flush=True)

    played = options.auto or options.brief
    if not options.brief:
        print(words.uses(checked=options.auto), flush=True)
    with _running(Stack(directory, say, busy=played)) as stack:
        run = Run(stack, say)
        run.prepare(played=played)
        if options.brief:
            return run.play_brief()
        return run.play() if options.auto else run.stay()


@contextmanager
def _running(stack: Stack) -> Iterator[Stack]:
    """Start the stack and stop it when the block ends; signals are ignored while it stops."""
    try:
        stack.start()
        yield stack
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stack.stop()


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold the lock of the data directory. Raises ServerError when another demo holds it."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServerError(f"the demo in {directory} is running; end it first") from None
        yield
    finally:
        os.close(lock)


def _directory(played: bool) -> Path:
    if played:
        directory = Path(tempfile.mkdtemp(prefix="hitlportal-demo-"))
    else:
        directory = Path(env.text("HITL_DEMO_DIR") or places.data(".demo")).absolute()
        directory.mkdir(parents=True, exist_ok=True)
    # When root starts the demo, servers run under another account, which must enter this directory.
    directory.chmod(0o711)
    return directory


def _remove(directory: Path) -> None:
    for name in ("portal", "target", "valkey"):
        remove_home(directory / name)
    shutil.rmtree(directory, ignore_errors=True)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hitlportal demo", description=__doc__)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--auto", action="store_true", help="play it through, check, and end")
    how.add_argument("--brief", action="store_true", help="play one report, check, and end")
    how.add_argument("--reset", action="store_true", help="remove the demo's data and end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
