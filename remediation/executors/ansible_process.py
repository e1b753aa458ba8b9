"""Run ansible-playbook as a process of its own: few variables, bounded output, an end.

Not by ansible-runner: it hands the worker's whole environment on, and keeps output without a limit.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_OUTPUT = 4 * 1024 * 1024
MOST_LINES = 20_000
_EVENTS = Path(__file__).with_name("ansible_events")
_MARK = "PORTAL_ANSIBLE_RUN"
# Before each run; tests put another program of the same calls here.
COMMAND: tuple[str, ...] = (sys.executable, "-I", "-m", "ansible", "playbook")


@dataclass(frozen=True)
class Ended:
    """What a run said until its end; `why`: why it was ended before, "" if it was not."""

    events: tuple[Mapping[str, Any], ...]
    code: int
    why: str


def run(
    work: Path, project: Path, arguments: Sequence[str], logins: Mapping[str, str], seconds: float
) -> Ended:
    """Run a playbook of the copied project; `work` is a private directory that the caller removes.

    Every process of the run has ended when this returns, whatever happened. Raises OSError.
    """
    mark = secrets.token_hex(16)
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [*COMMAND, *_logins(work, logins), *arguments],
            cwd=project,
            env=_environment(work, project, writing, mark),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(writing,),
            start_new_session=True,
        )
    except OSError:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    try:
        raw, why = _read(reading, process, time.monotonic() + seconds)
    finally:
        os.close(reading)
        _end(process, mark)
    return Ended(_events(raw), process.returncode, why)


def variables_file(work: Path, values: Mapping[str, str]) -> Path:
    """Write the plan's variables so that Ansible evaluates nothing in them.

    `!unsafe` marks it as no template. YAML takes U+0085 and others for ends of lines, so all that
    is not ASCII is escaped.
    """
    path = work / "vars.yml"
    lines = [f'{name}: !unsafe "{_escaped(value)}"\n' for name, value in values.items()]
    path.write_text("".join(lines) or "{}\n", encoding="utf-8")
    return path


def _escaped(value: str) -> str:
    plain = (
        one if " " <= one <= "~" and one not in '"\\' else f"\\U{ord(one):08X}" for one in value
    )
    return "".join(plain)


def _logins(work: Path, logins: Mapping[str, str]) -> list[str]:
    """Write each credential to a file of its own that only this account reads."""
    found: list[str] = []
    for kind, option in (("key", "--private-key"), ("vault", "--vault-password-file")):
        if kind in logins:
            path = work / f"login.{kind}"
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(logins[kind].rstrip("\n") + "\n")
            found += [option, str(path)]
    return found


def _environment(work: Path, project: Path, writing: int, mark: str) -> dict[str, str]:
    """Return all that the run's environment has: nothing of the worker's."""
    own = project / "ansible.cfg"
    empty = work / "empty.cfg"
    empty.touch()
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(work),
        "TMPDIR": str(work),
        "ANSIBLE_CONFIG": str(own if own.is_file() else empty),
        "ANSIBLE_HOME": str(work / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(work / "ansible"),
        "ANSIBLE_ROLES_PATH": str(project / "roles"),
        "ANSIBLE_COLLECTIONS_PATH": str(project / "collections"),
        "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
        "ANSIBLE_CALLBACK_PLUGINS": str(_EVENTS),
        "ANSIBLE_CALLBACKS_ENABLED": "hitl_events",
        "ANSIBLE_RETRY_FILES_ENABLED": "false",
        "ANSIBLE_NOCOWS": "true",
        "ANSIBLE_LOG_PATH": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PORTAL_EVENTS_FD": str(writing),
        _MARK: mark,
    }


def _read(reading: int, process: subprocess.Popen[bytes], until: float) -> tuple[bytes, str]:
    """Read events until the run ends, the time is over, or they are too many."""
    raw = bytearray()
    with selectors.DefaultSelector() as ready:
        ready.register(reading, selectors.EVENT_READ)
        while True:
            left = until - time.monotonic()
            if left <= 0:
                return bytes(raw), "the time for the run is over"
            if ready.select(min(left, 0.2)):
                piece = os.read(reading, 65_536)
                raw += piece
                if len(raw) > MOST_OUTPUT:
                    return bytes(raw), "the run says too much"
                if piece:
                    continue
                return bytes(raw), _waited(process, until)
            # It may have written its last words between the two looks.
            if process.poll() is not None and not ready.select(0):
                return bytes(raw), ""  # a process that it left behind holds the pipe


def _waited(process: subprocess.Popen[bytes], until: float) -> str:
    try:
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return "the time for the run is over"
    return ""


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill the group, and what left it: each worker of Ansible begins a session of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wanted = re.compile(rf"(?:^|\0){_MARK}={mark}(?:\0|$)".encode())
    for _ in range(5):  # one that is killed may have begun another one just before
        found = _marked(wanted)
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _marked(wanted: re.Pattern[bytes]) -> list[int]:
    """Return the living processes that have the run's mark in their environment (Linux)."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted.search((place / "environ").read_bytes()):
                found.append(int(place.name))
    return found


def _events(raw: bytes) -> tuple[Mapping[str, Any], ...]:
    """Return the whole lines that are objects of JSON."""
    found = []
    for line in raw.split(b"\n")[:MOST_LINES]:
        with contextlib.suppress(ValueError, RecursionError):
            one = json.loads(line)
            if isinstance(one, dict):
                found.append(one)
    return tuple(found)
