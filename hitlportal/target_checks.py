"""Check the worker's targets file, and the libraries that it needs (`hitlportal check --deploy`).

The web process holds no targets file; only the worker loads executors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register("targets", deploy=True)
def check_targets(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report a targets file that cannot be used, and each library of it that is not installed."""
    if settings.PROCESS != "worker" or not settings.TARGETS_FILE:
        return []
    from remediation.executors import libraries
    from remediation.executors.section import TargetsFileInvalid
    from remediation.executors.targets import Targets

    try:
        targets = Targets.load(Path(settings.TARGETS_FILE), portal_system_identifier=None)
    except TargetsFileInvalid as error:
        hint = "docs/operate/targets.md says what stands in it."
        return [Error(error.detail or error.message, hint=hint, id="hitlportal.E014")]
    hint = "Until it is installed, no step runs at these targets."
    return [Error(line, hint=hint, id="hitlportal.E015") for line in libraries.missing(targets)]
