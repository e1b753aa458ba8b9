"""Verify the locks: hashes for everything, no host, the same version of a package in all of them.

Part of `make check`. Hosts of package registries differ between machines; hashes do not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

PIN = re.compile(r"^([a-z0-9.-]+)(?:\[[a-z0-9,-]+\])?==(\S+)", re.MULTILINE)


def problems(root: Path) -> Iterator[str]:
    """Report what is wrong with `requirements*.txt` in this directory."""
    versions: dict[str, dict[str, str]] = {}
    for path in sorted(root.glob("requirements*.txt")):
        text = path.read_text(encoding="utf-8")
        if "://" in text:
            yield f"{path.name} names a host"
        entries = re.split(r"^(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE), flags=re.M)
        for entry in filter(None, entries):
            found = PIN.match(entry)
            if found is None:
                yield f"{path.name} pins no version: {entry.splitlines()[0]}"
            elif "--hash=sha256:" not in entry:
                yield f"{path.name} has no hash of {found[1]}"
            else:
                versions.setdefault(found[1], {})[path.name] = found[2]
    for name, pins in versions.items():
        if len(set(pins.values())) > 1:
            yield f"{name} has several versions: {pins}"


def main() -> int:
    """Return 0 when the locks are in order."""
    found = list(problems(Path()))
    for problem in found:
        print(f"{problem}; run `make lock`", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
