"""Run the simulated AWS account with every long-lived key of the case's real events.

The seed is made from the events alone and does not mark the compromised key.
"""

from __future__ import annotations

import json
import secrets
import string
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hitlportal import places
from hitlportal.demo.agent.reading import read
from hitlportal.demo.installation import inherited
from hitlportal.demo.servers import private
from hitlportal.demo.servers.ports import LOOPBACK, kept_port
from hitlportal.demo.servers.process import Child

LONG_LIVED = "AKIA"  # IAM: long-term keys of users (ASIA marks temporary ones)
ALPHABET = string.ascii_uppercase + string.digits


@dataclass(frozen=True)
class Key:
    """An access key of a user."""

    account: str
    user: str
    id: str

    @property
    def locator(self) -> str:
        return f"aws.iam.access_key:{self.account}/{self.user}/{self.id}"


def keys_of(case: Path) -> list[Key]:
    """Return the users' keys that signed a call in the case, each once, in order."""
    found = {}
    for record in read([case]).records:
        key = Key(
            record.text("userIdentity", "accountId"),
            record.text("userIdentity", "userName"),
            record.text("userIdentity", "accessKeyId"),
        )
        if key.id.startswith(LONG_LIVED) and key.user:
            found[key.id] = key
    return [found[name] for name in sorted(found)]


class Cloud:
    """A simulated account in one directory."""

    def __init__(self, directory: Path, case: Path) -> None:
        self.log = directory / "calls.log"
        self._directory = directory
        self._seed_file = directory / "seed.json"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._seed_file.exists():
            private.write(self._seed_file, json.dumps(_seed(keys_of(case)), indent=1))
        self._seed: dict[str, Any] = json.loads(self._seed_file.read_text(encoding="utf-8"))
        (self._account,) = self._seed["accounts"]
        self.port = 0

    @property
    def account(self) -> str:
        return str(self._account["account"])

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self, log: Path) -> Child:
        """Start the simulator; it may not listen yet when this returns."""
        self.port = kept_port(self._directory / "port", None)
        files = ("--seed", self._seed_file, "--log", self.log)
        state = ("--state", self._directory / "state.json")
        return Child(
            [sys.executable, "-m", "hitlportal.demo.servers.moto_server", "--port", str(self.port)]
            + [str(part) for part in (*files, *state)],
            log=log,
            cwd=places.START,
            env=inherited(),
        )

    def credentials(self, login: str) -> tuple[str, str]:
        """Return key id and secret of the account's `observer` or `operator`."""
        return str(self._account[login]["id"]), str(self._account[login]["secret"])

    def secret_of(self, key_id: str) -> str:
        """Return the secret of a user's key, as an intruder would hold it."""
        keys = (key for user in self._account["users"] for key in user["keys"])
        return str(next(key["secret"] for key in keys if key["id"] == key_id))

    def calls(self, name: str) -> list[dict[str, Any]]:
        """Return the calls of this name (e.g. `iam:UpdateAccessKey`) from the simulator's log."""
        if not self.log.exists():
            return []
        lines = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if line["call"] == name]


def _seed(keys: list[Key]) -> dict[str, Any]:
    (account,) = {key.account for key in keys}
    users: dict[str, list[dict[str, str]]] = {}
    for key in keys:
        users.setdefault(key.user, []).append({"id": key.id, "secret": secrets.token_urlsafe(30)})
    return {
        "accounts": [
            {
                "account": account,
                "users": [{"user": user, "keys": held} for user, held in users.items()],
                "observer": _login("hitl-observer"),
                "operator": _login("hitl-operator"),
            }
        ]
    }


def _login(user: str) -> dict[str, str]:
    key_id = LONG_LIVED + "".join(secrets.choice(ALPHABET) for _ in range(16))
    return {"user": user, "id": key_id, "secret": secrets.token_urlsafe(30)}
