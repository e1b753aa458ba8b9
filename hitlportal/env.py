"""Read settings from the environment, typed; a wrong value stops the process.

`variables.toml` lists the variables and their defaults; no other name can be read. A secret may be
given as ``NAME_FILE`` with a path, so that it need not appear in a process listing or a unit file.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from hitlportal.variables import VARIABLES, required_by

# Valkey and Redis, and RabbitMQ, as kombu names them.
BROKERS = ("redis", "rediss", "redis+socket", "amqp", "amqps")
# What a database URL may say after "?": libpq's names, with the values that are sensible here. All
# others are refused and never dropped (A82): `options`, `host` and `user` would replace what the
# URL or the portal says.
SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
DATABASE_OPTIONS = {
    "sslmode": SSLMODES,
    "sslrootcert": (),
    "sslcert": (),
    "sslkey": (),
    "sslcrl": (),
    "channel_binding": ("disable", "prefer", "require"),
    "target_session_attrs": ("any", "read-write", "primary"),
    "application_name": (),
}
TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


class ConfigurationError(Exception):
    """The environment lacks a variable or holds a value that cannot be used."""


def require_all() -> None:
    """Refuse to start without the settings that this process needs; name all that are missing, and
    all that are set and are none.

    Raises ConfigurationError.
    """
    missing = [
        variable
        for variable in required_by(os.environ.get("HITL_PROCESS", ""))
        if variable.name not in os.environ
        and not (variable.secret and f"{variable.name}_FILE" in os.environ)
    ]
    said = [f"  {each.name}  ({', '.join(each.used_by)}) {each.meaning}" for each in missing]
    unknown = [f"  {name}{_meant(name)}" for name in sorted(_unknown())]
    lines = [
        *(["these settings are missing:", *said] if said else []),
        *(["these are no settings of the portal:", *unknown] if unknown else []),
    ]
    if lines:
        raise ConfigurationError("\n".join(lines))


def _unknown() -> set[str]:
    """Return the names in the environment that look like settings and are none.

    A name that is written wrongly would be without effect, and nobody told.
    """
    known = {*VARIABLES, *(f"{each.name}_FILE" for each in VARIABLES.values() if each.secret)}
    # An operator chooses the name of a variable that holds a key (`env:NAME`).
    keys = {value.removeprefix("env:").partition("#")[0] for value in os.environ.values()}
    given = {name for name in os.environ if name.startswith("HITL_")}
    return {name for name in given - known - keys if not name.startswith("HITL_TEST_")}


def _meant(name: str) -> str:
    close = get_close_matches(name, VARIABLES, n=1)
    return f"  (is {close[0]} meant?)" if close else ""


def text(name: str) -> str:
    """Return the variable ``name``, or its default. Raises ConfigurationError without either."""
    value = os.environ.get(name, VARIABLES[name].default)
    if value is None:
        raise ConfigurationError(f"{name} is not set ({VARIABLES[name].meaning})")
    return value


def secret(name: str) -> str:
    """Return ``name``, or the stripped content of the file ``name_FILE``.

    Raises ConfigurationError when both are set or the file cannot be read.
    """
    if not VARIABLES[name].secret:
        raise TypeError(f"{name} is not marked as secret in variables.toml")
    path = os.environ.get(f"{name}_FILE")
    if path is None:
        return text(name)
    if name in os.environ:
        raise ConfigurationError(f"{name} and {name}_FILE are both set; keep one")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{name}_FILE: cannot read {path}: {error.strerror}") from error


def boolean(name: str) -> bool:
    """Return the variable as a truth value. Raises ConfigurationError."""
    value = text(name).strip().lower()
    if value not in TRUE | FALSE:
        raise ConfigurationError(f"{name} must be 1 or 0, not {value!r}")
    return value in TRUE


def integer(name: str) -> int:
    """Return the variable as a whole number. Raises ConfigurationError."""
    value = text(name)
    try:
        return int(value)
    except ValueError as error:
        raise ConfigurationError(f"{name} must be a whole number, not {value!r}") from error


def words(name: str) -> list[str]:
    """Return a comma-separated list without empty members."""
    return [word.strip() for word in text(name).split(",") if word.strip()]


def choice(name: str, allowed: tuple[str, ...]) -> str:
    """Return the variable, which must be one of ``allowed``. Raises ConfigurationError."""
    value = text(name)
    if value not in allowed:
        raise ConfigurationError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return value


def some(name: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the list, whose members must be of ``allowed``; all of them when it is empty.

    Raises ConfigurationError.
    """
    found = tuple(dict.fromkeys(words(name))) or allowed
    if not set(found) <= set(allowed):
        raise ConfigurationError(f"{name} can have {', '.join(allowed)}, separated by commas")
    return found


def broker(url: str) -> str:
    """Return the broker's URL. Raises ConfigurationError for a broker that is not supported."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in BROKERS:
        # Without the URL: it holds a password.
        first, last = ", ".join(f"{each}://" for each in BROKERS[:-1]), BROKERS[-1]
        raise ConfigurationError(
            f"HITL_BROKER_URL must begin with {first} or {last}://"
            " (Valkey or Redis, or RabbitMQ); other brokers are not supported"
        )
    return url


def postgres(url: str) -> dict[str, object]:
    """Convert ``postgresql://user:password@host:port/name?sslmode=…`` to one entry of DATABASES.

    Raises ConfigurationError, without the URL: it holds a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
        raise ConfigurationError(
            "a database URL must have the form postgresql://user:password@host:port/name"
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        # A new SCRAM connection costs 6 ms, a commit 0.16 ms, so keep connections.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 5,
            # A forgotten transaction must not hold locks on proposals for ever.
            "options": "-c idle_in_transaction_session_timeout=60000 -c lock_timeout=10000",
            **_options(parts),
        },
    }


def _options(parts: SplitResult) -> dict[str, str]:
    """Return what a database URL says after "?". Raises ConfigurationError."""
    if parts.fragment:
        raise ConfigurationError("a database URL has no part after #; write # as %23")
    found: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in DATABASE_OPTIONS or name in found:
            raise ConfigurationError(
                f"a database URL cannot have the option {name!r} (or not twice); it can have"
                f" {', '.join(DATABASE_OPTIONS)}"
            )
        allowed = DATABASE_OPTIONS[name]
        if not value or (allowed and value not in allowed):
            wanted = f"one of {', '.join(allowed)}" if allowed else "a value"
            raise ConfigurationError(f"the option {name} of a database URL must be {wanted}")
        found[name] = value
    return found
