"""Files that only the demo's own account may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write(path: Path, text: str) -> Path:
    """Write a 0600 file, whole or not at all; returns its path."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
    return path


def kept(path: Path) -> str:
    """The random text in a 0600 file, made on first use."""
    if not path.exists():
        write(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="ascii")
