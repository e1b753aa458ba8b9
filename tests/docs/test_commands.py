"""Every command in the documents exists and is proven: parsed by its own parser here; run by CI, by
the demo or by a named test, or marked as not to be run, with the reason."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.management import (
    CommandError,
    call_command,
    get_commands,
    load_command_class,
)
from django.urls import resolve

from hitlportal import health
from remediation.management.operator import OperatorCommand
from tests.docs.pages import ROOT, Command, commands, pages

COMMANDS = list(commands())
# Values for the placeholders in tables.
PLACEHOLDERS = {
    "INCIDENT": "6f1a7c7e-3f4c-4a52-9a3e-0c4a5d1f7b11",
    "PROPOSAL": "0b6c1f0e-8f0e-4d9a-b8f1-2d7e5a9c3e42",
    "ROLE": "security",
    "FORMAT": "csv",
}
# Django's commands that this project only makes refuse.
REFUSING = {"createsuperuser", "changepassword"}
WITHOUT_SETTINGS = {"verify_evidence", "audit_witness", "demo", "health"}

# How `make TARGET` is proven: by .ci/run, or by a test.
MAKE = {
    "demo": ".ci/run",
    "test": ".ci/run",
    "check": ".ci/run",
    "verifier": "tests/audit/tlog/test_zipapp.py",
    "messages": "tests/language/test_catalog.py",
    "benchmark": "tests/benchmarks/test_benchmark.py",
    "manifest": "tests/hitlportal/test_deploy_checks.py",
    "wheel": "the test of the package builds one",
    "lock": "asks a package registry",
    "mutants": "installs from a package registry, and takes too long for CI",
}
# Which test or which part of the demo runs each command of the portal.
RUN_BY = {
    "install_roles": "hitlportal/demo/installation.py",
    "install_grants": "hitlportal/demo/installation.py",
    "migrate": "hitlportal/demo/installation.py",
    "check": "hitlportal/development/check_deploy.py",
    "collectstatic": "tests/docs/test_commands.py",
    "person": "tests/management/test_operator_commands.py",
    "invite": "tests/management/test_operator_commands.py",
    "approver": "hitlportal/demo/people/enrolments.py",
    "rights": "tests/services/people/test_import_rights.py",
    "policy_try": "tests/flows/test_who_decides.py",
    "inventory_import": "tests/services/inventory/test_import_files.py",
    "freeze": "hitlportal/demo/play/suspecting.py",
    "export_bundle": "hitlportal/demo/play/proofs.py",
    "export_evidence": "hitlportal/demo/play/offline.py",
    "verify_evidence": "hitlportal/demo/play/offline.py",
    "audit_export": "hitlportal/demo/play/proofs.py",
    "audit_verify": "hitlportal/demo/play/proofs.py",
    "audit_key": "tests/audit/test_signing.py",
    "audit_reopen": "tests/audit/test_signing.py",
    "audit_sequencer": "hitlportal/demo/stack.py",
    "audit_witness": "hitlportal/demo/servers/auditlog.py",
    "audit_erase": "tests/audit/test_signing.py",
    "evidence_erase": "tests/services/reporting/test_erase_secrets.py",
    "database_manifest": "hitlportal/development/manifest.py",
    "doctor": "tests/hitlportal/test_doctor.py",
    "health": "tests/packaging/test_operations.py",
    "demo": "tests/demo/test_demo_command.py",
}
# Commands that cannot run here, by their first words, and why.
NOT_RUN = {
    ".ci/run": "it is what runs this test",
    "python3 -m venv": "makes an environment in a system directory; make does the same for .venv",
    "/opt/hitlportal/venv/bin/pip install": "asks a package registry; make installs the same lock",
    "/opt/hitlportal/venv/bin/hitlportal --help": "needs the installation of the line before",
    "bao": "tests/executors/openbao.py sets up the same by the API",
    "systemctl": "needs a running systemd",
    "systemd-sysusers": "makes accounts of the machine",
    "nginx -t": "tests/docs/test_deploy.py runs it on the sample, where nginx is installed",
    "chgrp": "needs accounts of the installation",
    "chmod": "needs files of the installation",
    "chown": "needs accounts of the installation",
}


def manage(words: Sequence[str]) -> str:
    """Return what is wrong with the words after `hitlportal`; "" if its parser accepts them."""
    name, arguments = words[0], [PLACEHOLDERS.get(word, word) for word in words[1:]]
    heard = io.StringIO()
    try:
        with contextlib.redirect_stderr(heard):
            if name == "--version":  # tests/hitlportal/test_command_line.py runs it
                return "" if not arguments else "--version takes no arguments"
            if name == "verify_evidence":
                from remediation.management import offline

                offline._parser().parse_args(arguments)
            elif name == "audit_witness":
                from audit import witness_server

                # With valid arguments it returns 2, for the key is missing; it does not exit.
                assert witness_server.main(arguments) == 2
            elif name == "demo":
                from hitlportal.demo import __main__ as demo

                demo._parser().parse_args(arguments)
            elif name == "health":
                health._parser().parse_args(arguments)
            elif name in get_commands():
                application = get_commands()[name]
                command = load_command_class(application, name)
                command.create_parser("hitlportal", name).parse_args(arguments)
            else:
                return f"there is no command {name}"
    except (CommandError, SystemExit, Exception) as error:
        return f"{type(error).__name__}: {error} {heard.getvalue()}".strip()
    return ""


def python(words: Sequence[str]) -> str:
    if words[0] == "manage.py":
        return "" if words[1:] in (["COMMAND"], []) else manage(words[1:])
    if words[0] == "dist/audit-verify.pyz":
        return tlog(words[1:])
    if words[0] != "-m":
        return "not known here"
    if words[1] == "audit.tlog":
        return tlog(words[2:])
    if words[1] == "hitlportal.demo.agent":
        from hitlportal.demo.agent import __main__ as agent

        agent._options(words[2:])
        return ""
    if words[1] == "pytest":
        return "" if all((ROOT / w).exists() for w in words if w.startswith("tests/")) else "path"
    return "" if importlib.util.find_spec(words[1]) else f"there is no module {words[1]}"


def tlog(words: Sequence[str]) -> str:
    from audit.tlog import __main__ as program

    program._parser().parse_args(words)
    return ""


def curl(words: Sequence[str]) -> str:
    """Return what is wrong with the address or the method; "" if nothing is."""
    address = next(word for word in words if word.startswith("https://portal.example"))
    found = resolve(address.removeprefix("https://portal.example"))
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    view = getattr(found.func, "view_class", None) or found.func.cls
    return "" if hasattr(view, method.lower()) else f"{method} is not taken"


def install(words: Sequence[str]) -> str:
    sources = [word for word in words if word.startswith("deploy/")]
    missing = [source for source in sources if not list(ROOT.glob(source))]
    return f"not there: {missing}" if missing or not (sources or "-d" in words) else ""


def make(words: Sequence[str]) -> str:
    targets = [word for word in words if "=" not in word]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in targets:
        if not re.search(rf"^{target}:", makefile, re.MULTILINE):
            return f"there is no target {target}"
        proof = MAKE[target]
        if proof == ".ci/run" and f"make {target}" not in (ROOT / ".ci" / "run").read_text("utf-8"):
            return f".ci/run does not run make {target}"
        if proof.startswith("tests/") and not (ROOT / proof).exists():
            return f"{proof} is not there"
    return ""


def problem_of(words: Sequence[str]) -> str:
    """Return what is wrong with a command; "" if it is proven or marked as not to be run."""
    words = list(words)
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):  # variables for this command only
        words.pop(0)
    text = " ".join(words)
    words[0] = words[0].removeprefix("/opt/hitlportal/venv/bin/")
    if any(text == known or text.startswith(f"{known} ") for known in NOT_RUN):
        return ""
    if words[0] == "hitlportal":
        return (
            ""
            if words[1:] in (["COMMAND", "--help"], ["--help"], ["--version"])
            else manage(words[1:])
        )
    if words[0] == "hitlportal-as":
        if words[1:3] == ["PROCESS", "COMMAND..."]:
            return ""
        return manage(words[2:]) or wrong_process(words[1], words[2])
    proofs = {"make": make, "curl": curl, "install": install, "python": python, "python3": python}
    if words[0] in proofs:
        return proofs[words[0]](words[1:])
    return "nothing says how this is proven"


def wrong_process(process: str, name: str) -> str:
    """An operator's command needs the login of one process."""
    if not (ROOT / "deploy" / "env" / f"{process}.env").exists():
        return f"there is no process {process}"
    if name in WITHOUT_SETTINGS:
        return ""
    command = load_command_class(get_commands()[name], name)
    if isinstance(command, OperatorCommand) and command.process != process:
        return f"{name} needs the login of {command.process}"
    return ""


