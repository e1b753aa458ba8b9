"""Write the translation catalogs from templates and code (`make messages`).

This works on a copy of the sources, so that gettext's tools leave no files in the tree. Catalogs
have no dates or line numbers, so that the same sources give the same bytes. The English catalog
holds no translations; it is the template for other languages, whose catalogs are merged with it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hitlportal import places

ROOT = places.PACKAGE.parent  # the source tree: an installed copy has no catalogs to write
CATALOGS = Path("locale")
ENGLISH = CATALOGS / "en" / "LC_MESSAGES" / "django.po"
PACKAGES = ("hitlportal", "remediation", "audit")
# The demo and the agents' API speak to operators and machines (hitlportal/language.py).
SILENT = shutil.ignore_patterns("demo", "api", "migrations", "management", "static", "__pycache__")
HEADER = """\
# Texts of the pages of hitlportal. Written by `make messages`; see docs/languages.md.
#
msgid ""
msgstr ""
"Project-Id-Version: hitlportal\\n"
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
{plurals}
"""


def missing() -> list[str]:
    """Return the programs of gettext that this machine lacks."""
    tools = ("xgettext", "msgmerge", "msguniq", "msgattrib")
    return [tool for tool in tools if shutil.which(tool) is None]


def written(root: Path = ROOT) -> dict[Path, str]:
    """Return the up-to-date text of every catalog, by its path below the root."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory)
        for package in PACKAGES:
            shutil.copytree(root / package, copy / package, ignore=SILENT)
        if (root / CATALOGS).exists():
            shutil.copytree(root / CATALOGS, copy / CATALOGS)
        (copy / ENGLISH).unlink(missing_ok=True)
        (copy / ENGLISH).parent.mkdir(parents=True, exist_ok=True)
        languages = sorted(path.name for path in (copy / CATALOGS).iterdir() if path.is_dir())
        subprocess.run(
            [
                *(sys.executable, "-m", "django", "makemessages", "--no-obsolete"),
                *("--add-location", "file", "--no-wrap", "--extension", "html,txt,py"),
                *(argument for language in languages for argument in ("--locale", language)),
            ],
            cwd=copy,
            # Without settings: the messages depend on the sources alone.
            env={k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"},
            check=True,
            capture_output=True,
        )
        return {
            path.relative_to(copy): _plain(path)
            for path in sorted((copy / CATALOGS).glob("*/LC_MESSAGES/django.po"))
        }


def _plain(path: Path) -> str:
    """Return the catalog with our header instead of gettext's, which has dates and blanks."""
    header, _, messages = path.read_text(encoding="utf-8").partition("\n\n")
    plurals = re.search(r'^"Plural-Forms:.*(?:\n"(?!.*: ).*)*', header, re.MULTILINE)
    language = path.parents[1].name
    return HEADER.format(language=language, plurals=plurals[0] if plurals else "") + "\n" + messages


def main() -> int:
    """Write all catalogs; return 0, or 1 when gettext is missing."""
    if lacking := missing():
        print(f"missing: {', '.join(lacking)} (Debian: apt-get install gettext)", file=sys.stderr)
        return 1
    for path, text in written().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
