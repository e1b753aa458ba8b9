"""The requests of the simulated Kubernetes: who asks, whether he may, and what the answer is."""

from __future__ import annotations

import copy
import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from hitlportal.demo.servers.kube_answers import METADATA, failure, only_metadata, scale
from hitlportal.demo.servers.kube_cluster import BINDINGS, KINDS, Cluster, Kind, Object, Refusal
from hitlportal.demo.servers.kube_controllers import end, settle
from hitlportal.demo.servers.kube_match import (
    BadSelector,
    PatchFailed,
    fields_select,
    merged,
    patched,
    query_selects,
)
from hitlportal.demo.servers.kube_rights import Asked, Caller, allowed, is_alive, may_bind

MAX_BODY = 1024 * 1024
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
SUBRESOURCES = {("pods", "log"), ("deployments", "scale"), ("statefulsets", "scale")}
REVIEW = ("authentication.k8s.io", "tokenreviews")


@dataclass(frozen=True)
class Request:
    """A request as it came. `path` is as it was sent, with its escapes."""

    method: str
    path: str
    query: dict[str, str]
    token: str
    content_type: str
    body: Any
    accept: str = ""


@dataclass(frozen=True)
class Answer:
    """The answer; `body` is an object, or the text of a log."""

    status: int
    body: Object | str


