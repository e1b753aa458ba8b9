"""Certificates of a real OpenBao on real TLS servers, and the world of each action."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography import x509

from audit.tlog.canonical import Json
from hitlportal.demo.servers.openbao import BaoServer
from remediation.domain.plan import Plan
from remediation.executors.tls_bundle import fingerprint
from tests.executors.contract import World, make_plan
from tests.executors.openbao import lines_since

DOC = Path(__file__).parents[2] / "docs" / "tls.md"
HOSTNAME = "orders.example.test"
CHANGING = re.compile(r"[^ /]+/(sign/[^ ]+|revoke|crl/rotate)")


def rules(of: str) -> str:
    """Return the policy of the observer or the operator, as docs/tls.md has it."""
    found = re.search(rf"^The {of}'s:\n\n```hcl\n(.*?)```", DOC.read_text("utf-8"), re.M | re.S)
    assert found is not None
    return found[1]


class Pki:
    """An engine of its own, with a root and one role."""

    def __init__(self, server: BaoServer) -> None:
        self.server, self.mount = server, f"pki-{uuid4().hex[:8]}"
        server.ask("POST", f"sys/mounts/{self.mount}", {"type": "pki"})
        self.root = self._root()
        self.url = f"{server.url}/v1/{self.mount}/crl"
        server.ask("POST", f"{self.mount}/config/urls", {"crl_distribution_points": [self.url]})
        server.ask("POST", f"{self.mount}/config/crl", {"auto_rebuild": True})
        server.ask(
            "POST",
            f"{self.mount}/roles/web",
            {
                "allowed_domains": ["example.test"],
                "allow_subdomains": True,
                "key_type": "ec",
                "key_bits": 256,
                "max_ttl": "720h",
            },
        )

    def _root(self) -> str:
        made = self.server.ask(
            "POST",
            f"{self.mount}/root/generate/internal",
            {"common_name": "Test Root", "ttl": "744h", "key_type": "ec", "key_bits": 256},
        )
        return str(made["data"]["certificate"])

    def issue(self, hostname: str = HOSTNAME, ttl: str = "24h") -> dict[str, Any]:
        made = self.server.ask(
            "POST", f"{self.mount}/issue/web", {"common_name": hostname, "ttl": ttl}
        )
        return dict(made["data"])

    def another_issuer(self, name: str, *, default: bool = False) -> str:
        """Make a second root of the engine; return its certificate. `default`: it signs now."""
        made = self.server.ask(
            "POST",
            f"{self.mount}/issuers/generate/root/internal",
            {
                "common_name": f"Test Root {name}",
                "issuer_name": name,
                "ttl": "744h",
                "key_type": "ec",
                "key_bits": 256,
            },
        )
        if default:
            self.make_default(name)
        return str(made["data"]["certificate"])

    def make_default(self, name: str) -> None:
        self.server.ask("POST", f"{self.mount}/config/issuers", {"default": name})


class TlsWorld(World):
    """Two servers that show one certificate, and a client that trusts its issuer."""

    modes: Sequence[str] = ("reload", "reload")
    # The targets file, where a test gives another one.
    text = ""

    def __init__(
        self, action: str, directory: Path, server: BaoServer, modes: Sequence[str] = ()
    ) -> None:
        self.action, self.directory, self.server = action, directory, server
        self.pki = Pki(server)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.tokens: list[str] = []
        self.modes = modes or self.modes
        for name in ("root.pem", "gone-root.pem"):
            (directory / name).write_text(self.pki.root)
        self.place = directory / "files" / "orders" / "tls"
        self.first = self.pki.issue()
        self.serve(self.first)
        self.old = self.pki.issue()  # for revoking: a certificate that nobody shows
        self.ports = self.start([f"{self.place}={mode}" for mode in self.modes])
        self.give_rights()
        self._begins = server.audit_log.stat().st_size

    def serve(self, issued: dict[str, Any], version: str = "first") -> None:
        """Put a certificate into the store by hand."""
        held = self.place / "versions" / version
        held.mkdir(parents=True)
        (held / "private_key").write_text(issued["private_key"])
        (held / "certificate").write_text("\n".join([issued["certificate"], issued["issuing_ca"]]))
        draft = self.place / "draft"
        draft.symlink_to(f"versions/{version}")
        draft.replace(self.place / "current")

    def start(self, arguments: list[str]) -> list[int]:
        """Start a process with a server for each argument; it ends with this one."""
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("tls_server.py"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        assert process.stdout is not None
        return [int(port) for port in process.stdout.readline().split()]

    def close(self) -> None:
        """End its servers, and its tokens: other tests read every token of the server."""
        for process in self.processes:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()
            process.wait(60)
            process.stdout.close()
        for token in self.tokens:
            self.server.ask("POST", "auth/token/revoke", {"token": token})

    def give_rights(self, without: str = "") -> None:
        for name in ("observe", "operate"):
            lines = rules({"observe": "observer", "operate": "operator"}[name]).splitlines()
            policy = "\n".join(
                line.replace("ROLE", role).replace("MOUNT", self.pki.mount)
                for role in ("web", "gone")
                for line in lines
                if not without or not re.search(without, line)
            )
            self.server.policy(f"{name}-{self.pki.mount}", policy)
            token = self.server.token(f"{name}-{self.pki.mount}")
            self.tokens.append(token)
            (self.directory / f"{name}.token").write_text(token)
        at = self.server.ask("POST", "auth/token/lookup", {"token": token})
        hashed = self.server.ask("POST", "sys/audit-hash/log", {"input": at["data"]["accessor"]})
        self._operator = hashed["data"]["hash"]

    @property
    def target(self) -> dict[str, Json]:
        if self.action == "tls.issued.revoke":
            return {"kind": "tls.issued", "certificate": "orders", "serial": serial(self.old)}
        return {"kind": "tls.certificate", "certificate": "orders"}

    @property
    def gone(self) -> dict[str, Json]:
        if self.action == "tls.issued.revoke":
            return {**self.target, "serial": "11" * 10}
        return {**self.target, "certificate": "gone"}

    def plan(self, target: dict[str, Json] | None = None) -> Plan:
        parameters: dict[str, Json] = {}
        if self.action == "tls.certificate.issue":
            parameters["store"] = "files:orders/tls"
        return make_plan(self.action, target or self.target, parameters)

    def toml(self, port: int | None = None) -> str:
        if self.text:
            return self.text
        url = self.server.url if port is None else f"http://127.0.0.1:{port}"
        entries = "".join(self._entry(name, role, port) for name, role in ROLES)
        return f"""
