"""A project of Ansible whose playbook takes a key out of a file of this machine."""

from __future__ import annotations

import sys
from pathlib import Path

from audit.tlog.canonical import Json
from remediation.executors import ansible_process
from tests.executors.contract import World

STAND_IN = Path(__file__).with_name("ansible_stand_in.py")
AS_DEPLOYED = ansible_process.COMMAND
KEYS = "ssh-ed25519 AAAA1 deploy-2024\nssh-ed25519 AAAA2 other\n"
TASK = """
    - name: take the key out
      ansible.builtin.lineinfile:
        path: "{{ base }}/authorized_keys"
        search_string: "{{ key_name }}"
        state: absent
"""
PLAY = f"""- hosts: all
  gather_facts: false
  tasks:{TASK}"""


class AnsibleWorld(World):
    """A key that is in the file. `quick`: a stand-in runs instead of the real program."""

    def __init__(
        self, action: str = "ansible.playbook.run", directory: Path = Path(), *, quick: bool = False
    ) -> None:
        self.action, self.directory = action, directory
        self.project, self.host = directory / "project", directory / "host"
        self.keys = self.host / "authorized_keys"
        self.hosts, self.pattern = "here", "[a-z0-9-]{1,40}"
        for made in (self.project, self.host):
            made.mkdir()
        self.keys.write_text(KEYS)
        self.play(PLAY)
        self.inventory("here")
        for login in ("observe", "operate"):
            (directory / f"{login}.vault").write_text(f"password-of-{login}\n")
        # What is called real must not run a stand-in that another test left.
        assert ansible_process.COMMAND == AS_DEPLOYED
        if quick:
            self.stand_in(str(STAND_IN))

    def stand_in(self, *program: str) -> None:
        """Run another program from now on, until the world is closed; nothing else sets it."""
        ansible_process.COMMAND = (sys.executable, "-I", "-S", *program)

    def close(self) -> None:
        ansible_process.COMMAND = AS_DEPLOYED

    def play(self, text: str) -> None:
        (self.project / "remove-key.yml").write_text(text)

    def inventory(self, *hosts: str) -> None:
        shared = (
            'ansible_connection=local ansible_python_interpreter="{{ ansible_playbook_python }}"'
        )
        lines = [f"{host} {shared} base={self.host}" for host in hosts]
        (self.project / "hosts.ini").write_text("\n".join(["[workers]", *lines, ""]))

    @property
    def target(self) -> dict[str, Json]:
        return {
            "kind": "ansible.playbook",
            "project": "payments",
            "playbook": "remove-key",
            "hosts": self.hosts,
        }

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "hosts": "elsewhere"}

    def toml(self, port: int | None = None) -> str:
        directory = "project" if port is None else "nowhere"
        return (
            f'[ansible.payments]\ndirectory = "{directory}"\ninventory = "hosts.ini"\n'
            'observe_vault_file = "observe.vault"\noperate_vault_file = "operate.vault"\n'
            '[ansible.payments.playbooks.remove-key]\nfile = "remove-key.yml"\n'
            f'hosts = ["here", "workers"]\nvars.key_name = \'{self.pattern}\'\n'
        )

    def look(self) -> object:
        return self.keys.read_text()

    def changes(self) -> int:
        return int(self.keys.read_text() != KEYS)
