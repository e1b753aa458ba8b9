"""Log lines: one line each, as text or as JSON, whatever the message holds (A52)."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from hitlportal import env, logs

HOSTILE = "a\nCRITICAL root forged\x1b[2J\u202e\ud800"


def _record(message: str, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "%s", (message,), None)
    record.__dict__.update(extra)
    return record


def test_json_is_one_object_a_line_and_ids_cannot_replace_its_own_members() -> None:
    ids = {"proposal": "p", "level": "forged"}
    line = logs.OneObject().format(_record(HOSTILE, line="run.step", ids=ids))
    assert line.isascii() and line.isprintable()
    said = json.loads(line)
    assert (said["message"], said["level"], said["proposal"]) == (HOSTILE, "INFO", "p")
    assert said["line"] == "run.step" and said["at"].endswith("+00:00")


def test_json_has_the_traceback_on_the_same_line() -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        record = _record("failed")
        record.exc_info = sys.exc_info()
    line = logs.OneObject().format(record)
    assert "\n" not in line and "ValueError" in json.loads(line)["traceback"]


def test_the_form_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    def form() -> object:
        return logs.configuration()["formatters"]["line"]["()"]

    assert form() == "hitlportal.logs.OneLine"
    monkeypatch.setenv("HITL_LOG_FORMAT", "json")
    assert form() == "hitlportal.logs.OneObject"
    monkeypatch.setenv("HITL_LOG_FORMAT", "xml")
    with pytest.raises(env.ConfigurationError, match="HITL_LOG_FORMAT"):
        form()