@pytest.mark.parametrize("document", sorted({command.page for command in COMMANDS}))
def test_every_command_of_a_document_is_proven(document: str) -> None:
    problems = []
    for command in COMMANDS:
        if command.page == document:
            problem = problem_of(command.words)
            if problem and not (command.mentioned and "arguments are required" in problem):
                problems.append(f"{command.text}: {problem}")
    assert not problems


def test_every_command_is_documented_and_no_other() -> None:
    made = {
        path.stem
        for package in ("hitlportal", "remediation", "audit")
        for path in (ROOT / package / "management" / "commands").glob("[!_]*.py")
    }
    page = pages()["docs/commands.md"]
    documented = set(re.findall(r"^\| `hitlportal (\w+)", page, re.MULTILINE))
    djangos = {"migrate", "check", "collectstatic"}
    assert documented == (made - REFUSING) | WITHOUT_SETTINGS | djangos


def test_every_command_is_run_by_a_test_or_by_the_demo() -> None:
    page = pages()["docs/commands.md"]
    assert set(re.findall(r"^\| `hitlportal (\w+)", page, re.MULTILINE)) == RUN_BY.keys()
    for name, place in RUN_BY.items():
        assert re.search(rf"[\"']{name}[\"' ]", (ROOT / place).read_text("utf-8")), (
            f"{place}: {name}"
        )


