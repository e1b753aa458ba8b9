"""A provider package that cannot be used stops the process at its start, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.executors import packages

LOAD_DECLARATIONS = "from remediation import extensions; extensions.load_catalogue()"
LOAD_CODE = "import remediation.executors.registry"

DECLARES = """
from dataclasses import replace
from remediation.domain.catalogue import {module} as ours
from remediation.domain.catalogue import Provider
PROVIDER = {provider}
"""
KIND = "replace(ours.SECRET, kind='mine.thing', report_only={report_only})"
ACTION = (
    "replace(ours.DISABLE, kind='mine.stop', target_kind='mine.{on}', rollback=None, earlier=(),"
    " reversible=False)"
)
ROLE = "replace(ours.ROLE, kind='mine.role')"
REPORTED = "replace(ours.ROLE, kind='mine.role', report_only=True, live=())"


def declares(provider: str, module: str = "kubernetes") -> str:
    return DECLARES.format(module=module, provider=provider)


FALSE_DECLARATIONS = {
    "it raises": ("raise KeyError('no such setting')", "KeyError: 'no such setting'"),
    "it is not there": ("", "AttributeError"),
    "it is something else": ("PROVIDER = {'name': 'mine'}", "is not a Provider"),
    "it loads code": (
        "import remediation.executors.base\n" + declares("ours.PROVIDER"),
        "the declaration imports remediation.executors",
    ),
    "a kind registered twice": (
        declares("ours.PROVIDER"),
        "provider kubernetes is declared twice",
    ),
    "a kind of somebody else": (
        declares("Provider('mine', 'Mine', (ours.SECRET,))"),
        "'kubernetes.secret' does not begin with mine.",
    ),
    "an action on an unknown kind": (
        declares(
            f"Provider('mine', 'Mine', ({REPORTED},), ({ACTION.format(on='nothing')},))",
            "postgres",
        ),
        "action mine.stop: it works on mine.nothing, which mine does not declare",
    ),
    "neither action nor report-only": (
        declares(f"Provider('mine', 'Mine', ({KIND.format(report_only=False)},))"),
        "does not say that it is report-only",
    ),
}


@pytest.mark.parametrize("case", FALSE_DECLARATIONS)
def test_an_invalid_declaration_stops_every_process_and_names_its_package(
    case: str, tmp_path: Path
) -> None:
    source, says = FALSE_DECLARATIONS[case]
    site = packages.install(tmp_path, "bad-badges", {"hitlportal.catalogue": "PROVIDER"}, source)
    done = packages.python(site, "-c", LOAD_DECLARATIONS)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "ExtensionInvalid" in last and "package bad-badges 0.1" in last and says in last


ACTING = declares(f"Provider('mine', 'Mine', ({ROLE},), ({ACTION.format(on='role')},))", "postgres")
DRIVES = """
from remediation.executors import noop, things
from remediation.executors.driver import Driver
DRIVER = {driver}
"""


FALSE_CODE = {
    "it raises": (ACTING, "import no_such_library", "ModuleNotFoundError"),
    "it is something else": (ACTING, "DRIVER = 1", "is not a Driver"),
    "no declaration": (
        "",
        DRIVES.format(driver="Driver('mine', (), noop.read)"),
        "an executor for provider mine, which no package declares",
    ),
    "a provider that has one": (
        "",
        DRIVES.format(driver="things.DRIVER"),
        "there is an executor for provider test already",
    ),
    "an action without one": (
        ACTING,
        DRIVES.format(driver="Driver('mine', (), noop.read)"),
        "executors and declared actions differ in mine.stop",
    ),
    "one for an action of others": (
        ACTING,
        DRIVES.format(driver="Driver('mine', (noop.Noop,), noop.read)"),
        "executors and declared actions differ in mine.stop, test.noop",
    ),
    "no code at all": (ACTING, "", "it declares actions of mine, and no installed package has"),
}


@pytest.mark.parametrize("case", FALSE_CODE)
def test_invalid_executor_code_stops_the_worker_but_not_the_web_process(
    case: str, tmp_path: Path
) -> None:
    declaration, code, says = FALSE_CODE[case]
    if declaration:
        packages.install(tmp_path, "mine", {"hitlportal.catalogue": "PROVIDER"}, declaration)
    if code:
        packages.install(tmp_path, "bad-code", {"hitlportal.executors": "DRIVER"}, code)
    done = packages.python(tmp_path, "-c", LOAD_CODE)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    package = "bad-code 0.1" if code else "mine 0.1"
    assert "ExtensionInvalid" in last and f"package {package}" in last and says in last
    done = packages.python(tmp_path, "-c", LOAD_DECLARATIONS)
    assert done.returncode == 0, done.stderr


def test_processes_load_providers_at_their_start(tmp_path: Path) -> None:
    """Not at the first report or step: a portal that started would then refuse accepted work."""
    bad = {"hitlportal.catalogue": "PROVIDER"}
    declaration, code = tmp_path / "declaration", tmp_path / "code"
    for site in (declaration, code):
        site.mkdir()
    packages.install(declaration, "bad-badges", bad, "raise KeyError('x')")
    packages.install(code, "bad-code", {"hitlportal.executors": "DRIVER"}, "DRIVER = 1")
    settings = {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    for site, start in (
        (declaration, "import django; django.setup()"),
        (declaration, "from remediation.management import offline; assert offline.main(ARGS) == 2"),
        (code, "import django; django.setup(); import remediation.tasks"),
    ):
        arguments = ["f", "--approvers", "f", "--rp-id", "x", "--origin", "x", "--log-key", "x"]
        done = packages.python(site, "-c", start.replace("ARGS", str(arguments)), **settings)
        assert "package bad-" in done.stderr, (start, done.stderr)
    assert done.returncode != 0


def test_a_provider_that_is_report_only_needs_no_code(tmp_path: Path) -> None:
    source = declares(f"Provider('mine', 'Mine', ({KIND.format(report_only=True)},))")
    packages.install(tmp_path, "mine", {"hitlportal.catalogue": "PROVIDER"}, source)
    told = (
        f"{LOAD_CODE}; from remediation.domain.catalogue import TARGETS;"
        "assert TARGETS['mine.thing'].report_only"
    )
    done = packages.python(tmp_path, "-c", told)
    assert done.returncode == 0, done.stderr
