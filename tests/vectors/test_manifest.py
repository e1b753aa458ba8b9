"""Stored vectors are append-only: none is rewritten, none is removed.

What was signed once must verify for ever, so a vector that was committed once stays as it is.
MANIFEST holds the SHA-256 of each file below tests/vectors, those of other projects too. The tests
that read the vectors verify old ones with the code of today.

To add a vector: store it under a new name (with `python -m tests.vectors.make`, or by hand), run
`python -m tests.vectors.test_manifest`, and commit the file with its new line. This only appends.
A line that changes or vanishes means that a stored vector was changed: take the change back, and
give the new form a new name.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
MANIFEST = HERE / "MANIFEST"
# Python code and notes beside the vectors may change.
CODE = {".py", ".pyc", ".md"}


def stored() -> dict[str, str]:
    """The digest of each vector by its path below tests/vectors."""
    return {
        path.relative_to(HERE).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted(HERE.rglob("*"))
        if path.is_file() and path.suffix not in CODE and path != MANIFEST
    }


def listed() -> dict[str, str]:
    """Read the manifest's digests, in the format of `sha256sum`."""
    lines = MANIFEST.read_text(encoding="utf-8").splitlines()
    pairs = [line.split("  ", 1) for line in lines]
    found = {name: digest for digest, name in pairs}
    assert len(found) == len(lines), "a vector is listed twice"
    return found


def test_no_stored_vector_was_rewritten_or_removed() -> None:
    now = stored()
    changed = {name for name, digest in listed().items() if now.get(name) != digest}
    assert not changed, f"rewritten or removed: {sorted(changed)}"


def test_every_stored_vector_is_in_the_manifest() -> None:
    missing = stored().keys() - listed().keys()
    assert not missing, f"run python -m tests.vectors.test_manifest for {sorted(missing)}"


def append() -> None:
    """Append new vectors to the manifest; keep the listed lines."""
    known = listed() if MANIFEST.exists() else {}
    new = {name: digest for name, digest in stored().items() if name not in known}
    with MANIFEST.open("a", encoding="utf-8") as file:
        file.writelines(f"{digest}  {name}\n" for name, digest in new.items())


if __name__ == "__main__":
    append()
