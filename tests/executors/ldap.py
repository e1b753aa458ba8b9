"""A real OpenLDAP as a target, with the two logins of the worker, and the world of each action."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from audit.tlog.canonical import Json
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.ports import LOOPBACK
from tests.executors.contract import World
from tests.executors.slapd import (
    ADMIN,
    DATABASE,
    PPOLICY,
    SUFFIX,
    Slapd,
    escape_rdn,
    ldap3,
    required,
)

DIRECTORY, BASE = "corp", f"ou=services,{SUFFIX}"
POLICY = f"cn=default,ou=policies,{SUFFIX}"
DOC = Path(__file__).parents[2] / "docs" / "ldap.md"
LOCK, LOCKED_AT = "000001010000Z", "pwdAccountLockedTime"
# What other applications have; the documented rules stand before these.
OTHERS = [
    "to attrs=userPassword by self =w by anonymous auth by * none",
    "to * by self read by * none",
]


def rules(block: int = 0) -> dict[str, list[str]]:
    """Return the access rules of a block of docs/ldap.md, by the entry that has them."""
    text = re.findall(r"```ldif\n(.*?)```", DOC.read_text("utf-8"), re.S)[block]
    found: dict[str, list[str]] = {}
    for part in text.replace("\n ", "").strip().split("\n\n"):
        lines = part.splitlines()
        found[lines[0].removeprefix("dn: ")] = [
            re.sub(r"^olcAccess: \{\d+\}", "", line)
            for line in lines
            if line.startswith("olcAccess")
        ]
    return found


class LdapPlace:
    """The server, and connections of its administrators."""

    def __init__(self, server: Slapd) -> None:
        self.server = server
        self.admin, self.config = server.admin(), server.config()
        self.passwords = {name: uuid4().hex for name in ("observe", "operate")}
        self.allow()

    def close(self) -> None:
        self.admin.unbind()
        self.config.unbind()

    def fill(self) -> None:
        """Make the directory's tree, the policy, and the two logins."""
        self.admin.add(SUFFIX, ["domain"])
        for name in ("services", "portal", "policies"):
            self.admin.add(f"ou={name},{SUFFIX}", ["organizationalUnit"])
        self.admin.add(
            POLICY, ["device", "pwdPolicy"],
            {"pwdAttribute": "userPassword", "pwdLockout": "TRUE", "pwdMaxFailure": "3"},
        )  # fmt: skip
        for name, password in self.passwords.items():
            self.admin.add(
                f"cn=hitl-{name},ou=portal,{SUFFIX}",
                ["organizationalRole", "simpleSecurityObject"],
                {"userPassword": password},
            )
        self.add("svc_socket", uuid4().hex)

    def add(self, name: str, password: str, **more: str) -> str:
        """Make an account; return the name of its entry."""
        entry = f"uid={escape_rdn(name)},{BASE}"
        classes = ["account", "simpleSecurityObject"] + ["ldapPublicKey"] * bool(more)
        self.admin.add(entry, classes, {"userPassword": password, **more})
        return entry

    def allow(self, *, choice: bool = True, without: str = "", instead: str = "") -> None:
        """Give the rights of the documents, all but what `without` says, and no more."""
        chosen = rules(1)[DATABASE] if choice else []
        for entry, each in rules().items():
            full = [*chosen, *each, *OTHERS] if entry == DATABASE else [*each]
            made = [rule.replace(without, instead) if without else rule for rule in full]
            self.config.modify(entry, {"olcAccess": [(ldap3.MODIFY_REPLACE, made)]})

    def set(self, entry: str, attribute: str, *values: str) -> None:
        self.admin.modify(entry, {attribute: [(ldap3.MODIFY_REPLACE, [*values])]})

    def policy(self, lockout: str) -> None:
        self.set(POLICY, "pwdLockout", lockout)

    def default_policy(self, *names: str) -> None:
        change = {"olcPPolicyDefault": [(ldap3.MODIFY_REPLACE, [*names])]}
        self.config.modify(PPOLICY, change)

    def entry(self, name: str) -> dict[str, list[bytes]]:
        """Return all that the directory has of an entry."""
        self.admin.search(name, "(objectClass=*)", "BASE", attributes=["*", "+"])
        return {k: v for k, v in self.admin.response[0]["raw_attributes"].items() if v}


@contextmanager
def running(provider: LdapPlace | None = None) -> Iterator[LdapPlace]:
    """Run a server, or a replica of another place's server with the same logins."""
    required()
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-ldap-"))
    directory.chmod(0o711)  # when root runs the tests, the server runs under another account
    server = Slapd(directory / "slapd", provider.server if provider else None)
    server.start()
    try:
        place = LdapPlace(server)
        if provider is None:
            place.fill()
        else:
            place.passwords = provider.passwords
        try:
            yield place
        finally:
            place.close()
    finally:
        server.stop()
        remove_home(server.home)
        shutil.rmtree(directory)


class LdapWorld(World):
    """An account with one open connection."""

    def __init__(self, action: str, directory: Path, place: LdapPlace) -> None:
        self.action, self.directory, self.place = action, directory, place
        self.name, self.password = f"svc_{uuid4().hex[:10]}", uuid4().hex
        self.entry = place.add(self.name, self.password)
        self.held = self.connect()
        if action.endswith(".unlock"):
            place.set(self.entry, LOCKED_AT, LOCK)
        (directory / "operate.password").write_text(place.passwords["operate"])
        self._before = len(place.server.changes(self.entry))

    def connect(self) -> Any:
        """Open a connection of the account, which signs in. Raises LDAPException."""
        return self.place.server.connect(self.entry, self.password)

    def close(self) -> None:
        self.held.unbind()
        self.place.admin.delete(self.entry)

    @property
    def target(self) -> dict[str, Json]:
        return {"kind": "ldap.account", "directory": DIRECTORY, "account": self.name}

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "account": f"{self.name}_gone"}

    def toml(self, port: int | None = None) -> str:
        url = self.place.server.url if port is None else f"ldap://{LOOPBACK}:{port}"
        return (
            f'[ldap.{DIRECTORY}]\nprovider = "{url}"\n'
            f'base = "{BASE}"\nname_attribute = "uid"\nroot_dn = "{ADMIN}"\n'
            f'observe_dn = "cn=hitl-observe,ou=portal,{SUFFIX}"\n'
            f'observe_password = "{self.place.passwords["observe"]}"\n'
            f'operate_dn = "cn=hitl-operate,ou=portal,{SUFFIX}"\n'
            f'operate_password_file = "operate.password"\n'
        )

    def look(self) -> object:
        return self.place.entry(self.entry)

    def locked_at(self) -> str:
        return self.place.entry(self.entry).get(LOCKED_AT, [b""])[0].decode()

    def changes(self) -> int:
        return len(self.place.server.changes(self.entry)) - self._before
