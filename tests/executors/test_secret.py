"""Secrets leave a step by no text, pickle, error, frame, log record or outcome."""

from __future__ import annotations

import copy
import logging
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from remediation.domain.errors import Refused
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Step
from remediation.executors import run
from remediation.executors.base import Deadline, Outcome
from remediation.executors.errors import NotApplied, OutcomeUnknown, RollbackFailed, VerifyFailed
from remediation.executors.noop import Noop
from remediation.executors.run import run_apply, run_rollback, run_tighten, run_verify
from remediation.executors.secret import SecretValue, closed, make_password, sealed, watching
from remediation.executors.targets import Targets
from tests.executors.contract import NoopWorld, clearance
from tests.executors.planted import Search

PASSWORD = "planted-Zq7k9pW3eLx5TnA0bRvYc2"


def everything(error: BaseException) -> str:
    """Return all that an error reporter could send: words, causes, frames with their locals."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join([*told.format(), repr(error), repr(error.__dict__), repr(error.args)])


def test_a_value_has_no_text_and_cannot_be_stored() -> None:
    value = SecretValue({"password": PASSWORD, "username": "orders"})
    for write in (str, lambda v: f"{v}", lambda v: "%s" % v, pickle.dumps, copy.deepcopy):  # noqa: UP031
        with pytest.raises(TypeError) as caught:
            write(value)  # type: ignore[operator]
        assert PASSWORD not in str(caught.value)
    assert repr(value) == "SecretValue(...)" and PASSWORD not in repr([value])
    with pytest.raises(AttributeError):
        value.extra = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        hash(value)
    assert value.names == ("password", "username")
    assert value.reveal("password") == PASSWORD
    assert value == SecretValue(value.reveal_all()) and value != SecretValue({"password": "other"})


def test_passwords_are_long_random_and_of_letters_and_digits() -> None:
    made = {make_password() for _ in range(200)}
    assert len(made) == 200 and all(len(one) == 40 and one.isalnum() for one in made)


@pytest.mark.parametrize("known", [True, False])
def test_a_closed_call_lets_only_the_class_of_a_failure_out(known: bool) -> None:
    def driver() -> None:
        body = {"password": PASSWORD}
        raise ValueError(f"bad body {body}")

    def call() -> None:
        try:
            driver()
        except ValueError as error:
            if known:
                raise NotApplied("the target refused") from error
            raise

    with pytest.raises(Refused) as caught:
        closed(call, OutcomeUnknown)
    assert PASSWORD not in everything(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    words = (NotApplied, "the target refused") if known else (OutcomeUnknown, "ValueError")
    assert (type(caught.value), caught.value.detail) == words


def test_log_records_that_quote_a_secret_are_withheld(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    caplog.set_level(1, logger="botocore")  # which the clients of AWS silence
    log = logging.getLogger("botocore.endpoint")
    with watching():
        value = SecretValue({"password": PASSWORD, "username": "orders"})
        log.debug("body %s", {"SecretString": f'{{"password": "{value.reveal("password")}"}}'})
        try:
            raise ValueError(value.reveal("password"))
        except ValueError:
            log.exception("failed")
        logging.getLogger("leaky").info("user %s", value.reveal("username"))
        logging.getLogger("leaky").info("a record that %d cannot be written", "x")
    assert [record.getMessage()[:9] for record in caplog.records] == [
        "(withheld", "(withheld", "user orde", "(withheld"
    ]  # fmt: skip
    assert all((record.exc_info is None and not record.args) or record.levelno == logging.INFO
               for record in caplog.records)  # fmt: skip
    log.debug("afterwards %s", PASSWORD)  # nobody handles it any more
    assert caplog.records[-1].getMessage() == f"afterwards {PASSWORD}"


class Leaky(Noop):
    """An executor with every mistake: the secret in its locals, words, logs and outcome."""

    mistake: Callable[[str], Outcome]

    def _leak(self) -> Outcome:
        password = SecretValue({"password": PASSWORD}).reveal("password")
        logging.getLogger("leaky").warning("setting %s", password)
        return type(self).mistake(password)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        return self._leak()

    tighten = verify = apply  # type: ignore[assignment]

    def rollback(self, *_: object) -> Outcome:  # type: ignore[override]
        return self._leak()


def _raise(error: Exception, cause: Exception | None = None) -> Outcome:
    raise error from cause


MISTAKES: dict[str, Callable[[str], Outcome]] = {
    "driver's words": lambda p: _raise(RuntimeError(f"ALTER ROLE x PASSWORD '{p}'")),
    "our words": lambda p: _raise(NotApplied(f"refused {p}")),
    "a cause": lambda p: _raise(NotApplied("refused"), ValueError(p)),
    "a cause of ours": lambda p: _raise(NotApplied("refused"), NotApplied(p)),
    "detail": lambda p: Outcome({"set": p}),
    "encoded detail": lambda p: Outcome({"set": p.encode().hex()}),
    "made": lambda p: Outcome(made={"password": p}),
}
CALLS = (run_apply, run_tighten, run_verify)
UNKNOWN = {run_apply: OutcomeUnknown, run_tighten: OutcomeUnknown, run_verify: VerifyFailed}


@pytest.fixture(params=MISTAKES)
def leaky(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(run, "EXECUTORS", {"test.noop": Leaky})
    monkeypatch.setattr(Leaky, "mistake", staticmethod(MISTAKES[request.param]), raising=False)
    yield request.param


def test_no_call_lets_a_secret_out(
    leaky: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = NoopWorld(tmp_path)
    body = world.plan().body
    for call in (*CALLS, run_rollback):
        back = call is run_rollback
        given = clearance(world.plan(), rollback=back)
        with pytest.raises(Refused) as caught:
            if back:
                run_rollback(given, body, 0, world.targets(), {"state": "on"})
            else:
                call(given, body, 0, world.targets())
        error = caught.value
        search = Search([PASSWORD])
        search.text(leaky, everything(error))
        search.text("logging", caplog.text)
        assert search.found == []
        assert type(error) in (NotApplied, RollbackFailed, *UNKNOWN.values())
        assert error.__context__ is None
        assert isinstance(error.__cause__, NotApplied) == (leaky == "a cause of ours")
    assert "withheld" in caplog.text


def test_a_step_that_makes_a_secret_keeps_no_words_of_a_driver() -> None:
    def call() -> Outcome:
        raise RuntimeError("what a driver says of a value that nobody noted")

    with pytest.raises(OutcomeUnknown) as caught:
        sealed(call, OutcomeUnknown, words=False)
    assert caught.value.detail == "RuntimeError"
    with pytest.raises(OutcomeUnknown, match="what a driver says"):
        sealed(call, OutcomeUnknown, words=True)


def test_the_values_are_forgotten_after_the_call() -> None:
    with watching() as noted:
        SecretValue({"password": PASSWORD})
        assert noted == [PASSWORD]
    assert noted == [] and sys.exc_info() == (None, None, None)
