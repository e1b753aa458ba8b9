"""Name the optional libraries that a worker's targets need and that are not installed.

Each lies in an extra of this package, so that a worker's host holds only what its targets need.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remediation.executors.targets import Targets


@dataclass(frozen=True)
class Library:
    """A module, and the extra of this package that installs it."""

    module: str
    extra: str

    @property
    def is_installed(self) -> bool:
        return find_spec(self.module) is not None

    @property
    def missing(self) -> str:
        """Return what to do when it is not installed."""
        return f"{self.module} is missing; install hitlportal[{self.extra}]"


ANSIBLE = Library("ansible", "ansible")
BOTO3 = Library("boto3", "aws")
HVAC = Library("hvac", "openbao")
KUBERNETES = Library("kubernetes", "kubernetes")
AUTHLIB = Library("authlib", "oauth")
LDAP3 = Library("ldap3", "ldap")
REQUESTS = Library("requests", "github")
ENTRA_AUTHLIB = Library("authlib", "entra")
ENTRA_REQUESTS = Library("requests", "entra")
OKTA_AUTHLIB = Library("authlib", "okta")
OKTA_REQUESTS = Library("requests", "okta")
PARAMIKO = Library("paramiko", "ssh")
STANDARD_WEBHOOKS = Library("standardwebhooks", "webhook")


def missing(targets: Targets) -> tuple[str, ...]:
    """Return a line for each section of the targets file whose library is not installed."""
    from remediation.executors.registry import DRIVERS  # its modules import this one

    needed: dict[str, Iterable[Library]] = {
        **{f"[{name}]": DRIVERS[name].needs for name in targets.sections},
        **{f"[store.{name}]": store.needs for name, store in targets.stores.items()},
    }
    return tuple(
        f"{section} of the targets file: {library.missing}"
        for section, libraries in needed.items()
        for library in libraries
        if not library.is_installed
    )
