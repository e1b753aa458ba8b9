"""Where this copy of the portal lies: a source tree, or installed from a wheel.

A source tree is imported from its root, so its processes start there, and `manage.py` is its
command. An installed copy is found by its Python from anywhere.
"""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _source_tree(package: Path = PACKAGE) -> Path | None:
    root = package.parent
    return root if (root / "manage.py").is_file() and (root / "pyproject.toml").is_file() else None


SOURCE_TREE = _source_tree()
# The catalogs of translators lie beside the packages in the tree, and inside this one in a wheel.
LOCALE = SOURCE_TREE / "locale" if SOURCE_TREE else PACKAGE / "locale"
# Where child processes start. An installed copy needs no directory, and writes into none.
START = SOURCE_TREE or Path("/")


def data(name: str) -> Path:
    """Where data that no setting places are kept: in the source tree, else where the user is."""
    return (SOURCE_TREE or Path.cwd()) / name


def command(*arguments: str | Path) -> list[str]:
    """The command line of one of the portal's commands, run by this very Python."""
    program = [str(SOURCE_TREE / "manage.py")] if SOURCE_TREE else ["-m", "hitlportal"]
    return [sys.executable, *program, *(str(argument) for argument in arguments)]
