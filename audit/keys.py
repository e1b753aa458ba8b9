"""`audit_key generate` and `audit_key show`: they need no settings and no database.

A witness makes its key on its own machine, where no portal is installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from audit import signing
from audit.tlog.errors import TlogError
from audit.tlog.note import COSIGNATURE, ED25519

# Of the command's verbs, those that are here.
VERBS = ("generate", "show")


def generate(origin: str, out: Path, *, witness: bool) -> str:
    """Write a new private key to a new file, 0400; return its vkey. Raises OSError, Malformed."""
    secret, vkey = signing.generate(origin, COSIGNATURE if witness else ED25519)
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
    return vkey


def show(uri: str) -> str:
    """Return the vkey of a key. Raises KeyUnavailable and Malformed."""
    return str(signing.load(uri).vkey)


def add_arguments(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both verbs to a parser."""
    made = verbs.add_parser("generate")
    made.add_argument("--origin", required=True, help="the log's name, such as host/audit")
    made.add_argument("--out", type=Path, required=True, help="the new file, mode 0400")
    made.add_argument("--witness", action="store_true", help="a key that cosigns")
    shown = verbs.add_parser("show")
    shown.add_argument("uri", help="file:PATH, env:NAME or transit:URL#NAME")


def main(argv: Sequence[str]) -> int:
    """Run one of both verbs; return 1 if there is no key."""
    parser = argparse.ArgumentParser(prog="hitlportal audit_key")
    add_arguments(parser.add_subparsers(dest="verb", required=True))
    given = parser.parse_args(argv)
    try:
        if given.verb == "generate":
            print(generate(given.origin, given.out, witness=given.witness))
        else:
            print(show(given.uri))
    except OSError as error:
        sys.stderr.write(f"audit_key: {given.out}: {error.strerror}\n")
        return 1
    except TlogError as error:
        sys.stderr.write(f"audit_key: {error}\n")
        return 1
    return 0