[openbao.main]
address = "{url}"
observe_token_file = "observe.token"
operate_token_file = "operate.token"

[store.files]
kind = "file"
directory = "files"

[store.files.allow]
"tls.certificate:*" = ["orders/*"]
{entries}"""

    def _entry(self, name: str, role: str, port: int | None) -> str:
        servers = "".join(
            f'[tls.{name}.server.web{number}]\naddress = "127.0.0.1:{one}"\n'
            for number, one in enumerate(self.ports if port is None else [port], 1)
        )
        trust = "root.pem" if name == "orders" else "gone-root.pem"
        return f"""
{self.relying(name)}
[tls.{name}]
hostname = "{HOSTNAME}"
openbao = "main"
mount = "{self.pki.mount}"
role = "{role}"
ttl = "24h"
trust_file = "{trust}"

{servers}"""

    def relying(self, name: str) -> str:
        """Return the clients with a trust of their own, in the targets file."""
        return ""

    def look(self) -> object:
        revoked = self.server.ask("LIST", f"{self.pki.mount}/certs")["data"]["keys"]
        return [(self.place / "current").readlink().name, sorted(revoked)]

    def changes(self) -> int:
        found = 0
        for line in lines_since(self.server, self._begins):
            record = json.loads(line)
            if record["type"] == "response" and not record.get("error"):
                by = record.get("auth", {}).get("accessor") == self._operator
                found += by and CHANGING.fullmatch(record["request"]["path"]) is not None
        return found


class TrustWorld(TlsWorld):
    """A client whose trust the portal may write, and a second root of the engine.

    `action` may be set to one on certificates later.
    """

    def __init__(self, action: str, directory: Path, server: BaoServer) -> None:
        super().__init__(action, directory, server)
        self.second = self.pki.another_issuer("second")
        self.anchor, self.first_anchor = anchor_of(self.second), anchor_of(self.pki.root)
        self.bundle = directory / "root.pem"
        more = self.second if action.endswith(".remove") else ""
        self.bundle.write_text(f"# Billing's\n{self.pki.root}\n{more}\n")
        self.bundle.chmod(0o640)
        directory.chmod(0o755)  # whatever the umask is
        self._inode = self.bundle.stat().st_ino

    @property
    def target(self) -> dict[str, Json]:
        if self.action.startswith("tls.trust."):
            return {"kind": "tls.trust", "certificate": "orders", "client": "billing"}
        return super().target

    @property
    def gone(self) -> dict[str, Json]:
        return {"kind": "tls.trust", "certificate": "gone", "client": "gone"}

    @property
    def parameters(self) -> dict[str, Json]:
        return {"anchor": self.anchor}

    def plan(self, target: dict[str, Json] | None = None) -> Plan:
        if self.action.startswith("tls.trust."):
            return make_plan(self.action, target or self.target, self.parameters)
        return super().plan(target)

    def relying(self, name: str) -> str:
        client, file = ("billing", "root.pem") if name == "orders" else ("gone", "gone.pem")
        return f'[tls.{name}.relying.{client}]\ntrust_file = "{file}"\nmanaged = true\n'

    def look(self) -> object:
        return self.bundle.read_text(), sorted(one.name for one in self.directory.glob("*.pem*"))

    def changes(self) -> int:
        """A file that is replaced is another one."""
        return int(self.bundle.stat().st_ino != self._inode)


def anchor_of(pem: str) -> str:
    return fingerprint(x509.load_pem_x509_certificate(pem.encode()))


def tls_world(action: str, directory: Path, server: BaoServer) -> TlsWorld:
    kind = TrustWorld if action.startswith("tls.trust.") else TlsWorld
    return kind(action, directory, server)


ROLES = (("orders", "web"), ("gone", "gone"))


def serial(issued: dict[str, Any]) -> str:
    return str(issued["serial_number"]).replace(":", "")
