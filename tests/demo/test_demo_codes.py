"""One-time codes of the demo: Enter makes fresh ones, and the earlier ones are void."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from django.contrib.auth.hashers import make_password

from hitlportal.demo.run import Run
from hitlportal.demo.stack import Stack
from remediation import models as m
from remediation.domain.errors import InvitationInvalid
from remediation.services.people import enroll
from tests import factories
from tests.factories import OPERATORS

LONG = 30.0  # ends with the key press, not with the time


class Renewed(Run):
    """A run whose data are a list of codes: each seed takes the next."""

    def __init__(self, directory: Path, *answers: Mapping[str, str]) -> None:
        stack = SimpleNamespace(
            directory=directory, origin="http://localhost:8000", installation=None, settings=None
        )
        super().__init__(cast(Stack, stack), print)
        self.answers = list(answers)

    def _seed(self, *, imports: bool = False) -> Mapping[str, str]:
        assert not imports
        return self.answers.pop(0)


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of the terminal that the demo reads."""
    ours, its = pty.openpty()
    with os.fdopen(its, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield ours
    os.close(ours)


def test_enter_prints_fresh_codes(
    keyboard: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Renewed(tmp_path, {"alice": "SECOND"}, {}, {"bob": "AFTER-A-RESET"})
    run._renew(0)
    assert capsys.readouterr().out == ""
    os.write(keyboard, b"\n")
    run._renew(LONG)
    shown = capsys.readouterr().out
    assert "SECOND" in shown
    assert "Press Enter for fresh codes." in shown
    os.write(keyboard, b"\n")
    run._renew(LONG)
    assert "Press Enter" not in capsys.readouterr().out  # all have enrolled
    os.write(keyboard, b"\n")  # an operator reset bob since
    run._renew(LONG)
    assert "AFTER-A-RESET" in capsys.readouterr().out


def test_without_a_terminal_nothing_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "input").open("w+") as file:
        file.write("\n\n")
        file.seek(0)
        monkeypatch.setattr(sys, "stdin", file)
        Renewed(tmp_path)._renew(0)


@pytest.mark.django_db
def test_a_fresh_code_makes_the_earlier_one_void_and_the_enrolled_get_none() -> None:
    from hitlportal.demo import seed

    for name, password in (("alice", None), ("bob", "x")):
        m.User(username=name, password=make_password(password)).save(force_insert=True)
    with factories.acting(OPERATORS):
        first, second = seed.code_for("alice"), seed.code_for("alice")
    assert first != second
    with factories.acting(factories.WEB):
        with pytest.raises(InvitationInvalid):
            enroll.open_invitation(username="alice", code=first)
        assert enroll.open_invitation(username="alice", code=second).username == "alice"
    assert seed.code_for("bob") == ""
