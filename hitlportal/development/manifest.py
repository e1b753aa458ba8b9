"""Write sql/manifest.json anew, from a throw-away installation (`make manifest`).

To be run after every change of migrations, guards or grants; its diff shows the reviewer what
the database now says.
"""

from __future__ import annotations

import sys

from hitlportal.demo.installation import Installation
from hitlportal.development import throwaway


def write(installation: Installation) -> None:
    """Install, and keep what the database then holds. Raises InstallationFailed."""
    installation.install()
    installation.manage("database_manifest", "--write")


def main() -> int:
    """Return 0 when the manifest is written."""
    return throwaway.use("manifest", write)


if __name__ == "__main__":
    sys.exit(main())
