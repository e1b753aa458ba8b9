"""What every worker does when it starts."""

from __future__ import annotations

import os
import subprocess
import sys

START = """
import resource
from celery.signals import celeryd_init
import hitlportal.celery
resource.setrlimit(resource.RLIMIT_CORE, (4096, resource.getrlimit(resource.RLIMIT_CORE)[1]))
celeryd_init.send(sender="work@host")
print(resource.getrlimit(resource.RLIMIT_CORE))
"""


def test_a_worker_that_crashes_leaves_no_core_file_with_credentials() -> None:
    done = subprocess.run(
        [sys.executable, "-c", START],
        env={**os.environ, "HITL_PROCESS": "beat"},  # needs no settings
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "(0, 0)", done.stderr
