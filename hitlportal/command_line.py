"""Run the console command `hitlportal`: the portal's commands and Django's.

Help and the version need no settings. Missing or wrong settings are reported in one line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from hitlportal import __version__, env

SETTINGS = "DJANGO_SETTINGS_MODULE"
# Commands that an operator runs before the portal's settings can exist.
BEFORE_SETTINGS = {"install_roles"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments else ""
    if name in ("--version", "version"):
        print(f"hitlportal {__version__}")
        return 0
    if name == "help" and len(arguments) > 1 and arguments[1] in OUTSIDE_DJANGO:
        name, arguments = arguments[1], [arguments[1], "--help"]
    if name == "audit_key" and arguments[1:2] and arguments[1] in ("generate", "show"):
        return _audit_key(arguments[1:])
    if name in OUTSIDE_DJANGO:
        return OUTSIDE_DJANGO[name](arguments[1:])
    if name in BEFORE_SETTINGS or _asks_for_help(arguments):
        os.environ[SETTINGS] = "hitlportal.placeholder_settings"
    else:
        os.environ.setdefault(SETTINGS, "hitlportal.settings")
    return _run(arguments)


def _run(arguments: list[str]) -> int:
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line([_program(), *arguments])
    except env.ConfigurationError as problem:
        print(f"hitlportal: {problem}", file=sys.stderr)
        return 1
    except OperationalError as problem:
        # The database is away. libpq's text names host and login, never the password.
        said = " ".join(str(problem).split())
        print(f"hitlportal: the database does not answer: {said}", file=sys.stderr)
        return 1
    if arguments in ([], ["help"], ["--help"], ["-h"]):
        print("\n".join(["", "[no settings needed]", *(f"    {name}" for name in OUTSIDE_DJANGO)]))
    return 0


def _asks_for_help(arguments: Sequence[str]) -> bool:
    if not arguments or arguments[0] == "help":
        return True
    return any(argument in ("-h", "--help") for argument in _before_dashes(arguments))


def _before_dashes(arguments: Sequence[str]) -> Sequence[str]:
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def _program() -> str:
    """Return the program's name for usage lines; Django shows only its last part."""
    name = os.path.basename(sys.argv[0])
    return "hitlportal" if name == "__main__.py" else name


def _verify_evidence(arguments: list[str]) -> int:
    # An auditor replays the gate with this code and nothing else: no settings, no database.
    from remediation.management import offline

    return offline.main(arguments)


def _audit_witness(arguments: list[str]) -> int:
    # A witness runs on somebody else's machine: no settings, no database.
    from audit import witness_server

    return witness_server.main(arguments)


def _audit_key(arguments: list[str]) -> int:
    # A witness makes its key on a machine without the portal's settings; only `rotate` needs them.
    from audit import keys

    return keys.main(arguments)


def _health(arguments: list[str]) -> int:
    # A probe asks often, and while database and broker are away: no settings, no Django.
    from hitlportal import health

    return health.main(arguments)


def _demo(arguments: list[str]) -> int:
    # The demo supervisor runs before any server or setting exists.
    from hitlportal.demo.__main__ import main as demo

    return demo(arguments)


OUTSIDE_DJANGO: dict[str, Callable[[list[str]], int]] = {
    "verify_evidence": _verify_evidence,
    "audit_witness": _audit_witness,
    "health": _health,
    "demo": _demo,
}
