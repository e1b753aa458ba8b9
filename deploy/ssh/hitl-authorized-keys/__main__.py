"""Read, remove and restore a key of an account, and end its sessions: docs/ssh.md.

    python3 -IS hitl-authorized-keys observe|operate CONFIG.json

A forced command of sshd, with Python's standard library alone (3.9 or later). The request is one
JSON object on standard input, the answer one on standard output: no word of it becomes a command,
and files and accounts are those that CONFIG names. `observe` only reads. `restore` puts back what
`remove` took out and nothing else, so the operator's login cannot let in a key of its own.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sessions
from files import Held, KeyFile, Refused
from lines import bare, digest, matches, read, split, with_back, without

MOST_REQUEST, MOST_LINES = 65_536, 50
LOCK_SECONDS, SSHD_SECONDS = 3.0, 5.0
Answer = dict[str, Any]


class Host:
    """What this host lets the worker do, and one request."""

    def __init__(self, config: dict[str, Any], asked: dict[str, Any]) -> None:
        self.account, self.key = str(asked.get("account")), str(asked.get("fingerprint"))
        files = config["accounts"].get(self.account)
        if files is None:
            raise Refused("account_not_listed")
        if sorted(files) != sorted(asked.get("files") or ()):
            raise Refused("other_files")
        if not re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", self.key):
            raise Refused("request")
        try:
            self.home, self.uid = pwd.getpwnam(self.account)[5], pwd.getpwnam(self.account)[2]
        except KeyError:
            raise Refused("no_such_account") from None
        self.files, self.config, self.asked = list(files), config, asked
        self.ports = set(config.get("ports") or [22])
        self.state, self.changed = Path(config["state"]), list[str]()

    # -- reading --------------------------------------------------------------------------------

    def read(self) -> Answer:
        answer: Answer = {
            "files": {path: self._file(path, KeyFile(path, self.uid).raw) for path in self.files}
        }
        answer["other_ways"] = self._other_ways()
        by_key, unknown, last = self._sessions() if self.config.get("logs") else (None, None, "")
        answer["sessions"] = None if by_key is None else sessions.told(by_key)
        answer["unknown"] = None if unknown is None else sessions.told(unknown)
        return {**answer, "last_use": last}

    def _file(self, path: str, raw: bytes) -> Answer:
        """Return the key's lines in a file, those that were taken out, and its certificates'."""
        own = [line for line in split(raw) if matches(line, self.key)]
        held = [] if own else [one.raw for one in self._held(path).read()[0]]
        every = [found for line in split(raw) if (found := read(line))]
        return {
            "lines": [digest(bare(line)) for line in own[:MOST_LINES]],
            "held": [digest(bare(line)) for line in held[:MOST_LINES]],
            "options": sorted({name for line in own + held for name in self._options(line)}),
            "authority": sum(each.fingerprint == self.key and not each.lets_in for each in every),
        }

    def _options(self, line: bytes) -> tuple[str, ...]:
        found = read(line)
        return found.options if found else ()

    def _held(self, path: str) -> Held:
        return Held(self.state, self.account, path, self.key)

    def _sessions(self) -> tuple[list[sessions.Session], list[sessions.Session], str]:
        log = sessions.read_log(self.config.get("logs") or [])
        by_key, unknown = sessions.of_account(self.account, self.uid, self.key, log, self.ports)
        return by_key, unknown, log.last.get((self.account, self.key), "")

    def _other_ways(self) -> list[str] | None:
        """Return what else sshd asks for keys of the account; None if that is not known."""
        if not self.config.get("sshd"):
            return None
        found: set[str] = set()
        for port in sorted(self.ports):
            said = self._asked_sshd(port)
            if said is None:
                return None
            names = ("authorizedkeyscommand", "trustedusercakeys")
            found |= {f"{n} {said[n]}" for n in names if said.get(n, "none") != "none"}
            for path in said.get("authorizedkeysfile", "none").split():
                whole = self._expanded(path)
                if path != "none" and whole not in self.files:
                    found.add(f"file {whole} (not looked at)")
        return sorted(each[:200] for each in found)

    def _asked_sshd(self, port: int) -> dict[str, str] | None:
        """Return what sshd says that it does for the account at a port; None if it does not."""
        about = f"user={self.account},host=,addr=,laddr=,lport={port}"
        try:
            done = subprocess.run(
                [*self.config["sshd"], "-T", "-C", about],
                capture_output=True, timeout=SSHD_SECONDS, check=True, text=True,
            )  # fmt: skip
        except (OSError, ValueError, subprocess.SubprocessError):
            return None
        return dict(line.partition(" ")[::2] for line in done.stdout.splitlines())

    def _expanded(self, path: str) -> str:
        values = {"%%": "%", "%h": self.home, "%u": self.account, "%U": str(self.uid)}
        whole = re.sub("%.", lambda found: values.get(found[0], found[0]), path)
        return os.path.normpath(os.path.join(self.home, whole))

    # -- changing -------------------------------------------------------------------------------

    def remove(self) -> Answer:
        """Take the key's lines out of each file; keep them; end its sessions if that is asked.

        Everything that can be refused is refused before the first file is changed. A crash after
        the lines are kept and before the file is replaced leaves the file; nothing has to be done.
        """
        ends = bool(self.asked.get("end_sessions") or self.asked.get("end_unknown"))
        if ends:
            self._refuse_without_log()
        files = [KeyFile(path, self.uid) for path in self.files]
        self._refuse_other_lines(files)
        for file in self._only(files):
            rest, taken = without(file.raw, self.key)
            if taken:
                self._held(file.path).write(taken, digest(rest))
                file.replace(rest)
                self.changed.append(file.path)
        return {"ended": self._end() if ends else 0}

    def restore(self) -> Answer:
        """Put the lines back that were taken out of the files, or of those that are named.

        A crash after the file is replaced leaves lines in the store that are in the file, too; they
        are not put back a second time.
        """
        files = [KeyFile(path, self.uid) for path in self.files]
        self._refuse_other_lines(files)
        files = self._only(files)
        for file in files:
            if not file.exists and self._held(file.path).read()[0]:
                raise Refused("file_gone", file.path)
        for file in files:
            held, left = self._held(file.path).read()
            if held and not without(file.raw, self.key)[1]:
                file.replace(with_back(file.raw, held, left))
                self.changed.append(file.path)
            self._held(file.path).forget()
        return {}

    def end(self) -> Answer:
        self._refuse_without_log()
        return {"ended": self._end()}

    def _refuse_without_log(self) -> None:
        if not self.config.get("logs"):
            raise Refused("log")
        sessions.read_log(self.config["logs"])

    def _end(self) -> int:
        by_key, unknown, _ = self._sessions()
        wanted = by_key if self.asked.get("end_sessions") else []
        more = unknown if self.asked.get("end_unknown") else []
        return sessions.end([*wanted, *more], self.ports)

    def _refuse_other_lines(self, files: list[KeyFile]) -> None:
        """Refuse if the key's lines are not those that people approved, where they are named."""
        wanted = self.asked.get("lines")
        seen = {file.path: self._file(file.path, file.raw) for file in files}
        now = {path: each["lines"] or each["held"] for path, each in seen.items()}
        if not any(now.values()):
            raise Refused("no_such_key")
        if wanted is not None and now != wanted:
            raise Refused("other_lines")

    def _only(self, files: list[KeyFile]) -> list[KeyFile]:
        """Return the files that the request names, or all."""
        only = self.asked.get("only") or self.files
        return [file for file in files if file.path in only]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no second call change something: in a directory that only this account can change."""
        seen = self.state.stat()
        if (
            seen.st_uid != os.geteuid()
            or seen.st_mode & 0o022
            or not os.access(self.state, os.W_OK)
        ):
            raise Refused("state_directory")
        with open(self.state / "lock", "ab") as file:
            until = time.monotonic() + LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise Refused("busy") from None
                    time.sleep(0.05)
            yield


def answer(role: str, config: dict[str, Any], asked: dict[str, Any]) -> Answer:
    """Return the answer to a request; what was changed before a refusal is said with it."""
    host: Host | None = None
    try:
        host = Host(config, asked)
        changing: dict[str, Callable[[], Answer]] = {
            "remove": host.remove, "restore": host.restore, "end": host.end
        }  # fmt: skip
        what = str(asked.get("do"))
        if what == "read":
            return {"done": what, **host.read()}
        if role != "operate" or what not in changing:
            raise Refused("not_allowed")
        with host.locked():
            return {"done": what, **changing[what](), "changed": host.changed}
    except Refused as refusal:
        said = {"refused": refusal.why, "file": refusal.file}
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = {"refused": "failed", "file": "", "error": type(error).__name__}
    return {**said, "changed": host.changed if host else []}


def main(role: str, config: str) -> None:
    os.umask(0o077)
    raw = sys.stdin.buffer.read(MOST_REQUEST + 1)
    try:
        asked = json.loads(raw) if len(raw) <= MOST_REQUEST else None
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        asked = {}
    json.dump(answer(role, json.loads(Path(config).read_bytes()), asked), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:3])