def test_static_files_can_be_collected(tmp_path: Path, settings: Any) -> None:
    settings.STATIC_ROOT = tmp_path
    call_command("collectstatic", interactive=False, verbosity=0)
    assert (tmp_path / "hitlportal" / "review.js").exists()


def test_the_table_names_the_process_that_each_command_needs() -> None:
    rows = re.findall(
        r"^\| `hitlportal (\w+)[^`]*` \| ([\w ]+) \|", pages()["docs/commands.md"], re.MULTILINE
    )
    for name, process in rows:
        if name not in WITHOUT_SETTINGS:
            command = load_command_class(get_commands()[name], name)
            if isinstance(command, OperatorCommand):
                assert process == command.process, name


def test_every_command_marked_as_not_to_be_run_is_documented() -> None:
    texts = [" ".join(command.words) for command in COMMANDS]
    for known in NOT_RUN:
        assert any(text.startswith(known) for text in texts), known


def test_a_wrong_command_is_found() -> None:
    """Tries a word, an option, a target, an address and a process that do not exist."""
    for text in (
        "hitlportal nothing",
        "hitlportal invite --nothing alice",
        "hitlportal approver add alice --key 00 --role nobody",
        "hitlportal audit_witness --key x",
        "hitlportal verify_evidence x",
        "hitlportal-as worker invite alice",
        "make nothing",
        "install -m 0644 deploy/nothing /etc",
        "rm -rf /",
    ):
        assert problem_of(Command("", text).words) != "", text
