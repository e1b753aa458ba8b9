"""A staged password that one server takes is never discarded: nobody could sign in any more."""

from __future__ import annotations

from typing import Any

import pytest

from remediation.executors import postgres_proof
from remediation.executors.base import Deadline
from remediation.executors.postgres_password import Password
from remediation.executors.postgres_proof import PASSWORD, Work, or_kept, proves
from remediation.executors.secret import SecretValue


@pytest.mark.parametrize(
    ("primary", "standby", "kept"),
    [(True, False, None), (False, False, False), (True, True, True)],
)
def test_a_standby_that_is_late_costs_no_password(
    primary: bool, standby: bool, kept: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Password.__new__(Password)
    for name, value in {"id": "0" * 32, "set_at": None}.items():
        object.__setattr__(held, name, value)
    found = {"db-1": ((primary,), held), "standby": ((standby,), held)}
    monkeypatch.setattr(postgres_proof, "on_each", lambda *_, **__: found)
    monkeypatch.setattr(postgres_proof, "cluster", lambda *_: None)
    any_: Any = None
    work = Work(any_, _Step(), _Targets(), Deadline.within(5), any_, any_, any_, 1)  # type: ignore[arg-type]
    value = SecretValue({PASSWORD: "x" * 40})
    answer = proves(work, value)
    assert answer is (primary and standby)
    assert or_kept(work, answer) is kept


class _Target:
    fields = {"cluster": "db-1", "role": "svc"}


class _Step:
    target = _Target()


class _Targets:
    portal_system_identifier = ""
