"""`python -m audit.verifier OUT`: write the verifier as one file that needs only Python.

The members are the very source files of `audit.tlog` and the product's rules beside them; the same
source gives the same bytes.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from audit.tlog import rules

ROOT = Path(__file__).resolve().parent
# Exit status 2: nothing was verified.
MAIN = b"""import sys

if sys.version_info < (3, 10):
    sys.stderr.write("audit-verify: needs Python 3.10 or newer\\n")
    sys.exit(2)
from audit.tlog.__main__ import main

sys.exit(main())
"""
# The earliest time that a zip archive can store.
EPOCH = (1980, 1, 1, 0, 0, 0)


def members() -> dict[str, bytes]:
    """Return the members of the file by name."""
    tlog = ROOT / "tlog"
    sources = [ROOT / "__init__.py", *sorted(tlog.glob("*.py")), tlog / rules.FILE]
    found = {f"audit/{path.relative_to(ROOT).as_posix()}": path.read_bytes() for path in sources}
    return {**found, "__main__.py": MAIN}


def build(out: Path) -> None:
    """Write the verifier to a file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in sorted(members().items()):
                archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
    out.chmod(0o755)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
