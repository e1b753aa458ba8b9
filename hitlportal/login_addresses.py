"""Write each process's address of the database, as `install_roles` makes its login.

A process wants a URL in a file of its own, `DIR/<process>/<VARIABLE>`; a bare password that a
person has to put into one by hand is put into the wrong one, or with a character that has to be
quoted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

# login -> the process that has it, and the setting that names it
FILES = {
    "hitl_owner": ("owner", "HITL_DATABASE_URL"),
    "hitl_web": ("web", "HITL_DATABASE_URL"),
    "hitl_worker": ("worker", "HITL_DATABASE_URL"),
    "hitl_sequencer": ("sequencer", "HITL_DATABASE_URL"),
    "hitl_auditor": ("web", "HITL_AUDITOR_DATABASE_URL"),
    "hitl_eraser": ("eraser", "HITL_DATABASE_URL"),
    "hitl_operator": ("operator", "HITL_DATABASE_URL"),
}


def place_of(superuser: str) -> str:
    """Return HOST or HOST:PORT of a superuser's address; "" for one over a Unix socket."""
    return urlsplit(superuser).netloc.rpartition("@")[2]


def write(
    directory: Path, passwords: Mapping[str, str], place: str, database: str
) -> Iterator[str]:
    """Write the files that are missing, mode 0400; return what was done with each, a line a piece.

    A file that is there is kept: somebody may have changed its host or its options. A crash leaves
    no half file, because each is renamed into place.
    """
    for login, password in passwords.items():
        process, variable = FILES[login]
        file = directory / process / variable
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if file.exists():
            has = urlsplit(file.read_text("utf-8").strip())
            same = (has.username, has.password) == (login, quote(password, safe=""))
            yield f"kept {file}" + ("" if same else ", though it has another login or password")
            continue
        url = f"postgresql://{login}:{quote(password, safe='')}@{place}/{database}"
        _write(file, url)
        yield f"wrote {file}"


def _write(file: Path, url: str) -> None:
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(url)
    part.rename(file)
