"""Settings of the run that has the sample provider installed: a test database of its own."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

_name = f"test_hitlportal_acme_{os.getpid()}"
DATABASES["default"]["TEST"] = {"NAME": _name}
