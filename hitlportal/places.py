"""Find where this copy of the portal is: in a source tree, or installed from a wheel.

A source tree is imported from its root: processes start there, and `manage.py` is the command. An
installed copy can be imported from any directory.
"""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _source_tree(package: Path = PACKAGE) -> Path | None:
    root = package.parent
    return root if (root / "manage.py").is_file() and (root / "pyproject.toml").is_file() else None


SOURCE_TREE = _source_tree()
# Translation catalogs are beside the packages in a source tree, and inside this one in a wheel.
LOCALE = SOURCE_TREE / "locale" if SOURCE_TREE else PACKAGE / "locale"
# The directory in which child processes start; an installed copy writes nothing there.
START = SOURCE_TREE or Path("/")


def data(name: str) -> Path:
    """Return the default place of data: in the source tree, else in the working directory."""
    return (SOURCE_TREE or Path.cwd()) / name


def command(*arguments: str | Path) -> list[str]:
    """Return the command line of one of the portal's commands, with this Python."""
    program = [str(SOURCE_TREE / "manage.py")] if SOURCE_TREE else ["-m", "hitlportal"]
    return [sys.executable, *program, *(str(argument) for argument in arguments)]
