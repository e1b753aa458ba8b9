"""Build the environment of each demo process: its own login, secrets and files."""

from __future__ import annotations

import sys
from pathlib import Path

from hitlportal.demo import banners
from hitlportal.demo.installation import Installation, inherited
from hitlportal.demo.servers import private
from hitlportal.demo.servers.auditlog import AuditLog
from hitlportal.demo.servers.broker import BROKER, CACHE, Broker
from hitlportal.demo.servers.cloud import Cloud
from hitlportal.demo.servers.ledger import OBSERVER, OPERATOR, TICKET, Ledger
from hitlportal.demo.servers.store import FileStore
from hitlportal.demo.story import CLUSTER, PLACE, ROTATED, STORE

REGION = "us-east-1"

TARGETS = """\
# Where this worker's targets are. Credentials that change something are read from their files
# only inside a call that carries a clearance.
[postgres.{cluster}]
observe_dsn_file = "{observe_dsn}"
operate_dsn_file = "{operate_dsn}"
ticket_dsn_file = "{ticket_dsn}"
# A minimum: the web process writes the inventory, so the worker does not rely on it alone.
environment = "production"

[aws."{account}"]
region = "{region}"
endpoint_url = "{endpoint}"
simulated = true
environment = "production"
observe_access_key_id = "{observe_id}"
observe_secret_access_key_file = "{observe_secret}"
operate_access_key_id = "{operate_id}"
operate_secret_access_key_file = "{operate_secret}"

# Where programs of the ledger read their passwords. The worker delivers new ones there, for these
# roles only.
[store.{store}]
kind = "file"
directory = "{store_directory}"

[store.{store}.allow]
"postgres.role:{cluster}/{rotated}" = ["{place}"]
"""


class Settings:
    """The environments and the files they name, below one directory."""

    def __init__(
        self, directory: Path, installation: Installation, broker: Broker, log: AuditLog
    ) -> None:
        self.approvers = directory / "worker" / "approvers.json"
        self.targets = directory / "worker" / "targets.toml"
        # Static files are served from the source; whitenoise still needs the directory to exist.
        self._static = directory / "static"
        self._static.mkdir(exist_ok=True)
        self._directory = directory
        self._installation = installation
        self._broker = broker
        self._log = log

    def web(self) -> dict[str, str]:
        """Return the web's environment: sessions, auditor's login; no targets or approvers."""
        shown = {"HITL_BANNERS_FILE": str(banners.write(self._directory / "web" / "banners.json"))}
        return self._process("web") | shown | self._log.web()

    def worker(self) -> dict[str, str]:
        """Return a worker's environment: targets, approvers, a secret key for no session."""
        return self._process("worker") | {
            "HITL_APPROVERS_FILE": str(self.approvers),
            "HITL_TARGETS_FILE": str(self.targets),
            "HITL_EMAIL_BACKEND": "hitlportal.demo.mail.EmailBackend",
            "HITL_EMAIL_FILE_PATH": str(self._directory / "mail"),
            **self._log.worker(),
        }

    def sequencer(self) -> dict[str, str]:
        """Return the sequencer's environment: its login and the log's key, no broker, no cache."""
        return self._alone("sequencer") | self._log.sequencer()

    def operator(self) -> dict[str, str]:
        """Return the environment of operators' commands about people: their login alone."""
        return self._alone("operator")

    def beat(self) -> dict[str, str]:
        """Return beat's environment: the broker's address only."""
        return inherited() | {
            "HITL_PROCESS": "beat",
            "HITL_BROKER_URL": self._broker.url("beat", BROKER),
            "HITL_BEAT_SCHEDULE": str(self._directory / "beat-schedule"),
        }

    def write_targets(self, ledger: Ledger, cloud: Cloud, store: FileStore, *sections: str) -> None:
        """Write the worker's targets file and the secret files it names; ``sections``: of the
        targets that state theirs themselves."""
        worker = self.targets.parent
        ids, files = {}, {}
        for login in ("observer", "operator"):
            ids[login], secret = cloud.credentials(login)
            files[login] = private.write(worker / f"aws-{login}.secret", secret)
        text = TARGETS.format(
            cluster=CLUSTER,
            observe_dsn=ledger.dsn_file(OBSERVER),
            operate_dsn=ledger.dsn_file(OPERATOR),
            ticket_dsn=ledger.dsn_file(TICKET),
            account=cloud.account,
            region=REGION,
            endpoint=cloud.url,
            observe_id=ids["observer"],
            observe_secret=files["observer"],
            operate_id=ids["operator"],
            operate_secret=files["operator"],
            store=STORE,
            store_directory=store.directory,
            rotated=ROTATED,
            place=PLACE,
        )
        private.write(self.targets, "\n".join((text, *sections)))

    def _alone(self, name: str) -> dict[str, str]:
        kept = ("HITL_PROCESS", "HITL_ORIGIN", "HITL_DATABASE_URL")
        whole = self._installation.environment(name)
        return inherited() | {name: whole[name] for name in kept}

    def _process(self, name: str) -> dict[str, str]:
        secret_key = self._directory / name / "secret_key"
        private.kept(secret_key)
        return self._installation.environment(name) | {
            "HITL_SECRET_KEY_FILE": str(secret_key),
            "HITL_CACHE_URL": self._broker.url(name, CACHE),
            "HITL_BROKER_URL": self._broker.url(name, BROKER),
            "HITL_STATIC_FROM_SOURCE": "1",
            "HITL_STATIC_ROOT": str(self._static),
            "HITL_LOG_LEVEL": "INFO",
        }


def python(*arguments: str | Path) -> list[str]:
    """Return a command line of the running Python."""
    return [sys.executable, *(str(argument) for argument in arguments)]
