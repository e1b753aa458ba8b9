"""The pseudo language, and people in front of pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from tests.language import pseudo
from tests.views.conftest import (  # noqa: F401  (fixtures)
    _fresh_counters,
    _static_root,
    browser_of,
    world,
)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pseudo.install(tmp_path_factory.mktemp("locale"))


@pytest.fixture
def speaks(made: Path, settings: Settings) -> None:
    """The portal with the pseudo language beside English."""
    settings.LANGUAGES = [("en", "English"), (pseudo.CODE, "Pseudo")]
    settings.LOCALE_PATHS = [made, *django_settings.LOCALE_PATHS]
