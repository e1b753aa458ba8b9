"""Write sql/manifest.json from a throw-away installation (`make manifest`).

Run it after every change of migrations, guards or grants. Its diff shows the reviewer what changed
in the database.
"""

from __future__ import annotations

import sys

from hitlportal.demo.installation import Installation
from hitlportal.development import throwaway


def write(installation: Installation) -> None:
    """Install, and write the manifest of the new database. Raises InstallationFailed."""
    installation.install()
    installation.manage("database_manifest", "--write")


def main() -> int:
    """Return 0 when the manifest is written."""
    return throwaway.use("manifest", write)


if __name__ == "__main__":
    sys.exit(main())
