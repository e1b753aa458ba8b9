"""`variables.toml` lists exactly the variables that the code reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hitlportal import env
from hitlportal.variables import PROCESSES, VARIABLES

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    *(
        path
        for name in ("hitlportal", "remediation", "audit")
        for path in (ROOT / name).rglob("*.py")
    ),
    ROOT / "tests" / "servers.py",
]
# Code reads a variable by `env`, or directly from the environment.
READ = re.compile(r"""(?:env\.(\w+)|environ(?:\.get)?)[(\[]\s*["'](HITL_[A-Z_]+)["']""")
# Read where Django and its settings may not be: by the log's signer, and by Celery before beat.
STRAIGHT = {"HITL_AUDIT_TRANSIT_TOKEN_FILE", "HITL_PROCESS", "HITL_TEST_POSTGRES"}


def readings() -> list[tuple[str, str]]:
    """Yield how the code reads a variable, and which, for each place."""
    return [found for path in SOURCES for found in READ.findall(path.read_text("utf-8"))]


def test_every_variable_that_is_read_is_in_the_table_and_no_other() -> None:
    assert {name for _, name in readings()} == set(VARIABLES)


def test_variables_are_read_in_one_way() -> None:
    assert {name for how, name in readings() if not how} == STRAIGHT
    for how, name in readings():
        if how:
            assert VARIABLES[name].secret == (how == "secret"), name


def test_each_entry_has_the_fields_that_a_reader_needs() -> None:
    others = {"install_roles", "demo", "tests"}
    for name, variable in VARIABLES.items():
        assert variable.meaning and variable.used_by, name
        assert set(variable.used_by) <= {*PROCESSES, *others}, name
        # An empty default needs an explanation; any other default explains itself.
        assert bool(variable.otherwise) == (variable.default == ""), name


def test_a_variable_that_is_not_in_the_table_cannot_be_read() -> None:
    with pytest.raises(KeyError):
        env.text("HITL_UNKNOWN")
    with pytest.raises(TypeError, match="not marked as secret"):
        env.secret("HITL_ORIGIN")


@pytest.mark.parametrize(
    "url",
    [
        "redis://:x@127.0.0.1:6379/0",
        "rediss://broker.example:6379/0",
        "redis+socket:///run/valkey.sock?virtual_host=0",
        "amqp://hitl_web:x@broker.example:5672/hitlportal",
        "amqps://hitl_web:x@a.example/hitlportal;amqps://hitl_web:x@b.example/hitlportal",
    ],
)
def test_the_url_of_a_supported_broker_is_taken_as_it_is(url: str) -> None:
    assert env.broker(url) == url


@pytest.mark.parametrize("url", ["sqs://key:secret@", "memory://", "broker.example:5672", ""])
def test_the_url_of_another_broker_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(env.ConfigurationError, match=r"redis://, .* or amqps://") as refused:
        env.broker(url)
    assert "secret" not in str(refused.value)


# ---- what a database URL says after "?" (A82) ----------------------------------------------------

URL = "postgresql://hitl_web:secret@db.example:5432/portal"


def test_a82_options_of_a_database_url_reach_the_driver() -> None:
    made = env.postgres(f"{URL}?sslmode=verify-full&sslrootcert=/etc/ssl/our%20ca.pem")
    options = made["OPTIONS"]
    assert isinstance(options, dict)
    assert (options["sslmode"], options["sslrootcert"]) == ("verify-full", "/etc/ssl/our ca.pem")
    assert "lock_timeout" in options["options"]
    assert made["NAME"] == "portal"


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ("?sslmode=verify_full", "must be one of disable, .* verify-full"),
        ("?sslmode=", "must be one of"),
        ("?sslrootcert=", "must be a value"),
        ("?sslmode=require&sslmode=disable", "cannot have the option 'sslmode' .or not twice."),
        ("?options=-c%20lock_timeout%3D0", "cannot have the option 'options'"),
        ("?host=elsewhere.example", "cannot have the option 'host'"),
        ("?user=postgres", "cannot have the option 'user'"),
        ("?SSLMODE=require", "cannot have the option 'SSLMODE'"),
        ("?sslmode", "must be one of"),
        ("#?sslmode=verify-full", "no part after #"),
    ],
)
def test_a82_an_option_is_honoured_or_refused_and_never_dropped(after: str, words: str) -> None:
    with pytest.raises(env.ConfigurationError, match=words) as refused:
        env.postgres(f"{URL}{after}")
    assert "secret" not in str(refused.value)


# ---- names that are no settings ------------------------------------------------------------------


def test_a_setting_that_is_written_wrongly_stops_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HITL_APROVERS_FILE", "/etc/hitlportal/approvers.json")
    monkeypatch.setenv("HITL_ORIGIN_FILE", "/etc/hitlportal/origin")
    with pytest.raises(env.ConfigurationError) as refused:
        env.require_all()
    assert str(refused.value).splitlines() == [
        "these are no settings of the portal:",
        "  HITL_APROVERS_FILE  (is HITL_APPROVERS_FILE meant?)",
        "  HITL_ORIGIN_FILE  (is HITL_ORIGIN meant?)",
    ]


def test_a_variable_that_holds_a_key_may_have_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HITL_LOG_KEY", "PRIVATE+KEY+…")
    monkeypatch.setenv("HITL_AUDIT_KEY", "env:HITL_LOG_KEY")
    env.require_all()
