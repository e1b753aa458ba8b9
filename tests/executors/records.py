"""What a target's own record shows since a moment: everything in it that is not a read.

A read is what the list of its kind allows; whatever is not on it counts as a write. What others
than the portal did meanwhile is left out where the record names its caller.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg

from hitlportal.demo.servers.openbao import BaoServer
from hitlportal.demo.servers.postgres import SUPERUSER
from tests.executors import moto
from tests.executors.ansible import AnsibleWorld
from tests.executors.entra import OBSERVE as ENTRA_OBSERVE
from tests.executors.entra import EntraWorld
from tests.executors.github import OBSERVE, GithubWorld
from tests.executors.kube import KubeWorld
from tests.executors.ldap import LdapWorld
from tests.executors.oauth import OAuthWorld
from tests.executors.oauth_client import OAuthClientWorld
from tests.executors.okta import OBSERVE as OKTA_OBSERVE
from tests.executors.okta import OktaWorld
from tests.executors.openbao import BaoWorld, lines_since
from tests.executors.rabbitmq import RabbitWorld
from tests.executors.ssh import SshWorld
from tests.executors.tls import TlsWorld
from tests.executors.valkey import ValkeyWorld
from tests.executors.webhook import WebhookWorld

# An entry of a cluster's log with its login and text; its other lines begin with a tab.
ENTRY = re.compile(r"\S+ \S+ \S+ \[\d+\] user=(?P<user>\S*) db=.*? LOG:  (?P<text>.*)", re.S)
STATEMENT = re.compile(r"(?:statement|execute [^:]*): (?P<sql>.*)", re.S)
CHANGES = r"INSERT|UPDATE|DELETE|MERGE|FOR SHARE"
READS = re.compile(rf"\s*(?:SELECT|WITH)\b(?!.*\b(?:{CHANGES})\b)", re.S | re.I)
# Those that hitl_ops.sql lets the observer call; they only read.
CALLS = re.compile(r"\bhitl_ops\.(\w+)\s*\(")
MAY_CALL = {"version", "sessions", "session_list", "session_places", "session_origins"} | {
    *("turned_off_as", "starting", "members", "replicas", "password_state", "tickets"),
    *("session_details", "session_queries", "membership_state"),
}
SIGNALS = re.compile(r"\bpg_(?:terminate|cancel)_backend\b|\bset_config\b", re.I)
AWS_READS = re.compile(r"[a-z0-9]+:(?:Get|List|Describe|Lookup)\w*")
# Questions that the API takes as an update because they have a body.
BAO_LOOKUPS = re.compile(
    r"auth/[^ ]+/secret-id-accessor/lookup|auth/token/lookup-accessor|sys/leases/lookup"
)


# The last two are the test's own.
VALKEY_READS = frozenset(
    {
        "acl|getuser",
        "client|list",
        "client|setname",
        "client|setinfo",
        "config|get",
        "hello",
        "time",
    }
    | {"auth", "info", "acl|list"}
)


# RESULT and SEARCH RESULT are answers; STARTTLS is logged as an extension.
LDAP_READS = frozenset({"BIND", "UNBIND", "SRCH", "CMP", "RESULT", "SEARCH", "EXT", "STARTTLS"})


class Record(ABC):
    """One record of a target, from now on."""

    @abstractmethod
    def writes(self) -> Sequence[str]:
        """Return what was done since that is not known to be a read."""


class ClusterRecord(Record):
    """The statements of a cluster that nobody else uses, and the ids of its transactions."""

    def __init__(self, superuser: str, log: Path) -> None:
        self._superuser, self._log = superuser, log
        self._begins, self._next = log.stat().st_size, self._next_transaction()

    def _next_transaction(self) -> int:
        with psycopg.connect(self._superuser, autocommit=True) as connection:
            query = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
            [found] = connection.execute(query).fetchone() or ["0"]
            return int(found)

    def statements(self) -> Iterator[tuple[str, str]]:
        """Yield each statement with its login; those of the superuser are the test's own."""
        with self._log.open("rb") as file:
            file.seek(self._begins)
            text = file.read().decode(errors="replace").replace("\n\t", " ")
        for line in text.splitlines():
            entry = ENTRY.match(line)
            said = STATEMENT.match(entry["text"]) if entry else None
            if entry and said and entry["user"] != SUPERUSER:
                yield entry["user"], said["sql"]

    def logins(self) -> set[str]:
        return {user for user, _ in self.statements()}

    def writes(self) -> Sequence[str]:
        found = [sql for _, sql in self.statements() if not reads_only(sql)]
        given = self._next_transaction() - self._next
        return [*found, *([f"{given} ids of transactions were given out"] if given else [])]


