"""Find the sessions that a key opened, and end them.

Which key opened a session stands in sshd's log alone, by the client's address and port. Processes
of sshd that hold that very connection are the session: its monitor, and the process that runs as
the account. Needs root, or the account itself where sshd runs as it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from files import Refused

MOST_LOG, MOST_SESSIONS, MOST_COMMANDS = 16_777_216, 50, 5
PATIENCE_SECONDS, FORCE_SECONDS = 2.0, 2.0
PROC = Path("/proc")
SSHD = {"sshd", "sshd-session"}
ESTABLISHED = "01"
# A whole line of sshd, as syslog writes it, or alone (sshd -E): a name that somebody gave to sshd
# or another program cannot look like one in the middle of its line.
ACCEPTED = re.compile(
    rb"(?:(?P<when>[0-9]\S+|[A-Z][a-z]{2} [ \d]\d [\d:]{8}) \S+ sshd(?:-session)?\[\d+\]: )?"
    rb"Accepted \S+ for (?P<user>.+?) from (?P<address>\S+) port (?P<port>\d+) ssh2"
    rb"(?:: \S+ (?P<key>SHA256:[A-Za-z0-9+/]{43})(?: .*)?)?\r?"
)
Peer = tuple[str, int]


class Session(NamedTuple):
    """A connection of an account. `pids`: the processes of sshd that hold it."""

    peer: Peer
    pids: list[int]
    uids: set[int]


class Log(NamedTuple):
    """Who was let in: by client, the accounts and keys; and when a key was used last, in words."""

    opened: dict[Peer, set[tuple[str, str]]]
    last: dict[tuple[str, str], str]


def read_log(paths: list[str]) -> Log:
    """Read the end of each log, the oldest first. Raises Refused if one cannot be read."""
    log = Log({}, {})
    for path in paths:
        try:
            with open(path, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - MOST_LOG))
                lines = file.read(MOST_LOG).split(b"\n")
        except OSError:
            raise Refused("log", path) from None
        for found in filter(None, (ACCEPTED.fullmatch(line) for line in lines if b"Acc" in line)):
            user, key = found["user"].decode("utf-8", "replace"), (found["key"] or b"").decode()
            peer = found["address"].decode("ascii", "replace"), int(found["port"])
            log.opened.setdefault(peer, set()).add((user, key))
            log.last[user, key] = (found["when"] or b"").decode("ascii", "replace")
    return log


def of_account(
    account: str, uid: int, key: str, log: Log, ports: set[int]
) -> tuple[list[Session], list[Session]]:
    """Return the account's sessions that this key opened, and those of which no log says it.

    A session counts as opened by the key if any line of the log says so.
    """
    by_key, unknown = [], []
    for one in _sessions(ports):
        opened = log.opened.get(one.peer)
        if opened and (account, key) in opened:
            by_key.append(one)
        # The monitor of any session is root's; one of root's own has no other process.
        elif not opened and (one.uids == {0} if uid == 0 else uid in one.uids):
            unknown.append(one)
    return by_key, unknown


def told(sessions: list[Session]) -> list[dict[str, object]]:
    """Return what may be told of sessions: names of programs, without their arguments."""
    parents = _parents()
    return [
        {
            "pid": min(one.pids),
            "address": one.peer[0],
            "since": _since(min(one.pids)),
            "command": ", ".join(_commands(one, parents)),
        }
        for one in sessions[:MOST_SESSIONS]
    ]


def _commands(one: Session, parents: dict[int, int]) -> list[str]:
    """Return the names of the programs that a session started, and of theirs."""
    found, more = set(one.pids), True
    while more:
        below = {pid for pid, parent in parents.items() if parent in found} - found
        found, more = found | below, bool(below)
    names = {_text(PROC / str(pid) / "comm").strip()[:40] for pid in found - set(one.pids)}
    return sorted(names - {""})[:MOST_COMMANDS]


def end(sessions: list[Session], ports: set[int]) -> int:
    """End the connections; return how many ended. Those that do not end in time stay."""
    wanted = {one.peer for one in sessions}
    for number, seconds in ((signal.SIGTERM, PATIENCE_SECONDS), (signal.SIGKILL, FORCE_SECONDS)):
        for one in _sessions(ports):
            if one.peer in wanted:
                for pid in one.pids:
                    _signal(pid, one.peer, number, ports)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not wanted & {one.peer for one in _sessions(ports)}:
                return len(wanted)
            time.sleep(0.02)
    return len(wanted - {one.peer for one in _sessions(ports)})


def _signal(pid: int, peer: Peer, number: signal.Signals, ports: set[int]) -> None:
    """Signal a process if it still holds the connection: its number may be another's by now."""
    with contextlib.suppress(OSError):
        held = os.pidfd_open(pid)
        try:
            if any(pid in one.pids and one.peer == peer for one in _sessions(ports, only=pid)):
                signal.pidfd_send_signal(held, number)
        finally:
            os.close(held)


