"""Provide a developers' tool with a portal on its own servers, and remove it afterwards."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from hitlportal.demo.installation import Installation
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.errors import InstallationFailed, ServerError
from hitlportal.demo.servers.servers import NOT_DURABLE, Servers

# An https origin, as in production, so that Django's checks of cookies and HSTS apply.
ORIGIN = "https://portal.example"


def use(name: str, work: Callable[[Installation], None]) -> int:
    """Start servers, do the work, remove everything; return 0, or 1 with the reason on stderr.

    ``work`` must install the portal first. A kill leaves a directory in the temporary one; the
    kernel ends the servers.
    """
    directory = Path(tempfile.mkdtemp(prefix=f"hitlportal-{name}-"))
    directory.chmod(0o711)  # started by root, servers run under another account
    servers = Servers(directory, settings=NOT_DURABLE)
    try:
        with servers:
            work(Installation(directory, servers, ORIGIN))
    except (InstallationFailed, ServerError) as problem:
        print(problem, file=sys.stderr)
        return 1
    finally:
        for server in (servers.portal, servers.target, servers.valkey):
            remove_home(server.home)
        shutil.rmtree(directory, ignore_errors=True)
    return 0
