"""Load the settings with placeholder values: for help, `install_roles` and type checking.

The environment is ignored while they load, so that a wrong value cannot stop `--help`; then it is
restored for the command that runs.
"""

from __future__ import annotations

import os

from hitlportal.variables import VARIABLES

PLACEHOLDERS = {
    "HITL_PROCESS": "owner",
    "HITL_SECRET_KEY": "of no use to anyone, nothing is ever signed with it",
    "HITL_ORIGIN": "http://localhost:8000",
    # Nothing listens on port 1, so that an accidental connection fails at once.
    "HITL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "HITL_CACHE_URL": "redis://127.0.0.1:1/0",
    "HITL_BROKER_URL": "redis://127.0.0.1:1/0",
}

_kept = dict(os.environ)
try:
    for _name in VARIABLES:
        os.environ.pop(_name, None)
        os.environ.pop(f"{_name}_FILE", None)
    os.environ.update(PLACEHOLDERS)
    from hitlportal.settings import *  # noqa: F403
finally:
    os.environ.clear()
    os.environ.update(_kept)
