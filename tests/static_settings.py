"""The settings with nothing behind them: for mypy and for commands that only read the code."""

from __future__ import annotations

import os

NOWHERE = {
    "HITL_PROCESS": "owner",
    "HITL_SECRET_KEY": "of no use to anyone, nothing is ever signed with it",
    "HITL_ORIGIN": "http://localhost:8000",
    # Port 1 is never listened on here: whoever connects by mistake fails at once.
    "HITL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "HITL_CACHE_URL": "redis://127.0.0.1:1/0",
    "HITL_BROKER_URL": "redis://127.0.0.1:1/0",
}
for name, value in NOWHERE.items():
    os.environ.setdefault(name, value)

from hitlportal.settings import *  # noqa: E402, F403
