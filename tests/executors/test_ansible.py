"""Playbooks: nothing that nobody saw runs, nothing of the plan is evaluated, everything ends."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remediation.domain.errors import BadValue, TargetUnobservable
from remediation.executors import ansible, ansible_process
from remediation.executors.ansible_project import ProjectRefused, copy
from remediation.executors.base import Settled
from remediation.executors.errors import NotApplied, OutcomeUnknown, PartlyApplied, VerifyFailed
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_verify,
)
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from tests.executors.ansible import PLAY, AnsibleWorld
from tests.executors.contract import clearance, make_plan


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[AnsibleWorld]:
    """A world in which a stand-in runs instead of Ansible."""
    made = AnsibleWorld(directory=tmp_path, quick=True)
    yield made
    made.close()


@pytest.fixture
def world(tmp_path: Path) -> AnsibleWorld:
    return AnsibleWorld(directory=tmp_path)


def says(code: str) -> tuple[str, ...]:
    """Return a program that stands in for Ansible."""
    return ("-c", f"import os, sys, time, subprocess\n{code}")


def lives(pid: int) -> bool:
    """Return whether a process runs; who is killed stays as a zombie until its parent asks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# ---- the real program ----------------------------------------------------------------------------


def test_nothing_of_the_plan_is_evaluated_and_no_secret_of_a_diff_or_the_worker_is_shown(
    world: AnsibleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HITL_SECRET_KEY", "portal-secret-4711")
    token, made = "ghp_" + "a1B2" * 9, world.directory / "made"
    world.pattern = ".*"
    world.play(
        PLAY
        + """
    - name: what it got
      ansible.builtin.copy:
        dest: "{{ base }}/got"
        content: "{{ key_name }}|{{ lookup('pipe', 'env') }}|TOKEN"
    - name: hidden
      ansible.builtin.copy: {dest: "{{ base }}/hidden", content: swordfish}
      no_log: true
    - name: by a shell
      ansible.builtin.command: "touch {{ base }}/by-a-shell"
    - name: not for us
      ansible.builtin.command: "true"
      when: key_name == "another"
""".replace("TOKEN", token)
    )
    value = f"{{{{ lookup('pipe', 'touch {made}') }}}} \"quoted\" ' \\ ü {{% x %}}"
    plan = make_plan(world.action, world.target, {"vars": [f"key_name={value}"]})
    seen = run_observe(plan.steps[0], world.targets())
    diff = "\n".join(str(line) for line in seen.shown["diff"])  # type: ignore[union-attr]
    assert not made.exists() and value in diff
    assert seen.shown["tasks"] == ["here: what it got", "here: hidden"]
    assert seen.shown["unchecked"] == ["here: by a shell"]
    for secret in (token, "swordfish", "portal-secret-4711", "password-of-"):
        assert secret not in str(seen.to_json())
    assert not (world.host / "got").exists() and world.changes() == 0
    # A task that cannot be tried is named, and the plan is refused.
    with pytest.raises(NotApplied, match="by a shell"):
        run_prepare(clearance(plan), plan.body, 0, world.targets(), seen)


def test_a_host_that_fails_makes_a_partial_result_and_is_named(world: AnsibleWorld) -> None:
    world.inventory("here", "bad")
    world.hosts = "workers"
    world.play(
        PLAY
        + """
    - ansible.builtin.fail: {msg: no disk}
      when:
        - inventory_hostname == "bad"
        - '"deploy" not in lookup("file", base ~ "/authorized_keys")'
"""
    )
    plan, targets = world.plan(), world.targets()
    with pytest.raises(PartlyApplied, match=r"1 hosts failed .*\(bad\), 1 did not fail"):
        run_apply(clearance(plan), plan.body, 0, targets)
    assert world.changes() == 1


def test_a_check_that_hangs_ends_with_every_process_of_it(
    world: AnsibleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of Ansible begins a session of its own: to kill the group is not enough."""
    pid, read = world.directory / "pid", ansible_process._read

    def until_it_hangs(reading: int, process: Any, until: float) -> tuple[bytes, str]:
        while not (pid.exists() and pid.read_text()) and time.monotonic() < until:
            time.sleep(0.05)
        return read(reading, process, time.monotonic() + 0.1)

    monkeypatch.setattr(ansible, "CHECK_SECONDS", 60.0)
    monkeypatch.setattr(ansible_process, "_read", until_it_hangs)
    hang = f"{{{{ lookup('pipe', 'echo $$ > {pid}; exec sleep 300') }}}}"
    world.play(PLAY.replace("{{ key_name }}", hang))
    with pytest.raises(TargetUnobservable, match="time for the run is over"):
        run_observe(world.step, world.targets())
    assert pid.exists(), "the playbook did not come to the lookup"
    assert not lives(int(pid.read_text()))


# ---- the pin -------------------------------------------------------------------------------------


def test_a_project_that_changed_after_the_approval_does_not_run(quick: AnsibleWorld) -> None:
    plan, targets = quick.plan(), quick.targets()
    before = run_observe(quick.step, targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, before)
    for name in ("group_vars/all.yml", "roles/x/tasks/main.yml", "ansible.cfg", "filters/own"):
        path = quick.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# changed\n")
        assert run_observe(quick.step, targets).state["content"] != before.state["content"]
        with pytest.raises(NotApplied, match="not the one that people saw"):
            run_apply(clearance(plan), plan.body, 0, targets, snapshot)
        path.unlink()
    # The same project with another effect.
    quick.keys.write_text("line of deploy-2024\n" + quick.keys.read_text())
    with pytest.raises(NotApplied, match="something else than people saw"):
        run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    assert "deploy-2024" in quick.keys.read_text()


def test_a_part_of_the_changes_is_not_taken_for_none_or_all(quick: AnsibleWorld) -> None:
    targets, executor = quick.targets(), executor_of(quick.step)
    before = run_observe(quick.step, targets).state
    quick.keys.write_text("rest deploy-2024\n")
    seen = run_observe(quick.step, targets)
    assert executor.settled_from(quick.step, seen, before, {}) is None
    quick.keys.write_text("")
    seen = run_observe(quick.step, targets)
    assert executor.settled_from(quick.step, seen, before, {}) is Settled.APPLIED
    other = {**before, "content": "0" * 64}
    assert executor.settled_from(quick.step, seen, other, {}) is None
    with pytest.raises(VerifyFailed, match="not the one that ran"):
        run_verify(clearance(quick.plan()), quick.plan().body, 0, targets, other)


def test_links_and_pipes_and_too_much_are_refused(quick: AnsibleWorld, tmp_path: Path) -> None:
    project = quick.project
    for made in ("link", "directory", "pipe"):
        path = project / "odd"
        if made == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/etc/hostname" if made == "link" else "/etc")
        with pytest.raises(TargetUnobservable, match="odd is a link or no regular file"):
            run_observe(quick.step, quick.targets())
        path.unlink()
    with (project / "large").open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    with pytest.raises(TargetUnobservable, match="too large"):
        run_observe(quick.step, quick.targets())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("remove-key.yml", PLAY + "      check_mode: no\n"),
        ("roles/x/tasks/main.yml", "- {ping: , 'check_mode': false}\n"),
        ("roles/x/tasks/other", "- ping:\n  check_mode : no\n"),
        ("tasks.json", '[{"check\\u005fmode": false}]'),
        ("tasks.yml", '- {"check\\x5fmode": no}\n'),
        ("tasks.yml", "- !odd {a: [{check_mode: '{{ x }}'}]}\n"),
        (
            "tasks.yml",
            'a: ["\\x63"\n',
        ),
        ("tasks.yml", "$ANSIBLE_VAULT;1.1;AES256\n00\n"),
    ],
)
def test_what_could_write_while_it_is_only_tried_is_refused(
    quick: AnsibleWorld, name: str, text: str
) -> None:
    path = quick.project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    with pytest.raises(TargetUnobservable, match=r"check_mode|vaulted|looked through"):
        run_observe(quick.step, quick.targets())


def test_a_question_about_check_mode_and_vaulted_variables_are_allowed(
    quick: AnsibleWorld, tmp_path: Path
) -> None:
    (quick.project / "group_vars").mkdir()
    (quick.project / "group_vars/all.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n00\n")
    quick.play(PLAY + "      when: not ansible_check_mode\n")
    (tmp_path / "copy").mkdir()
    first = copy(quick.project, tmp_path / "copy")
    (tmp_path / "again").mkdir()
    assert copy(tmp_path / "copy", tmp_path / "again") == first
    with pytest.raises(ProjectRefused):
        copy(tmp_path / "nowhere", tmp_path / "again")


# ---- what the plan and the targets file may say --------------------------------------------------


def test_only_the_variables_and_hosts_of_the_targets_file_are_taken(quick: AnsibleWorld) -> None:
    targets = quick.targets()
    for wrong in (
        [],
        ["key_name=UPPER"],
        ["key_name=a", "key_name=b"],
        ["key_name=a", "ansible_connection=ssh"],
        ["key_name=a", "other=b"],
    ):
        given = {"vars": wrong} if wrong else {}
        plan = make_plan(quick.action, quick.target, given)  # type: ignore[arg-type]
        with pytest.raises(TargetUnobservable, match="variable"):
            run_observe(plan.steps[0], targets)
        with pytest.raises(NotApplied):
            run_apply(clearance(plan), plan.body, 0, targets)
    for value in ("x\ny", "-e x", "=", "Name=x"):
        with pytest.raises(BadValue):
            make_plan(quick.action, quick.target, {"vars": [value]})
    for hosts in ("all:!here", "@file", "*", "-i", "a,b", "", "~.*"):
        with pytest.raises(BadValue):
            make_plan(quick.action, {**quick.target, "hosts": hosts}, quick.parameters)
    assert quick.changes() == 0


def test_a_targets_file_that_lets_out_of_the_project_is_refused(quick: AnsibleWorld) -> None:
    good, path = quick.toml(), quick.directory / "wrong.toml"
    for old, new in (
        ('"hosts.ini"', '"../hosts.ini"'),
        ('"hosts.ini"', '"here,"'),
        ('"remove-key.yml"', '"/etc/x.yml"'),
        ('"remove-key.yml"', '"-e@x"'),
        ('["here"', '["all:!x"'),
        ("vars.key_name", "vars.ansible_ssh_common_args"),
        ("vars.key_name", "vars.hostvars"),
        (f"'{quick.pattern}'", "'['"),
        ("[ansible.payments]\n", "[ansible.payments]\nforks = 3\n"),
    ):
        path.write_text(good.replace(old, new))
        with pytest.raises(TargetsFileInvalid):
            Targets.load(path, portal_system_identifier=None)


# ---- a run that does not behave ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("while True: os.write(int(os.environ['PORTAL_EVENTS_FD']), b'x' * 60000)", "too much"),
        ("sys.exit(4)", "status 4"),
        (
            "os.write(int(os.environ['PORTAL_EVENTS_FD']), b'{\\n[1]\\nnull\\n' + b'[' * 9000)",
            "no re",
        ),
    ],
)
def test_what_is_no_result_is_a_clear_refusal(quick: AnsibleWorld, code: str, why: str) -> None:
    quick.stand_in(*says(code))
    with pytest.raises(TargetUnobservable, match=why):
        run_observe(quick.step, quick.targets())


def test_a_run_that_is_cut_off_is_not_called_done_and_leaves_no_process(
    quick: AnsibleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check answers; the run begins a process in a session of its own and hangs."""
    check = "--check"
    code = f"""
if {check!r} in sys.argv:
    os.execv({sys.executable!r}, [{sys.executable!r}, '-I', '-S',
        {ansible_process.COMMAND[-1]!r}, *sys.argv[1:]])
child = subprocess.Popen(['sleep', '300'], start_new_session=True)
open({str(quick.directory / "pid")!r}, 'w').write(str(child.pid))
time.sleep(300)
"""
    quick.stand_in(*says(code))
    monkeypatch.setattr(ansible, "SPARE_SECONDS", 58.0)
    plan, began = quick.plan(), time.monotonic()
    with pytest.raises(OutcomeUnknown, match="time for the run is over"):
        run_apply(clearance(plan), plan.body, 0, quick.targets())
    assert time.monotonic() - began < 20
    assert not lives(int((quick.directory / "pid").read_text()))