@dataclass(frozen=True)
class Place:
    """What a path names."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    sub: str = ""


class Api:
    """The API server: one cluster, the tokens that it knows, and a log of all requests."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.tokens: dict[str, Caller] = {}
        # In the order of the answers, with the body that was sent and that of the answer.
        self.requests: list[tuple[Request, str, Answer]] = []
        # Called before a request is answered; tests let the world change in between.
        self.before: Callable[[Request], None] | None = None
        # Pages of a list that were asked for under an earlier number have expired.
        self.epoch = 1
        self._lock = threading.RLock()

    def add(self, *items: Object) -> None:
        """Make objects and let the controllers work."""
        with self._lock:
            for item in items:
                self.cluster.add(item)
            settle(self.cluster)

    def settle(self) -> None:
        with self._lock:
            settle(self.cluster)

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request, and note both."""
        if self.before is not None:
            self.before(request)
        with self._lock:
            caller = self.tokens.get(request.token)
            try:
                settle(self.cluster)
                body = copy.deepcopy(self._answered(request, caller))
                settle(self.cluster)
                answer = Answer(201 if request.method == "POST" else 200, body)
            except Refusal as refusal:
                answer = Answer(refusal.code, failure(refusal))
            self.requests.append((request, caller.name if caller else "", answer))
            return answer

    def _answered(self, request: Request, caller: Caller | None) -> Object | str:
        if caller is None or not is_alive(self.cluster, caller):
            raise Refusal(401, "Unauthorized", "Unauthorized")
        place = _place(request.path)
        asked = _asked(request, place)
        if not allowed(self.cluster, caller, asked):
            raise Refusal(
                403, "Forbidden",
                f'{asked.resource} "{asked.name}" is forbidden: User "{caller.name}" cannot'
                f' {asked.verb} resource "{asked.resource}" in API group "{asked.group}"',
            )  # fmt: skip
        if (place.group, place.plural) == REVIEW:
            return self._review(request.body)
        kind = KINDS.get(place.plural)
        if kind is None or (kind.group, kind.version) != (place.group, place.version):
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        if place.sub:
            return self._subresource(request, place)
        return self._object(request, kind, place, caller)

    def _object(self, request: Request, kind: Kind, place: Place, caller: Caller) -> Object:
        at = (place.plural, place.namespace)
        match request.method, bool(place.name):
            case "GET", True:
                return self.cluster.get(*at, place.name)
            case "GET", False:
                return self._list(request, kind, place)
            case "POST", False:
                self._refuse_escalation(request.body, place, caller)
                return self.cluster.create(*at, request.body)
            case (("PUT" | "PATCH"), True):
                new = self._changed(request, self.cluster.get(*at, place.name))
                self._refuse_escalation(new, place, caller)
                return self.cluster.replace(*at, place.name, new)
            case "DELETE", True:
                return self._delete(request, place)
        raise Refusal(405, "MethodNotAllowed", "the server does not allow this method here")

    def _refuse_escalation(self, body: Object, place: Place, caller: Caller) -> None:
        if place.plural in BINDINGS and not may_bind(self.cluster, caller, body, place.namespace):
            raise Refusal(
                403, "Forbidden", "attempting to grant RBAC permissions not currently held"
            )

    def _delete(self, request: Request, place: Place) -> Object:
        if place.plural == "pods":
            pod = self.cluster.get("pods", place.namespace, place.name)
            end(self.cluster, pod)
            return pod
        options = request.body or {}
        old = self.cluster.delete(place.plural, place.namespace, place.name, options)
        if place.plural == "serviceaccounts":
            return old
        details = {"name": place.name, "kind": place.plural, "uid": old["metadata"]["uid"]}
        if place.group:
            details["group"] = place.group
        return {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": details,
        }  # fmt: skip

    def _list(self, request: Request, kind: Kind, place: Place) -> Object:
        labels, fields = (request.query.get(f"{name}Selector", "") for name in ("label", "field"))
        try:
            items = [
                {key: value for key, value in item.items() if key not in ("kind", "apiVersion")}
                for item in self.cluster.all(place.plural, place.namespace)
                if query_selects(labels, item["metadata"].get("labels", {}))
                and fields_select(fields, place.plural, item)
            ]
        except BadSelector as error:
            raise Refusal(400, "BadRequest", str(error)) from error
        limit = int(request.query.get("limit", 0)) or len(items)
        begin = self._begin_of_page(request.query.get("continue", ""))
        meta = {"resourceVersion": "1"}
        if len(items) > begin + limit:
            meta |= {"continue": f"{self.epoch}-{begin + limit}"}
        page = items[begin : begin + limit]
        if METADATA in request.accept:
            return only_metadata(page, meta)
        return {
            "kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta,
            "items": page,
        }  # fmt: skip

    def _begin_of_page(self, told: str) -> int:
        epoch, _, begin = (told or f"{self.epoch}-0").partition("-")
        if epoch != str(self.epoch):
            raise Refusal(410, "Expired", "The provided continue parameter is too old")
        return int(begin)

    def _changed(self, request: Request, old: Object) -> Object:
        if request.method == "PUT":
            return dict(request.body)
        try:
            match request.content_type:
                case "application/merge-patch+json":
                    return dict(merged(old, request.body))
                case "application/json-patch+json":
                    return patched(old, request.body)
        except PatchFailed as error:
            raise Refusal(422, "Invalid", str(error)) from error
        raise Refusal(415, "UnsupportedMediaType", "this patch is not simulated")

    def _subresource(self, request: Request, place: Place) -> Object | str:
        item = self.cluster.get(place.plural, place.namespace, place.name)
        if place.sub == "log" and request.method == "GET":
            return self._log(request.query, place, item)
        if place.sub == "scale" and request.method == "GET":
            return scale(item)
        if place.sub == "scale" and request.method in ("PUT", "PATCH"):
            wanted = self._changed(request, scale(item))
            new = copy.deepcopy(item)
            new["spec"]["replicas"] = wanted["spec"].get("replicas", 0)
            new["metadata"]["resourceVersion"] = wanted["metadata"].get("resourceVersion", "")
            return scale(self.cluster.replace(place.plural, place.namespace, place.name, new))
        raise Refusal(405, "MethodNotAllowed", "the server does not allow this method here")

    def _log(self, query: dict[str, str], place: Place, pod: Object) -> str:
        names = [each["name"] for each in pod["spec"]["containers"]]
        name = query.get("container", names[0])
        if name not in names:
            raise Refusal(400, "BadRequest", f"container {name} is not valid for pod {place.name}")
        text = self.cluster.logs.get((place.namespace, place.name, name), "")
        if "tailLines" in query:
            text = "".join(text.splitlines(keepends=True)[-int(query["tailLines"]) :])
        return text.encode()[: int(query.get("limitBytes", 0)) or None].decode(errors="replace")

    def _review(self, body: Object) -> Object:
        caller = self.tokens.get(body["spec"].get("token", ""))
        user = (
            {"username": caller.name, "uid": caller.uid, "groups": [*caller.groups]}
            if caller
            else {}
        )
        # The token is not said again.
        return {
            "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
            "spec": {}, "status": {"authenticated": caller is not None, "user": user},
        }  # fmt: skip


def _place(path: str) -> Place:
    parts = [unquote(part) for part in path.strip("/").split("/")]
    match parts:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 3 or (len(rest) == 3 and (rest[0], rest[2]) not in SUBRESOURCES):
        raise Refusal(404, "NotFound", "the server could not find the requested resource")
    return Place(group, version, rest[0], namespace, *rest[1:])


def _asked(request: Request, place: Place) -> Asked:
    selector = request.query.get("fieldSelector", "")
    verb = VERBS.get(request.method) or ("get" if place.name else "list")
    resource = f"{place.plural}/{place.sub}" if place.sub else place.plural
    # A namespace's rights are asked in itself.
    namespace = place.name if place.plural == "namespaces" else place.namespace
    name = place.name
    if verb == "list":
        # A list of one name, by its field selector, is judged as one of that name.
        selected = dict(part.partition("=")[::2] for part in selector.split(","))
        name = selected.get("metadata.name", "")
    return Asked(verb, place.group, resource, namespace, name)


def read(method: str, target: str, headers: Any, body: bytes) -> Request:
    """Return the request from what came over HTTP. Raises Refusal."""
    path, _, query = target.partition("?")
    scheme, _, token = str(headers.get("Authorization", "")).partition(" ")
    try:
        said = json.loads(body) if body else None
    except ValueError as error:
        raise Refusal(400, "BadRequest", "the body is no JSON") from error
    return Request(
        method,
        path,
        dict(parse_qsl(query, keep_blank_values=True)),
        token if scheme == "Bearer" else "",
        str(headers.get("Content-Type", "")).partition(";")[0],
        said,
        str(headers.get("Accept", "")),
    )


def new_token() -> str:
    return f"simulated.{uuid.uuid4().hex}"
