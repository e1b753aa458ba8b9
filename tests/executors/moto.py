"""Run the simulated AWS as a separate process, with new users for each test."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.config import Config

from remediation.executors import aws_sessions

ACCOUNT = "218007301253"
BUCKET = "trail-logs"
OTHER_ACCOUNT = "933175858973"
# As many as the tests of one process take, which share a simulator.
USERS = 200
LONE, SLOW = 120, 10
# Longer than making and delivering a key takes on a busy machine, shorter than a call's patience.
SLOW_SECONDS = 8
# Who administers the account in tests: an owner, an intruder, a colleague.
ADMIN = {"user": "admin", "id": "AKIAADMIN00000000001", "secret": "admin"}
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class User:
    """A seeded user with a key under test (known secret) and a second key."""

    name: str
    key: str
    second_key: str
    secret: str = "secret-of-the-user"


def user(number: int) -> User:
    # As in the real cases, these ids do not encode an account (moto's own ids do).
    return User(f"robot-{number}", f"AKIATESTKEY{number:09}", f"AKIASECOND0{number:09}")


def lone(number: int) -> User:
    """Return a user with one key, which was used long ago; `slow` ones are refused while fresh."""
    name = f"lone-{number}" if number < LONE else f"slow-{number}"
    return User(name, f"AKIALONEKEY{number:09}", "")


def lone_users() -> list[dict[str, Any]]:
    """Return the seed of the users with one key."""
    return [
        {
            "user": lone(number).name,
            "may": ["iam:ListAccountAliases"],
            "keys": [
                {
                    "id": lone(number).key,
                    "secret": lone(number).secret,
                    "created": "2023-07-10T11:40:00Z",
                    "last_used": "2026-11-01T08:00:00Z",
                }
            ],
            **({"refuses_fresh_s": SLOW_SECONDS} if number >= LONE else {}),
        }
        for number in range(LONE + SLOW)
    ]


def seed(number_of_users: int = USERS) -> dict[str, Any]:
    """Return the seed: active users first, then as many with an inactive key."""
    users = [
        {
            "user": user(number).name,
            "keys": [
                {
                    "id": user(number).key,
                    "status": "Active" if number < number_of_users else "Inactive",
                    "secret": user(number).secret,
                    "created": "2023-07-10T11:40:00Z",
                },
                {"id": user(number).second_key},
            ],
        }
        for number in range(2 * number_of_users)
    ]
    return {
        "accounts": [
            {"account": ACCOUNT, "users": [*users, *lone_users()], "admin": ADMIN}
            | {"buckets": [BUCKET]}
            | logins("1"),
            {"account": OTHER_ACCOUNT, "users": []} | logins("2"),
        ]
    }


def logins(digit: str) -> dict[str, dict[str, str]]:
    """Return the logins of an account."""
    return {
        name: {"user": f"hitl-{name}", "id": f"AKIA{name.upper()}".ljust(20, digit), "secret": name}
        for name in ("observer", "operator", "assumer")
    }


@dataclass
class Moto:
    """A running simulator."""

    url: str
    log: Path
    state: Path
    process: subprocess.Popen[str]
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _lone: Iterator[int] = field(default_factory=itertools.count)
    _slow: Iterator[int] = field(default_factory=lambda: itertools.count(LONE))

    def user(self, *, active: bool = True) -> User:
        """Return an unused user whose key has this status."""
        number = next(self._numbers)
        assert number < USERS, "more users are needed in the seed"
        return user(number if active else USERS + number)

    def lone_user(self, *, slow: bool = False) -> User:
        """Return an unused user with one key."""
        number = next(self._slow if slow else self._lone)
        assert number < (LONE + SLOW if slow else LONE), "more users are needed in the seed"
        return lone(number)

    def client(self, key: str, secret: str, service: str = "iam", app: str = "") -> Any:
        """Return a client of somebody else than the portal."""
        config = Config(user_agent_appid=app or None, retries={"total_max_attempts": 1})
        return aws_sessions.client(
            service, key, secret, region="us-east-1", endpoint_url=self.url, config=config
        )

    def admin(self, service: str = "iam") -> Any:
        """Return a client that may do everything in the account."""
        return self.client(ADMIN["id"], ADMIN["secret"], service)

    def keys_of(self, name: str) -> dict[str, str]:
        """Return the status of each key of a user, asked by the administrator."""
        listed = self.admin().list_access_keys(UserName=name)["AccessKeyMetadata"]
        return {each["AccessKeyId"]: each["Status"] for each in listed}

    def lines_of(self, name: str) -> list[dict[str, Any]]:
        """Return the calls about a user in the target's own log, without the administrator's."""
        admin = ADMIN["id"]
        lines = [line for line in self.lines() if line["key"] != admin]
        return [line for line in lines if line["parameters"].get("UserName") == name]

    def lines(self, key: str = "") -> list[dict[str, Any]]:
        """Return the target's own log, optionally of one key."""
        if not self.log.exists():
            return []
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if not key or line["parameters"].get("AccessKeyId") == key]

    def keys(self) -> dict[str, Any]:
        """Return every key of every account from the simulator's state."""
        held: dict[str, Any] = json.loads(self.state.read_text())
        return held


@contextmanager
def running(directory: Path, seeded: dict[str, Any] | None = None) -> Iterator[Moto]:
    """Start the simulator on a free port; SIGTERM ends it."""
    (directory / "seed.json").write_text(json.dumps(seeded or seed()))
    log, state = directory / "aws.log", directory / "aws.state"
    files: list[str | Path] = ["--seed", directory / "seed.json", "--log", log, "--state", state]
    process = subprocess.Popen(
        [sys.executable, "-m", "hitlportal.demo.servers.moto_server", "--port", "0", *files],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        banner = process.stdout.readline()
        assert "simulated" in banner, banner
        yield Moto(banner.split()[-1], log, state, process)
    finally:
        process.terminate()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()
