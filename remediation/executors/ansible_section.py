"""Read the ansible section of the targets file.

[ansible.<project>]
directory = "playbooks"                     the whole project; its digest is the pin
inventory = "hosts.ini"                     in the directory
observe_key_file = "observe.ssh"            optional: the key of SSH for the check
operate_key_file = "operate.ssh"            optional: the key of SSH for the run
observe_vault_file, operate_vault_file      optional: the passwords of Ansible Vault
environment = "production"                  optional, see targets.py

[ansible.<project>.playbooks.<name>]
file = "remove-key.yml"                     in the directory
hosts = ["pay-worker-3", "workers"]         hosts and groups that a plan may name
vars.key_name = "[a-z0-9-]{1,40}"           what the plan gives, each with its pattern
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from audit.tlog.canonical import Json
from remediation.domain.catalogue.ansible import PLAYBOOK
from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Target
from remediation.executors.driver import Places
from remediation.executors.section import Secret, Section, TargetsFileInvalid
from remediation.executors.targets import Targets

NAME = re.compile(PLAYBOOK.fields["project"])
HOSTS = re.compile(PLAYBOOK.fields["hosts"])
VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,62}")
# They direct Ansible itself: a connection, an interpreter, a command for SSH.
RESERVED = re.compile(
    r"ansible_.*|inventory_.*|group_names|groups|hostvars|hosts|omit|environment|playbook_dir"
    r"|role_.*|play_.*|vars|lookup|query|q|undef|now|template|port|remote_user|connection"
)


@dataclass(frozen=True)
class Playbook:
    """One playbook that plans may name, with its hosts and variables."""

    file: str
    hosts: tuple[str, ...]
    variables: Mapping[str, re.Pattern[str]]


@dataclass(frozen=True)
class Project:
    """A directory with playbooks, and the logins for its hosts."""

    directory: Path
    inventory: str
    playbooks: Mapping[str, Playbook]
    observer: Mapping[str, Secret]
    operator: Mapping[str, Secret]
    environment: str = ""


@dataclass(frozen=True)
class Projects(Places):
    """All projects of a worker, by name."""

    provider: ClassVar[str] = "ansible"
    projects: Mapping[str, Project]

    def environment(self, target: Target) -> str:
        found = self.projects.get(target.fields["project"])
        return found.environment if found is not None else ""


def read(section: Section) -> Projects:
    return Projects(section.each(_project))


def project(targets: Targets, name: str) -> Project:
    """Return a project. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Projects)
    if places is None or name not in places.projects:
        raise TargetUnobservable(f"this worker has no project {name}")
    return places.projects[name]


def variables(playbook: Playbook, parameters: Mapping[str, Json]) -> dict[str, str]:
    """Return the plan's variables. Raises TargetUnobservable unless they are exactly those that
    the section names, each by its pattern."""
    given = parameters.get("vars", [])
    found: dict[str, str] = {}
    for one in given if isinstance(given, list) else []:
        name, _, value = str(one).partition("=")
        if name in found:
            raise TargetUnobservable(f"variable {name} is given twice")
        pattern = playbook.variables.get(name)
        if pattern is None or not pattern.fullmatch(value):
            raise TargetUnobservable(f"the targets file does not allow variable {name} so")
        found[name] = value
    if missing := sorted(set(playbook.variables) - set(found)):
        raise TargetUnobservable(f"the plan does not give variable {missing[0]}")
    return found


def _project(section: Section, name: str) -> Project:
    if not NAME.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} is not the name of a project")
    return Project(
        directory=section.path("directory"),
        inventory=_inside(section.text("inventory")),
        playbooks=section.section("playbooks").each(_playbook),
        observer=_secrets(section, "observe"),
        operator=_secrets(section, "operate"),
        environment=section.environment(),
    )


def _playbook(section: Section, name: str) -> Playbook:
    if not NAME.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} is not the name of a playbook")
    hosts = section.texts("hosts")
    if wrong := [one for one in hosts if not HOSTS.fullmatch(one)]:
        raise TargetsFileInvalid(f"{wrong[0]!r} is not the name of a host or group")
    patterns = section.section("vars")
    return Playbook(
        file=_inside(section.text("file")),
        hosts=hosts,
        variables={one: _pattern(patterns, one) for one in patterns.names()},
    )


def _pattern(section: Section, name: str) -> re.Pattern[str]:
    if not VARIABLE.fullmatch(name) or RESERVED.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} cannot be a variable of a plan")
    try:
        return re.compile(section.text(name))
    except re.error as error:
        raise TargetsFileInvalid(f"variable {name}: {error}") from error


def _inside(path: str) -> str:
    """Return a path inside of the project's directory."""
    parts = PurePosixPath(path).parts
    if path.startswith(("/", "-", "@")) or ".." in parts or "," in path:
        raise TargetsFileInvalid(f"{path!r} is not a path in the project's directory")
    return path


def _secrets(section: Section, login: str) -> dict[str, Secret]:
    return {
        kind: section.secret_file(f"{login}_{kind}")
        for kind in ("key", "vault")
        if section.has(f"{login}_{kind}_file") or section.has(f"{login}_{kind}_from")
    }
