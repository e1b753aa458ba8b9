"""Set up the audit log's keys and files, and a witness that represents another machine.

Only the sequencer holds the log's signing key. The witness has its own directory and neither login
nor settings of the portal. It remembers the last head and cosigns only heads that extend it; the
worker executes nothing without this cosignature.
"""

from __future__ import annotations

from pathlib import Path

from audit import signing
from audit.tlog.note import COSIGNATURE
from hitlportal import places
from hitlportal.demo.installation import inherited
from hitlportal.demo.servers import private
from hitlportal.demo.servers.ports import LOOPBACK, kept_port

ORIGIN = "hitlportal.demo/audit"
WITNESS = "auditor.demo/witness"


class AuditLog:
    """The sequencer's, the witness's and the public files below one directory."""

    def __init__(self, directory: Path) -> None:
        self._sequencer = directory / "sequencer"
        self._witness = directory / "witness"
        self.policy = directory / "audit-policy"
        self.worker_head = directory / "worker" / "audit-head"
        for folder in (self._sequencer, self._witness):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.key = _kept_key(self._sequencer / "key", ORIGIN)
        self.witness_key = _kept_key(self._witness / "key", WITNESS, COSIGNATURE)
        self._port = kept_port(self._witness / "port", None)
        private.write(
            self.policy,
            f"log {self.key}\n"
            f"witness auditor {self.witness_key} http://{LOOPBACK}:{self._port}\n"
            "quorum auditor\n",
        )

    def witness_size(self) -> int:
        """Return the size of the last head that the witness cosigned."""
        (found,) = self._witness.glob("heads/*.note")
        return int(found.read_text(encoding="utf-8").split("\n")[1])

    def sequencer(self) -> dict[str, str]:
        """Return the sequencer's settings (without its login)."""
        return {
            "HITL_AUDIT_KEY": f"file:{self._sequencer / 'key'}",
            "HITL_AUDIT_HEAD_FILE": str(self._sequencer / "head"),
            "HITL_AUDIT_POLICY_FILE": str(self.policy),
        }

    def worker(self) -> dict[str, str]:
        """Return a worker's settings: trusted keys, and the file with the last head."""
        return {
            "HITL_AUDIT_POLICY_FILE": str(self.policy),
            "HITL_AUDIT_HEAD_FILE": str(self.worker_head),
        }

    def web(self) -> dict[str, str]:
        """Return the web's settings: the worker's trusted keys, shown on the auditors' pages."""
        return {"HITL_AUDIT_POLICY_FILE": str(self.policy)}

    def witness(self) -> tuple[list[str], dict[str, str]]:
        """Return the command line and the environment of the witness."""
        command = places.command(
            "audit_witness",
            *("--listen", f"{LOOPBACK}:{self._port}"),
            *("--key", self._witness / "key"),
            *("--log", self.key),
            *("--state", self._witness / "heads"),
        )
        return command, inherited()


def _kept_key(path: Path, name: str, algorithm: int | None = None) -> str:
    """Return the public key; create the key pair on first use."""
    public = path.with_name("vkey")
    if not path.exists():
        kind = {} if algorithm is None else {"algorithm": algorithm}
        secret, vkey = signing.generate(name, **kind)
        private.write(path, secret + "\n")
        private.write(public, vkey + "\n")
    return public.read_text(encoding="utf-8").strip()
