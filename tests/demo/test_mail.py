"""The demo's mail holds one-time codes: nobody else on the machine reads it."""

from __future__ import annotations

import stat
from pathlib import Path

from django.core.mail import EmailMessage
from pytest_django import Settings

from hitlportal.demo.mail import EmailBackend


def test_mail_files_are_their_owners_alone(tmp_path: Path, settings: Settings) -> None:
    settings.EMAIL_FILE_PATH = str(tmp_path)
    backend = EmailBackend()
    letter = EmailMessage("Your code", "AAAAA-BBBBB", "portal@example.org", ["ann@example.org"])
    assert backend.send_messages([letter, letter]) == 2
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text(encoding="utf-8").count("AAAAA-BBBBB") == 2
