"""Run the deployment checks on a throw-away installation (part of `make check`).

Installs the portal as an operator would, asks for missing migrations, and runs
`manage.py check --deploy` as each process with its real login. A warning is a failure.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from hitlportal.demo.installation import Installation
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.errors import InstallationFailed, ServerError
from hitlportal.demo.servers.servers import NOT_DURABLE, Servers

# An https origin, as in production, so that Django's own checks of cookies and HSTS count too.
ORIGIN = "https://portal.example"
PROCESSES = ("web", "worker", "sequencer", "eraser")


def check(installation: Installation) -> None:
    """Install and check; prints one line a step, raises InstallationFailed."""
    print("== installing on a throw-away cluster", flush=True)
    installation.install()
    print("== are migrations complete?", flush=True)
    installation.manage("makemigrations", "--check", "--dry-run")
    for process in PROCESSES:
        print(f"== check --deploy as {process}", flush=True)
        said = installation.manage("check", "--deploy", "--fail-level", "WARNING", process=process)
        print(said.strip())


def main() -> int:
    """Return 0 when everything is as it should be."""
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-check-"))
    directory.chmod(0o711)  # started by root, servers run under another account
    servers = Servers(directory, settings=NOT_DURABLE)
    try:
        with servers:
            check(Installation(directory, servers, ORIGIN))
    except (InstallationFailed, ServerError) as problem:
        print(problem, file=sys.stderr)
        return 1
    finally:
        for server in (servers.portal, servers.target, servers.valkey):
            remove_home(server.home)
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
