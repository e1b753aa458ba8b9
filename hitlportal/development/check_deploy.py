"""Run the deployment checks on a throw-away installation (part of `make check`).

Installs the portal as an operator would, asks for missing migrations, and runs
`hitlportal check --deploy` as each process with its real login. A warning is a failure.
"""

from __future__ import annotations

import sys
from pathlib import Path

from audit import signing
from hitlportal.demo.installation import Installation
from hitlportal.development import throwaway
from remediation.domain.gate.approvers import Approvers

PROCESSES = ("web", "worker", "sequencer", "eraser", "operator")


def check(installation: Installation) -> None:
    """Install and check; print one line per step. Raises InstallationFailed."""
    print("== installing on a throw-away cluster", flush=True)
    installation.install()
    print("== are migrations complete?", flush=True)
    installation.manage("makemigrations", "--check", "--dry-run")
    files = _files(installation.passwords.parent)
    installation.manage("collectstatic", "--noinput", process="web", environment=files["web"])
    for process in PROCESSES:
        print(f"== check --deploy as {process}", flush=True)
        output = installation.manage(
            *("check", "--deploy", "--fail-level", "WARNING"),
            process=process,
            environment=files.get(process),
        )
        print(output.strip())


def _files(directory: Path) -> dict[str, dict[str, str]]:
    """Write what the processes read besides their database; return their settings."""
    key, vkey = signing.generate("portal.example/audit")
    secret = directory / "audit.key"
    secret.touch(mode=0o600)
    secret.write_text(key)
    for name, text in (
        ("approvers.json", Approvers(()).dump().decode()),
        ("targets.toml", ""),
        ("policy", f"log {vkey}\nquorum none\n"),
    ):
        file = directory / name
        file.touch(mode=0o600)
        file.write_text(text)
    log = {
        "HITL_AUDIT_POLICY_FILE": str(directory / "policy"),
        "HITL_AUDIT_HEAD_FILE": str(directory / "head"),
    }
    return {
        "web": {
            "HITL_AUDIT_POLICY_FILE": log["HITL_AUDIT_POLICY_FILE"],
            "HITL_STATIC_ROOT": str(directory / "static"),
        },
        "worker": log
        | {
            "HITL_APPROVERS_FILE": str(directory / "approvers.json"),
            "HITL_TARGETS_FILE": str(directory / "targets.toml"),
            # No mail server runs here.
            "HITL_EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
        },
        "sequencer": log | {"HITL_AUDIT_KEY": f"file:{secret}"},
    }


def main() -> int:
    """Return 0 when all checks pass."""
    return throwaway.use("check", check)


if __name__ == "__main__":
    sys.exit(main())
