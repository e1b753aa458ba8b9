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

ACCOUNT = "218007301253"
OTHER_ACCOUNT = "933175858973"
USERS = 60
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
            {"account": ACCOUNT, "users": users} | logins("1"),
            {"account": OTHER_ACCOUNT, "users": []} | logins("2"),
        ]
    }


def logins(digit: str) -> dict[str, dict[str, str]]:
    """Return an account's observer and operator."""
    return {
        name: {"user": f"hitl-{name}", "id": f"AKIA{name.upper()}{digit * 8}", "secret": name}
        for name in ("observer", "operator")
    }


@dataclass
class Moto:
    """A running simulator."""

    url: str
    log: Path
    state: Path
    process: subprocess.Popen[str]
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def user(self, *, active: bool = True) -> User:
        """Return an unused user whose key has this status."""
        number = next(self._numbers)
        assert number < USERS, "more users are needed in the seed"
        return user(number if active else USERS + number)

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
