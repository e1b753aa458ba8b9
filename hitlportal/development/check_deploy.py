"""Run the deployment checks on a throw-away installation (part of `make check`).

Installs the portal as an operator would, asks for missing migrations, and runs
`hitlportal check --deploy` as each process with its real login. A warning is a failure.
"""

from __future__ import annotations

import sys

from hitlportal.demo.installation import Installation
from hitlportal.development import throwaway

PROCESSES = ("web", "worker", "sequencer", "eraser")


def check(installation: Installation) -> None:
    """Install and check; print one line per step. Raises InstallationFailed."""
    print("== installing on a throw-away cluster", flush=True)
    installation.install()
    print("== are migrations complete?", flush=True)
    installation.manage("makemigrations", "--check", "--dry-run")
    for process in PROCESSES:
        print(f"== check --deploy as {process}", flush=True)
        output = installation.manage(
            "check", "--deploy", "--fail-level", "WARNING", process=process
        )
        print(output.strip())


def main() -> int:
    """Return 0 when all checks pass."""
    return throwaway.use("check", check)


if __name__ == "__main__":
    sys.exit(main())
