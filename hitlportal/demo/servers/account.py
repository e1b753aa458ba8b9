"""Under which account servers run, and where their files may lie.

PostgreSQL refuses to run as root. Started by root we therefore run it, and Valkey, as
`postgres` if that account exists, else as `nobody`; started by anyone else, as that user.
Root's home is closed to those accounts, so files move to where they can reach them.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hitlportal.demo.servers.errors import NoAccount

# Writable by root alone, so that nobody can put a directory of theirs in our way.
OUTSIDE_HOME = Path("/var/lib/hitlportal-demo")


@dataclass(frozen=True)
class Account:
    """A uid and gid for servers; `switch` says whether we have to change to it."""

    name: str
    uid: int
    gid: int
    switch: bool

    def popen_arguments(self) -> dict[str, object]:
        """Arguments for `subprocess` that run a program as this account."""
        if not self.switch:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def run(self, argv: Sequence[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a program to its end as this account and return what it said."""
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
        """Whether this account reaches and can execute the program."""
        try:
            return self.run([program, "--version"], Path("/")).returncode == 0
        except OSError:
            return False

    def can_reach(self, directory: Path) -> bool:
        """Whether this account can enter the directory (its owner and mode do not count)."""
        if not self.switch:
            return True
        # The parents decide: the directory itself will be given to the account.
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
    """What servers see of our environment: none of our secrets, none of libpq's variables."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}


def server_account() -> Account:
    """The account for servers; raises NoAccount when root finds none to change to."""
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
    """Make the home of one server, owned by its account, and return where it really is.

    Where the account cannot reach `wanted` (root's home is closed), the files lie below
    OUTSIDE_HOME and `wanted` is a link to them, so that a second start finds the same data.
    """
    wanted.parent.mkdir(parents=True, exist_ok=True)
    if not wanted.exists():
        if wanted.is_symlink():  # the data it pointed to are gone
            wanted.unlink()
        if account.can_reach(wanted):
            wanted.mkdir(mode=0o700)
        else:
            OUTSIDE_HOME.mkdir(parents=True, exist_ok=True)
            OUTSIDE_HOME.chmod(0o711)  # enter, not list, whatever the umask
            wanted.symlink_to(tempfile.mkdtemp(prefix=f"{wanted.name}-", dir=OUTSIDE_HOME))
    home = wanted.resolve()
    account.own(home, 0o700)
    return home


def remove_home(wanted: Path) -> None:
    """Delete the home of a stopped server, wherever it is."""
    home = wanted.resolve()
    if wanted.is_symlink():
        wanted.unlink()
    shutil.rmtree(home, ignore_errors=True)


def kept_secret(path: Path, account: Account) -> str:
    """The password in a 0600 file, made at random on first use."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
        account.own(path, 0o600)
    return path.read_text()
