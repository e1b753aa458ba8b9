"""Write sql/manifest.json anew, from a throw-away installation (`make manifest`).

To be run after every change of migrations, guards or grants; its diff shows the reviewer what
the database now says.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from hitlportal.demo.installation import Installation
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.errors import InstallationFailed, ServerError
from hitlportal.demo.servers.servers import NOT_DURABLE, Servers


def main() -> int:
    """Return 0 when the manifest is written."""
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-manifest-"))
    directory.chmod(0o711)  # started by root, servers run under another account
    servers = Servers(directory, settings=NOT_DURABLE)
    try:
        with servers:
            installation = Installation(directory, servers, "https://portal.example")
            installation.install()
            installation.manage("database_manifest", "--write")
    except (InstallationFailed, ServerError) as problem:
        print(problem, file=sys.stderr)
        return 1
    finally:
        for server in (servers.portal, servers.target, servers.valkey):
            remove_home(server.home)
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
