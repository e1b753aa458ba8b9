"""Run the demo's simulated Kubernetes, with one workload, what leads to it, and two accounts.

The accounts have the rights that docs/kubernetes.md asks for. Nothing is kept over a restart: then
the workload is as it was at first.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from hitlportal import places
from hitlportal.demo.installation import inherited
from hitlportal.demo.servers import private
from hitlportal.demo.servers.errors import ServerFailed
from hitlportal.demo.servers.ports import LOOPBACK, kept_port
from hitlportal.demo.servers.process import Child
from hitlportal.demo.story import KUBERNETES, NAMESPACE, WORKLOAD

HITL, OBSERVER, OPERATOR = "hitlportal", "hitl-observe", "hitl-operate"
REPLICAS, LABELS = 3, {"app": WORKLOAD}
RBAC, NETWORK = "rbac.authorization.k8s.io", "networking.k8s.io"

SECTION = """\
[kubernetes.{cluster}]
server = "{url}"
simulated = true
observe_token_file = "{observe}"
operate_token_file = "{operate}"
own_namespaces = ["{own}"]
environment = "production"
"""


class Workloads:
    """The simulated cluster in one directory; `worker` has the tokens of its two accounts."""

    def __init__(self, directory: Path, worker: Path) -> None:
        self.log = directory / "requests.log"
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tokens = {name: worker / f"{name}.token" for name in (OBSERVER, OPERATOR)}
        self._admin = private.kept(directory / "admin.token")
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self, log: Path) -> Child:
        """Start the simulator; it may not listen yet when this returns."""
        self.port = kept_port(self._directory / "port", None)
        tokens: dict[str, Any] = {
            private.kept(file): {"namespace": HITL, "name": name}
            for name, file in self._tokens.items()
        }
        given = {"objects": objects(), "tokens": tokens | {self._admin: {"admin": True}}}
        seed = private.write(self._directory / "seed.json", json.dumps(given, indent=1))
        asked = "--port", str(self.port), "--seed", str(seed), "--log", str(self.log)
        return Child(
            [sys.executable, "-m", "hitlportal.demo.servers.kube", *asked],
            log=log,
            cwd=places.START,
            env=inherited(),
        )

    def section(self) -> str:
        """Return the section of the targets file."""
        return SECTION.format(
            cluster=KUBERNETES,
            url=self.url,
            observe=self._tokens[OBSERVER],
            operate=self._tokens[OPERATOR],
            own=HITL,
        )

    def policies(self) -> list[dict[str, Any]]:
        """Return the network policies beside the workload, read as an administrator."""
        return self._items(f"/apis/{NETWORK}/v1/namespaces/{NAMESPACE}/networkpolicies")

    def pods(self) -> list[tuple[str, dict[str, str], str]]:
        """Return name, labels and phase of each pod beside the workload."""
        found = self._items(f"/api/v1/namespaces/{NAMESPACE}/pods")
        rows = ((one["metadata"], one["status"]["phase"]) for one in found)
        return sorted((str(meta["name"]), dict(meta["labels"]), phase) for meta, phase in rows)

    def changes(self) -> list[dict[str, Any]]:
        """Return the accepted requests of its log that change something."""
        if not self.log.exists():
            return []
        lines = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if line["method"] != "GET" and line["status"] < 300]

    def _items(self, path: str) -> list[dict[str, Any]]:
        sent = {"Authorization": f"Bearer {self._admin}"}
        request = Request(f"{self.url}{path}", headers=sent)  # noqa: S310 - loopback
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=20) as answer:
                found: list[dict[str, Any]] = json.loads(answer.read())["items"]
        except URLError as error:
            raise ServerFailed(f"the simulated Kubernetes does not answer: {error}") from error
        return found


def objects() -> list[dict[str, Any]]:
    """Return the accounts' roles, and the workload with its service and its outside address."""
    pod = {
        "metadata": {"labels": LABELS},
        "spec": {
            "serviceAccountName": WORKLOAD,
            "containers": [{"name": "main", "image": f"registry.example/{WORKLOAD}:2.7.1"}],
        },
    }
    spec = {"replicas": REPLICAS, "selector": {"matchLabels": LABELS}, "template": pod}
    ports = {"type": "ClusterIP", "selector": LABELS, "ports": [{"port": 80}]}
    to = {"service": {"name": WORKLOAD, "port": {"number": 80}}}
    http = {"paths": [{"path": "/callback", "pathType": "Prefix", "backend": to}]}
    routes = {"rules": [{"host": "payouts.shop.example", "http": http}]}
    return [
        _item("Namespace", HITL),
        _item("Namespace", NAMESPACE),
        *_rights(),
        _item("ServiceAccount", WORKLOAD, NAMESPACE),
        _item("Deployment", WORKLOAD, NAMESPACE, spec=spec),
        _item("Service", WORKLOAD, NAMESPACE, spec=ports),
        _item("Ingress", "bank-callbacks", NAMESPACE, spec=routes),
    ]


def rules() -> dict[str, list[dict[str, list[str]]]]:
    """Return what each account may do: of docs/kubernetes.md what isolating needs."""
    return {
        OBSERVER: [
            _rule("", "get", "namespaces"),
            _rule("", "list", "pods", "services"),
            _rule("", "get", "pods/log"),
            _rule("apps", "get", "deployments", "statefulsets"),
            _rule("apps", "list", "replicasets"),
            _rule(NETWORK, "list", "networkpolicies", "ingresses"),
            _rule("autoscaling", "list", "horizontalpodautoscalers"),
        ],
        OPERATOR: [{**_rule(NETWORK, "create", "networkpolicies"), "verbs": ["create", "delete"]}],
    }


def _rights() -> list[dict[str, Any]]:
    roles = [_item("ClusterRole", name, rules=held) for name, held in rules().items()]
    everywhere = _binding("ClusterRoleBinding", OBSERVER)
    return [*roles, everywhere, _binding("RoleBinding", OPERATOR, NAMESPACE)]


def _binding(kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    subject = {"kind": "ServiceAccount", "namespace": HITL, "name": name}
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
    return _item(kind, name, namespace, roleRef=role, subjects=[subject])


def _rule(group: str, verb: str, *resources: str) -> dict[str, list[str]]:
    return {"apiGroups": [group], "resources": [*resources], "verbs": [verb]}


def _item(kind: str, name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        **more,
    }
