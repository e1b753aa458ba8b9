"""Settings of the project on the real servers of this test run.

The default connection is hitl_owner; a test acts as a process by `as_login`, which is SET ROLE on
that connection, or through the aliases web, worker and auditor, which are real logins of their
own and see only what was committed.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from tests.servers import addresses

_addresses = addresses()
_portal = urlsplit(_addresses.portal)


def login_url(login: str, name: str = "hitlportal") -> str:
    """Return the URL of a process login on the portal's cluster of this run."""
    return f"postgresql://{login}:{_addresses.password}@{_portal.hostname}:{_portal.port}/{name}"


os.environ.update(
    HITL_PROCESS="owner",
    HITL_SECRET_KEY="only for tests",
    HITL_ORIGIN="http://localhost:8000",
    HITL_ALLOWED_HOSTS="localhost,testserver",
    HITL_DATABASE_URL=login_url("hitl_owner"),
    HITL_CACHE_URL=_addresses.valkey,
    HITL_BROKER_URL=_addresses.valkey,
    HITL_ALLOW_TEST_ACTIONS="1",
    HITL_STATIC_FROM_SOURCE="1",
    HITL_EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend",
)

from hitlportal import env  # noqa: E402
from hitlportal.settings import *  # noqa: E402, F403
from hitlportal.settings import CACHES, DATABASES  # noqa: E402

for _alias in ("web", "worker", "auditor", "sequencer", "eraser", "operator"):
    DATABASES[_alias] = {**env.postgres(login_url(f"hitl_{_alias}")), "TEST": {"MIRROR": "default"}}
for _database in DATABASES.values():
    _database["CONN_MAX_AGE"] = 0
    # A test machine can stand still for minutes while the database's clock goes on.
    _options: Any = _database["OPTIONS"]
    _options["options"] = _options["options"].replace("timeout=60000", "timeout=600000")
# Each xdist worker counts and caches for itself, in a database of its own (0 is the broker's):
# `cache.clear()` empties the whole database, not just what has the prefix.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "gw-1").removeprefix("gw")
_number = 2 + int(_worker) % 14
CACHES["default"]["LOCATION"] = _addresses.valkey.rsplit("/", 1)[0] + f"/{_number}"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
