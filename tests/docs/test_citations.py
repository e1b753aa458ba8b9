"""A file that the code or a page cites is a file of this repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
READ = {".py", ".md", ".sql", ".html", ".css", ".js", ".toml", ".yml", ".yaml"}
# Data, and texts by others.
NOT_READ = ("tests/vectors/", "tests/data/", "hitlportal/demo/cases/")
CITED = re.compile(r"(?<![\w./<*{-])((?:[\w.-]+/)*[\w-]+\.(?:md|py|sql|html))\b(?![\w(])")
# Django's admin templates, examples, and a file of another project.
ELSEWHERE = {
    *("admin/base.html", "admin/change_form.html", "admin/change_list.html"),
    *("x.html", "p.html", "notes.html"),
    "src/postgresql/init.sql",
}


def tracked() -> list[str]:
    """Return the files of this repository, as git lists them."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return [name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def known(files: list[str]) -> set[str]:
    """Return every way to cite a file: each tail of its path."""
    ways: set[str] = set()
    for name in files:
        parts = PurePosixPath(name).parts
        ways |= {"/".join(parts[at:]) for at in range(len(parts))}
    return ways


def missing(text: str, ways: set[str]) -> set[str]:
    """The cited files that are not here. Whether a relative link resolves: test_links.py."""
    cited = {name.lstrip("./") for name in CITED.findall(text)}
    return cited - ways - ELSEWHERE


def test_every_file_that_is_cited_is_here() -> None:
    files = tracked()
    ways = known(files)
    found = {
        name: absent
        for name in files
        if Path(name).suffix in READ and not name.startswith(NOT_READ)
        if ROOT / name != Path(__file__).resolve()
        if (absent := missing((ROOT / name).read_text(encoding="utf-8"), ways))
    }
    assert found == {}


def test_a_citation_of_a_file_that_is_not_here_is_found() -> None:
    ways = known(["docs/attacks.md", "remediation/domain/plan.py"])
    assert missing("see `nowhere.md 5`, and gone/plan.py.", ways) == {"nowhere.md", "gone/plan.py"}
    assert missing("see docs/attacks.md A13 and domain/plan.py, plan.py", ways) == set()
