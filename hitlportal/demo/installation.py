"""Install the portal on the demo's cluster: logins, tables, grants, environments of processes.

The steps are the commands that an operator runs, in the same order. Each runs in its own process
with the settings of that process.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hitlportal import places
from hitlportal.demo.servers.errors import InstallationFailed
from hitlportal.demo.servers.ports import LOOPBACK
from hitlportal.demo.servers.servers import Servers

DATABASE = "hitlportal"


class Installation:
    """The password files and the secret key of one demo directory.

    `servers` must be running. `extra` is added to the environment of every process.
    """

    def __init__(
        self, directory: Path, servers: Servers, origin: str, extra: Mapping[str, str] | None = None
    ) -> None:
        self.passwords = directory / "passwords"
        self._secret_key = directory / "secret_key"
        self._servers = servers
        self._origin = origin
        self._extra = dict(extra or {})
        if not self._secret_key.exists():
            self._secret_key.touch(mode=0o600)
            self._secret_key.write_text(secrets.token_urlsafe(64))

    def install(self) -> None:
        """Create logins, database, tables and grants; idempotent. Raises InstallationFailed."""
        superuser = {"HITL_SUPERUSER_DATABASE_URL": self._servers.portal.superuser_dsn()}
        self.manage(
            *("install_roles", "--passwords", str(self.passwords), "--database", DATABASE),
            environment=superuser,
        )
        self.manage("migrate", "--verbosity", "1")
        self.manage("install_grants")

    def environment(self, process: str) -> dict[str, str]:
        """Return the complete environment of one process, with the login of this process only."""
        values = {
            **inherited(),
            "HITL_PROCESS": process,
            "HITL_SECRET_KEY_FILE": str(self._secret_key),
            "HITL_ORIGIN": self._origin,
            "HITL_CACHE_URL": self._servers.valkey.url(1),
            "HITL_BROKER_URL": self._servers.valkey.url(0),
            **self._extra,
        }
        if self.passwords.is_dir():
            values["HITL_DATABASE_URL"] = self.login_url(process)
            if process == "web":  # it also serves the auditors' pages
                values["HITL_AUDITOR_DATABASE_URL"] = self.login_url("auditor")
        return values

    def login_url(self, process: str) -> str:
        """Return the database URL of a process or of the auditor."""
        login = f"hitl_{process}"
        return self._url(login, (self.passwords / login).read_text().strip())

    def manage(
        self, *arguments: str, process: str = "owner", environment: Mapping[str, str] | None = None
    ) -> str:
        """Run a command of manage.py and return its output.

        Raises InstallationFailed with the output if the command fails.
        """
        done = subprocess.run(
            places.command(*arguments),
            cwd=places.START,
            env={**self.environment(process), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            named = " ".join(arguments[:2])
            raise InstallationFailed(f"manage.py {named} as {process} failed:\n{done.stdout}")
        return done.stdout

    def _url(self, login: str, password: str) -> str:
        port = self._servers.portal.port
        return f"postgresql://{login}:{password}@{LOOPBACK}:{port}/{DATABASE}"


def inherited() -> dict[str, str]:
    """Return the variables that every process inherits: paths and locale, no setting."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")
    return {name: os.environ[name] for name in kept if name in os.environ}
