"""Playbooks that would go around the check, results that get lost, and a worker that dies."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from remediation.domain.errors import TargetUnobservable
from remediation.executors import ansible, ansible_process
from remediation.executors.ansible_project import ProjectRefused, copy
from remediation.executors.errors import OutcomeUnknown
from remediation.executors.run import run_apply, run_observe
from tests.executors.ansible import PLAY, AnsibleWorld
from tests.executors.contract import clearance


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[AnsibleWorld]:
    made = AnsibleWorld(directory=tmp_path, quick=True)
    yield made
    made.close()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnsibleWorld:
    monkeypatch.setattr(ansible, "CHECK_SECONDS", 120.0)  # the machine of the tests is slow
    return AnsibleWorld(directory=tmp_path)


# ---- the real program ----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["outside", "no-suffix"])
def test_a_task_that_leaves_check_mode_does_not_begin(world: AnsibleWorld, how: str) -> None:
    """The look through the files does not see these; the plugin sees each task before it begins."""
    task = f'[{{"ansible.builtin.copy": {{"dest": "{world.host}/made", "content": "x"}}, '
    path = world.directory / "tasks" if how == "outside" else world.project / "tasks"
    path.write_text(task + '"check\\u005fmode": false}]')
    world.play(
        PLAY + f"    - ansible.builtin.include_tasks: {path if how == 'outside' else 'tasks'}"
    )
    with pytest.raises(TargetUnobservable, match="check_mode"):
        run_observe(world.step, world.targets())
    assert not (world.host / "made").exists()


def test_what_is_left_out_because_it_is_a_check_is_named(world: AnsibleWorld) -> None:
    world.play(
        PLAY.replace("gather_facts: false", "gather_facts: true\n  gather_subset: ['!all', '!min']")
        + """
    - name: one of a loop
      ansible.builtin.command: {cmd: "touch {{ base }}/x", creates: "{{ item.c | default(omit) }}"}
      loop: [{c: /etc/passwd}, {}]
    - name: only in a run
      ansible.builtin.copy: {dest: "{{ base }}/unseen", content: x}
      when: not ansible_check_mode
"""
    )
    shown = run_observe(world.step, world.targets()).shown
    assert shown["unchecked"] == ["here: one of a loop", "here: only in a run"]
    assert shown["tasks"] == ["here: take the key out"]


def test_a_result_that_cannot_be_told_ends_the_run(world: AnsibleWorld) -> None:
    """Ansible goes on when a plugin fails: the change would be seen by nobody."""
    plugins = world.project / "action_plugins"
    plugins.mkdir()
    (plugins / "odd").with_suffix(".py").write_text(
        "from ansible.plugins.action import ActionBase\n"
        "class ActionModule(ActionBase):\n"
        "    def run(self, *given, **named):\n"
        "        return dict(changed=True, diff=dict(before={1: 2, 'a': 3}, after='x'))\n"
    )
    world.play("- hosts: all\n  gather_facts: false\n  tasks:\n    - odd:\n")
    with pytest.raises(TargetUnobservable, match="no results"):
        run_observe(world.step, world.targets())


def test_no_task_begins_after_the_worker_was_killed(world: AnsibleWorld) -> None:
    """Else a check would call it not done while it still runs."""
    began, after = world.host / "began", world.host / "after"
    world.play(
        f"""- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.shell: "echo $PPID > {began}; while test -e {began}; do sleep 0.1; done"
    - ansible.builtin.file: {{path: "{after}", state: touch}}
"""
    )
    work, names = world.directory / "work", world.directory / "vars.yml"
    work.mkdir()
    names.write_text("{}\n")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from remediation.executors.ansible_process import run\n"
        f"run(Path({str(work)!r}), Path({str(world.project)!r}),"
        " ['--inventory', 'hosts.ini', 'remove-key.yml'], {}, 200)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as worker:
        until = time.monotonic() + 100
        while not began.exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert began.exists()
        left = ansible_process._marked(re.compile(str(work).encode()))
        worker.send_signal(signal.SIGKILL)
    began.unlink()
    while any(Path(f"/proc/{pid}/cmdline").exists() for pid in left) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}/cmdline").exists() for pid in left)
    assert not after.exists()


# ---- stand-ins -----------------------------------------------------------------------------------


def test_a_host_that_was_lost_in_the_run_is_not_called_untouched(quick: AnsibleWorld) -> None:
    """The check reached it a moment ago: the task may have cut the connection itself."""
    code = f"""
import json, os, sys
if '--check' in sys.argv:
    os.execv({sys.executable!r}, [{sys.executable!r}, '-I', '-S',
        {ansible_process.COMMAND[-1]!r}, *sys.argv[1:]])
for one in ({{"event": "unreachable", "host": "here", "task": "x"}},
            {{"event": "stats", "hosts": {{"here": {{"ok": 0, "unreachable": 1}}}}}}):
    os.write(int(os.environ['PORTAL_EVENTS_FD']), json.dumps(one).encode() + b'\\n')
sys.exit(4)
"""
    quick.stand_in("-c", code)
    plan = quick.plan()
    with pytest.raises(OutcomeUnknown, match="not reached"):
        run_apply(clearance(plan), plan.body, 0, quick.targets())


def test_the_last_words_of_a_run_are_read() -> None:
    reading, writing = os.pipe()

    class Ends:
        """Writes and ends between the look at the pipe and the look at the process."""

        told = False

        def poll(self) -> int:
            if not self.told:
                os.write(writing, b"stats")
                self.told = True
            return 0

    ends: Any = Ends()
    try:
        assert ansible_process._read(reading, ends, time.monotonic() + 5) == (b"stats", "")
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("value", ["a\x85b", "a\u2028b", "\ufeffa", "\U0001f600", 'ü"\\', "a\x80b"])
def test_a_value_reaches_ansible_as_it_is(tmp_path: Path, value: str) -> None:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!unsafe", yaml.SafeLoader.construct_yaml_str)
    path = ansible_process.variables_file(tmp_path, {"x": value})
    assert yaml.load(path.read_bytes(), Loader) == {"x": value}


def test_much_yaml_does_not_hold_the_worker_up(quick: AnsibleWorld, tmp_path: Path) -> None:
    """No deadline holds while the project is copied; to look through 1 MiB takes many seconds."""
    to, began = tmp_path / "copy", time.monotonic()
    to.mkdir()
    large = quick.project / "data.yml"
    large.write_text("- {a: [1, 2, 3]}\n" * 100_000)
    copy(quick.project, to)
    large.write_text("- {a: [1, 2, 'check_mode']}\n" * 100_000)
    with pytest.raises(ProjectRefused, match="too much YAML"):
        copy(quick.project, to)
    assert time.monotonic() - began < 10


def test_what_a_killed_worker_left_behind_is_removed(
    quick: AnsibleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = quick.directory / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    old, new, other = (temporary / n for n in ("hitlportal-ansible-a", "hitlportal-ansible-b", "c"))
    for one in (old, new, other):
        one.mkdir()
        (one / "login.key").write_text("a key")
    (temporary / "hitlportal-ansible-link").symlink_to(other)
    for one in (old, other):
        os.utime(one, (1, 1))
    run_observe(quick.step, quick.targets())
    assert not old.exists() and new.exists() and (other / "login.key").exists()
