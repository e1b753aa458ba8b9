"""Read settings from the environment, typed; a wrong value stops the process.

`variables.toml` lists the variables and their defaults; no other name can be read. A secret may be
given as ``NAME_FILE`` with a path, so that it need not appear in a process listing or a unit file.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hitlportal.variables import VARIABLES, required_by

# Valkey and Redis, and RabbitMQ, as kombu names them.
BROKERS = ("redis", "rediss", "redis+socket", "amqp", "amqps")
TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


class ConfigurationError(Exception):
    """The environment lacks a variable or holds a value that cannot be used."""


def require_all() -> None:
    """Refuse to start without the settings that this process needs; name all that are missing.

    Raises ConfigurationError.
    """
    missing = [
        variable
        for variable in required_by(os.environ.get("HITL_PROCESS", ""))
        if variable.name not in os.environ
        and not (variable.secret and f"{variable.name}_FILE" in os.environ)
    ]
    if missing:
        lines = [f"  {each.name}  ({', '.join(each.used_by)}) {each.meaning}" for each in missing]
        raise ConfigurationError("\n".join(["these settings are missing:", *lines]))


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
    """Convert ``postgresql://user:password@host:port/name`` to one entry of DATABASES."""
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
        },
    }