def reads_only(statement: str) -> bool:
    """Return whether a statement of a cluster's log only reads."""
    calls = set(CALLS.findall(statement))
    return bool(READS.match(statement)) and calls <= MAY_CALL and not SIGNALS.search(statement)


class AwsRecord(Record):
    """The calls that the simulated AWS got, of any login but the test's administrator."""

    def __init__(self, simulator: moto.Moto) -> None:
        self._moto, self._begins = simulator, len(simulator.lines())

    def writes(self) -> Sequence[str]:
        lines = self._moto.lines()[self._begins :]
        observer = moto.logins("1")["observer"]["id"]
        return [
            f"{line['call']} by {line['key']}"
            for line in lines
            if line["key"] != moto.ADMIN["id"]
            and not (AWS_READS.fullmatch(line["call"]) and line["key"] == observer)
        ]


class BaoRecord(Record):
    """The audit device of OpenBao: requests that were no read, no list and no lookup."""

    def __init__(self, world: BaoWorld | TlsWorld, server: BaoServer) -> None:
        self._server, self._begins = server, server.audit_log.stat().st_size
        self._operator = world._operator

    def writes(self) -> Sequence[str]:
        found = []
        for line in lines_since(self._server, self._begins):
            record = json.loads(line)
            if record["type"] != "response":
                continue
            request, by = record["request"], record.get("auth", {}).get("accessor")
            asks = request["operation"] == "update" and BAO_LOOKUPS.fullmatch(request["path"])
            reads = request["operation"] in ("read", "list") or asks
            if by == self._operator or not reads:
                found.append(f"{request['operation']} {request['path']}")
        return found


class SshRecord(Record):
    """The log of sshd: every sign-in with another key than the observer's."""

    def __init__(self, world: SshWorld) -> None:
        self._place, self._begins = world.place, world.place.log.stat().st_size

    def writes(self) -> Sequence[str]:
        with self._place.log.open("rb") as file:
            file.seek(self._begins)
            lines = file.read().decode(errors="replace").splitlines()
        observer = self._place.observe.fingerprint
        return [line for line in lines if line.startswith("Accepted") and observer not in line]


class ValkeyRecord(Record):
    """The commands that a Valkey counts, from now on, whoever called them."""

    def __init__(self, world: ValkeyWorld) -> None:
        self._place = world.place
        self._before = self._counts()

    def _counts(self) -> dict[str, int]:
        stats = self._place.admin.info("commandstats")
        return {
            name.removeprefix("cmdstat_"): int(said["calls"]) + int(said["rejected_calls"])
            for name, said in stats.items()
        }

    def writes(self) -> Sequence[str]:
        now = self._counts()
        more = (name for name, count in now.items() if count > self._before.get(name, 0))
        return [name for name in sorted(more) if name not in VALKEY_READS]


class WebhookRecord(Record):
    """The tasks that a receiver started."""

    def __init__(self, world: WebhookWorld) -> None:
        self._automation = world.place.automation
        self._begins = len(self._automation.started)

    def writes(self) -> Sequence[str]:
        return [data["task"] for _, data in self._automation.started[self._begins :]]


class KubeRecord(Record):
    """The requests that the simulated Kubernetes got: each that is no read, or of the operator."""

    def __init__(self, world: KubeWorld) -> None:
        self._api, self._begins = world.place.api, len(world.place.api.requests)

    def writes(self) -> Sequence[str]:
        return [
            f"{request.method} {request.path} by {who}"
            for request, who, _ in self._api.requests[self._begins :]
            if request.method != "GET" or not who.endswith(":hitl-observe")
        ]


