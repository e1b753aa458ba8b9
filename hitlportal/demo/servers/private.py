"""Write files that only the demo, or the account of its servers, may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from hitlportal.demo.servers.account import Account


def write(path: Path, text: str) -> Path:
    """Write a 0600 file atomically; return its path."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
    return path


def kept(path: Path) -> str:
    """Return the random text in a 0600 file; create it on first use."""
    if not path.exists():
        write(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="ascii")


def kept_password(path: Path, account: Account) -> str:
    """Return the password in a 0600 file of the account; create it on first use."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
        account.own(path, 0o600)
    return path.read_text()
