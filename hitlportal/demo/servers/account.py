"""Choose the account that servers run under, and a place for their files.

PostgreSQL refuses to run as root. When root starts the demo, servers run as `postgres` if that
account exists, else as `nobody`; otherwise they run as the current user. Those accounts cannot
enter root's home, so their files are then kept elsewhere.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hitlportal.demo.servers.errors import NoAccount

# Only root can write here, so no other account can plant a directory.
OUTSIDE_HOME = Path("/var/lib/hitlportal-demo")


@dataclass(frozen=True)
class Account:
    """A uid and gid for servers; `switch` is true when processes must change to it."""

    name: str
    uid: int
    gid: int
    switch: bool

    def popen_arguments(self) -> dict[str, object]:
        """Return arguments for `subprocess` that run a program as this account."""
        if not self.switch:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def run(self, argv: Sequence[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a program as this account and return the completed process."""
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            [str(part) for part in argv],
            cwd=cwd,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **self.popen_arguments(),
        )

    def can_run(self, program: Path) -> bool:
        """Return whether this account can execute the program."""
        try:
            return self.run([program, "--version"], Path("/")).returncode == 0
        except OSError:
            return False

    def can_reach(self, directory: Path) -> bool:
        """Return whether this account can enter all parents of the directory."""
        if not self.switch:
            return True
        # The directory itself does not matter: the account becomes its owner.
        return all(self._may_enter(parent) for parent in directory.absolute().parents)

    def _may_enter(self, directory: Path) -> bool:
        status = directory.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & 0o100)
        if status.st_gid == self.gid:
            return bool(status.st_mode & 0o010)
        return bool(status.st_mode & 0o001)

    def own(self, path: Path, mode: int) -> None:
        """Give a file or directory to this account."""
        if self.switch:
            os.chown(path, self.uid, self.gid)
        path.chmod(mode)


def clean_environment() -> dict[str, str]:
    """Return the environment of servers: no secrets, no variables of libpq."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}


def server_account() -> Account:
    """Return the account for servers. Raises NoAccount when root finds none to change to."""
    if os.geteuid() != 0:
        return Account(pwd.getpwuid(os.geteuid()).pw_name, os.geteuid(), os.getegid(), False)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, True)
    raise NoAccount("neither `postgres` nor `nobody` exists, and PostgreSQL refuses root")


def server_home(wanted: Path, account: Account) -> Path:
    """Create the home directory of one server, owned by its account, and return its real path.

    If the account cannot reach `wanted` (below root's home), the files are kept below OUTSIDE_HOME
    and `wanted` links to them, so that a second start finds the same data.
    """
    wanted.parent.mkdir(parents=True, exist_ok=True)
    if not wanted.exists():
        if wanted.is_symlink():  # its target was deleted
            wanted.unlink()
        if account.can_reach(wanted):
            wanted.mkdir(mode=0o700)
        else:
            OUTSIDE_HOME.mkdir(parents=True, exist_ok=True)
            OUTSIDE_HOME.chmod(0o711)  # enter but not list, independent of the umask
            wanted.symlink_to(tempfile.mkdtemp(prefix=f"{wanted.name}-", dir=OUTSIDE_HOME))
    home = wanted.resolve()
    account.own(home, 0o700)
    return home


def remove_home(wanted: Path) -> None:
    """Delete the home of a stopped server, and the link to it."""
    home = wanted.resolve()
    if wanted.is_symlink():
        wanted.unlink()
    shutil.rmtree(home, ignore_errors=True)