def _sessions(ports: set[int], only: int | None = None) -> list[Session]:
    """Return the connections that processes of sshd hold, but that of this very call."""
    peers, found = _peers(ports), dict[Peer, Session]()
    own = _ancestors()
    for pid in (int(each) for each in os.listdir(PROC) if each.isdigit()):
        if only not in (None, pid) or _program(pid) not in SSHD:
            continue
        for peer in {peers[inode] for inode in _sockets(pid) if inode in peers}:
            one = found.setdefault(peer, Session(peer, [], set()))
            one.pids.append(pid)
            one.uids.add(_uid(pid))
    return [one for one in found.values() if not own & set(one.pids)]


def _peers(ports: set[int]) -> dict[str, Peer]:
    """Return the client of each open connection to these ports, by the number of its socket."""
    found = {}
    for name in ("tcp", "tcp6"):
        for line in _text(PROC / "net" / name).splitlines()[1:]:
            part = line.split()
            if part[3] == ESTABLISHED and int(part[1].partition(":")[2], 16) in ports:
                address, _, port = part[2].partition(":")
                found[part[9]] = (_address(address), int(port, 16))
    return found


def _address(text: str) -> str:
    """Return an address of /proc/net as sshd logs it: words in the order of this machine."""
    raw = b"".join(
        int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)
    )
    if len(raw) == 4:
        return socket.inet_ntop(socket.AF_INET, raw)
    if raw[:12] == bytes(10) + b"\xff\xff":
        return socket.inet_ntop(socket.AF_INET, raw[12:])
    return socket.inet_ntop(socket.AF_INET6, raw)


def _program(pid: int) -> str:
    try:
        return os.path.basename(os.readlink(PROC / str(pid) / "exe").split(" (deleted)")[0])
    except OSError:
        return ""


def _sockets(pid: int) -> Iterator[str]:
    directory = PROC / str(pid) / "fd"
    with contextlib.suppress(OSError):
        for each in os.listdir(directory):
            with contextlib.suppress(OSError):
                found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(directory / each))
                if found:
                    yield found[1]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _uid(pid: int) -> int:
    found = re.search(r"^Uid:\t\d+\t(\d+)", _text(PROC / str(pid) / "status"), re.M)
    return int(found[1]) if found else -1


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name, which may hold anything."""
    return _text(PROC / str(pid) / "stat").rpartition(")")[2].split()


def _parents() -> dict[int, int]:
    pids = [int(each) for each in os.listdir(PROC) if each.isdigit()]
    return {pid: int(found[1]) for pid in pids if (found := _stat(pid))}


def _ancestors() -> set[int]:
    pid, found = os.getpid(), set[int]()
    while pid > 1:
        found.add(pid)
        fields = _stat(pid)
        pid = int(fields[1]) if fields else 0
    return found


def _since(pid: int) -> str:
    fields, boot = _stat(pid), re.search(r"^btime (\d+)", _text(PROC / "stat"), re.M)
    if not fields or not boot:
        return ""
    began = int(boot[1]) + int(fields[19]) // os.sysconf("SC_CLK_TCK")
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began))
