"""`make verifier` builds one file from the same source, with the standard library only (A53)."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from audit import verifier
from tests.audit.tlog.case import case
from tests.domain import record

ROOT = Path(__file__).parents[3]
KEY = str(record.SIGNER.vkey)


@pytest.fixture(scope="module")
def zipapp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("zipapp") / "audit-verify.pyz"
    verifier.build(out)
    return out


def run(zipapp: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it without environment and site-packages, in the file's own directory."""
    return subprocess.run(
        [sys.executable, "-I", "-S", zipapp, *arguments],
        env={}, cwd=zipapp.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a53_it_verifies_alone(zipapp: Path, tmp_path: Path) -> None:
    good = tmp_path / "bundle.json"
    good.write_bytes(case().dump())
    done = run(zipapp, "verify", good, "--key", KEY)
    assert (done.returncode, done.stderr, done.stdout[-6:]) == (0, "", "HOLDS\n")
    good.write_bytes(case().dump().replace(b"agent:a", b"agent:b", 1))
    assert run(zipapp, "verify", good, "--key", KEY).returncode == 1
    assert run(zipapp, "verify", tmp_path / "nothing", "--key", KEY).returncode == 2
    assert "verify" in run(zipapp, "--help").stdout


def test_it_holds_exactly_the_source_bytes(zipapp: Path) -> None:
    expected = {"audit/__init__.py", "__main__.py", "audit/tlog/rules.json"} | {
        f"audit/tlog/{path.name}" for path in (ROOT / "audit/tlog").glob("*.py")
    }
    with zipfile.ZipFile(zipapp) as archive:
        assert sorted(expected) == archive.namelist()
        for name in expected - {"__main__.py"}:
            assert archive.read(name) == (ROOT / name).read_bytes()


def test_the_same_source_gives_the_same_bytes(zipapp: Path, tmp_path: Path) -> None:
    """At any time, in any place, by any user."""
    again = tmp_path / "again.pyz"
    subprocess.run(
        [sys.executable, "-m", "audit.verifier", again],
        cwd=ROOT, env={"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}, umask=0o077, check=True,
    )  # fmt: skip
    assert again.read_bytes() == zipapp.read_bytes()
    assert os.access(again, os.X_OK)


def test_it_names_nothing_outside_the_standard_library() -> None:
    """Read from the source: an import inside a function counts too, even if no run reaches it."""
    for path in [ROOT / "audit/__init__.py", *(ROOT / "audit/tlog").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [str(node.module)]
            for name in names:
                top = name.split(".")[0]
                assert top in sys.stdlib_module_names or name.startswith("audit.tlog"), (path, name)


def test_it_loads_nothing_outside_the_standard_library_nor_what_windows_lacks(zipapp: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "for name in ('fcntl', 'pwd', 'grp', 'termios', 'resource'): sys.modules[name] = None\n"
        "import os\n"
        "for name in ('O_CLOEXEC', 'O_NONBLOCK', 'O_NOFOLLOW', 'O_DIRECTORY'): delattr(os, name)\n"
        "import audit.tlog.__main__\n"
        "loaded = {n.split('.')[0] for n in sys.modules} - sys.stdlib_module_names\n"
        "print(sorted(n for n in loaded if not n.startswith('_')))"
    )
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, zipapp],
        env={}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.strip() == "['audit']"


def test_make_verifier_builds_it(zipapp: Path, tmp_path: Path) -> None:
    """With the machine's Python and no .venv."""
    done = subprocess.run(
        ["make", "-n", "verifier"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "-m audit.verifier dist/audit-verify.pyz" in done.stdout
    assert ".venv" not in done.stdout
