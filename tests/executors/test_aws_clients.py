"""Clients of one session: each has its own credentials, and none come from the environment."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from remediation.executors import aws_sessions

FOREIGN = {
    "AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00000",
    "AWS_SECRET_ACCESS_KEY": "environment",
    "AWS_SESSION_TOKEN": "environment",
    "AWS_ACCOUNT_ID": "999999999999",
}
CONFIGURED = """\
[default]
role_arn = arn:aws:iam::999999999999:role/other
source_profile = default
credential_process = /bin/false
"""


@pytest.fixture(autouse=True)
def _own_session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let a session begin where the environment and the files offer credentials."""
    (tmp_path / "config").write_text(CONFIGURED, encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    aws_sessions._session.cache_clear()
    yield
    aws_sessions._session.cache_clear()


def client(key_id: str, secret: str, token: str | None = None) -> Any:
    return aws_sessions.client(
        "iam", key_id, secret, token, region="eu-central-1", endpoint_url=None, config=Config()
    )


def credentials(made: Any) -> tuple[str, str, str | None]:
    found = made._request_signer._credentials
    return found.access_key, found.secret_key, found.token


def test_each_client_has_its_own_credentials_and_no_others() -> None:
    observer, session, operator = client("A", "a"), client("B", "b", "token"), client("C", "c")
    assert credentials(observer) == ("A", "a", None)
    assert credentials(session) == ("B", "b", "token")
    assert credentials(operator) == ("C", "c", None)
    assert observer.meta.events is not session.meta.events


@pytest.mark.parametrize(("key_id", "secret"), [("", ""), ("A", ""), ("", "a")])
def test_without_credentials_there_is_no_client(key_id: str, secret: str) -> None:
    with pytest.raises(ValueError, match="credentials of its own"):
        client(key_id, secret)


def test_threads_share_the_session_and_not_credentials() -> None:
    made: dict[str, Any] = {}

    def make(name: str) -> None:
        made[name] = client(name, name.lower())

    threads = [threading.Thread(target=make, args=(f"K{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: credentials(one)[:2] for name, one in made.items()} == {
        f"K{number}": (f"K{number}", f"k{number}") for number in range(8)
    }


def test_a_child_that_was_forked_meanwhile_makes_its_own_session() -> None:
    """Celery forks; a lock that another thread held would never be free in the child."""
    with aws_sessions._Making.lock:
        pid = os.fork()
        if pid == 0:
            free = aws_sessions._Making.lock.acquire(blocking=False)
            os._exit(0 if free and aws_sessions._session.cache_info().currsize == 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