class GithubRecord(Record):
    """The requests that the simulated GitHub got: each that is no read, or not of the observer.

    A token is got by a POST; the observer's has only rights to read.
    """

    def __init__(self, world: GithubWorld) -> None:
        self._api, self._begins = world.place.api, len(world.place.api.requests)

    def writes(self) -> Sequence[str]:
        return [
            f"{request.method} {request.path} by {who}"
            for request, who, _ in self._api.requests[self._begins :]
            if who != OBSERVE
            or not (request.method == "GET" or request.path.endswith("/access_tokens"))
        ]


class EntraRecord(Record):
    """The requests that the simulated Entra got: each that is no read, or not of the observer.

    A token is got by a POST; the observer's app has only a role to read.
    """

    def __init__(self, world: EntraWorld) -> None:
        self._api, self._begins = world.place.api, len(world.place.api.requests)

    def writes(self) -> Sequence[str]:
        return [
            f"{request.method} {request.path} by {who}"
            for request, who, _ in self._api.requests[self._begins :]
            if who != ENTRA_OBSERVE
            or not (request.method == "GET" or request.path.endswith("/oauth2/v2.0/token"))
        ]


class OktaRecord(Record):
    """The requests that the simulated Okta got: each that is no read, or not of the observer.

    A token is got by a POST; the observer's has only scopes to read.
    """

    def __init__(self, world: OktaWorld) -> None:
        self._api, self._begins = world.place.api, len(world.place.api.requests)

    def writes(self) -> Sequence[str]:
        return [
            f"{request.method} {request.path} by {who}"
            for request, who, _ in self._api.requests[self._begins :]
            if who != OKTA_OBSERVE
            or not (request.method == "GET" or request.path == "/oauth2/v1/token")
        ]


class OAuthRecord(Record):
    """The calls that a provider got, from now on: all but introspections change something."""

    def __init__(self, world: OAuthWorld | OAuthClientWorld) -> None:
        self._provider = world.place.provider
        self._begins = len(self._provider.calls())

    def writes(self) -> Sequence[str]:
        paths = [line["path"] for line in self._provider.calls()[self._begins :]]
        return [path for path in paths if not path.endswith("/introspect/")]


class AnsibleRecord(Record):
    """The file of the host that the playbook changes."""

    def __init__(self, world: AnsibleWorld) -> None:
        self._file, self._before = world.keys, world.keys.read_bytes()

    def writes(self) -> Sequence[str]:
        return [] if self._file.read_bytes() == self._before else [self._file.name]


class RabbitRecord(Record):
    """The log of the management API's requests: what of anybody but the administrator is no GET."""

    def __init__(self, world: RabbitWorld) -> None:
        self._place, self._begins = world.place, len(world.place.lines())

    def writes(self) -> Sequence[str]:
        return self._place.changing(self._begins)


class LdapRecord(Record):
    """The changing calls that a directory logs, from now on, whoever made them."""

    def __init__(self, world: LdapWorld) -> None:
        self._log = world.place.server.log
        self._from = len(self._log.read_bytes())

    def writes(self) -> Sequence[str]:
        text = self._log.read_bytes()[self._from :].decode(errors="replace")
        calls = re.findall(r" op=\d+ ([A-Z_]+)", text)
        return [call for call in calls if call not in LDAP_READS]


class FilesRecord(Record):
    """The files of a world: its stores, and what servers read from them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._before = self._look()

    def _look(self) -> dict[str, bytes | str]:
        return {
            str(path.relative_to(self._directory)): str(path.readlink())
            if path.is_symlink()
            else path.read_bytes()
            for name in ("store", "files")
            for path in (self._directory / name).rglob("*")
            if path.is_symlink() or path.is_file()
        }

    def writes(self) -> Sequence[str]:
        now = self._look()
        names = sorted(self._before.keys() | now.keys())
        return [name for name in names if self._before.get(name) != now.get(name)]
