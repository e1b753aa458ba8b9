"""Calls to the API of Kubernetes: one attempt each, as JSON, and what their failures leave.

The official client carries the calls: it escapes names in paths and verifies TLS. Answers are read
as JSON and not as its models, which refuse what a newer server says. No text of the server stands
in an error: it may quote what was sent.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from remediation.domain.errors import TargetUnobservable
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied, OutcomeUnknown
from remediation.executors.libraries import KUBERNETES

Object = Mapping[str, Any]
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 5.0
# A list comes in pages of so many objects. A longer list than MOST is refused, never cut: what is
# left out could be the policy or the binding that still gives access.
PAGE, MOST = 500, 10_000
MOST_BYTES, PIECE = 16 * 1024 * 1024, 65_536
# What asks for the next page stands in an address.
LONGEST_CONTINUE = 4096
# Of all pages of a list together.
MOST_LISTED_BYTES = 64 * 1024 * 1024
# For a whole answer, and for all pages of a list together.
WHOLE_SECONDS, LIST_SECONDS = 10.0, 20.0
MERGE = "application/merge-patch+json"
# A patch that is a list of operations: it replaces a part whole, where MERGE keeps old fields.
OPERATIONS = "application/json-patch+json"
JSON = "application/json"
# The server leaves out all but the metadata. There is no second choice behind it: a server that
# cannot do so answers with 406, and not with what the objects hold.
METADATA = "PartialObjectMetadata"
ONLY_METADATA = f"{JSON};as={METADATA}List;g=meta.k8s.io;v=v1"

NAMESPACE = "/api/v1/namespaces/{namespace}"
PODS = f"{NAMESPACE}/pods"
ACCOUNTS = f"{NAMESPACE}/serviceaccounts"
SECRETS = f"{NAMESPACE}/secrets"
LOG = f"{PODS}/{{name}}/log"
SERVICES = f"{NAMESPACE}/services"
WORKLOADS = "/apis/apps/v1/namespaces/{namespace}/{plural}"
REPLICA_SETS = "/apis/apps/v1/namespaces/{namespace}/replicasets"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"
AUTOSCALERS = "/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
BINDINGS = f"{_RBAC}/namespaces/{{namespace}}/rolebindings"
ROLES = f"{_RBAC}/namespaces/{{namespace}}/roles"
CLUSTER_ROLES = f"{_RBAC}/clusterroles"
CLUSTER_BINDINGS = f"{_RBAC}/clusterrolebindings"
ONE = "/{name}"
WORDS = {
    400: "bad request", 401: "the token is not known", 403: "the account may not do this",
    404: "it is not there", 406: "it has no such form of answer",
    409: "somebody else changed it", 422: "the server takes it for invalid",
    429: "too many requests",
}  # fmt: skip


class ObjectChanged(NotApplied):
    """Somebody else changed the object, or it is there already; nothing was changed."""


class ObjectGone(NotApplied):
    """The object is not there; nothing was changed."""


# What an Authorization header can carry: ASCII that is visible.
_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Api:
    """The API with one token. The token stands in no text of this object."""

    _client: Any
    _token: str

    @classmethod
    def open(cls, server: str, ca_file: Path | None, token: str) -> Api:
        """Raises TargetUnobservable if the library is missing, or the token is none."""
        try:  # extra "kubernetes"; loaded here because it is slow
            from kubernetes.client.api_client import ApiClient
            from kubernetes.client.configuration import Configuration
        except ImportError as error:
            raise TargetUnobservable(KUBERNETES.missing) from error
        if not _TOKEN.fullmatch(token):
            raise TargetUnobservable("the file of the token has none")
        options = Configuration(
            host=server,
            ssl_ca_cert=str(ca_file) if ca_file is not None else None,
            # One attempt, no redirect: a repeated change could follow somebody else's, and the
            # token goes to this address only.
            retries=cast("Any", False),
            # Not None, so that no variable of the environment names one.
            proxy="",
            no_proxy="*",
        )
        return cls(ApiClient(options), token)

    def __repr__(self) -> str:
        return "Api()"

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **names: str) -> Object | None:
        """Return an object; None if it is not there. Raises TargetUnobservable."""
        status, body = self._read(path, names, {})
        if status == 404:
            return None
        return _object(_readable(status, body))

    def list(self, path: str, *, labels: str = "", fields: str = "", **names: str) -> list[Object]:
        """Return all objects of a kind, page by page. Raises TargetUnobservable, also for too many.

        All pages are of one moment: the server's `continue` names the version of the list.
        """
        query = {"limit": str(PAGE)}
        query |= {"labelSelector": labels} if labels else {}
        query |= {"fieldSelector": fields} if fields else {}
        found: list[Object] = []
        seen, held, end = {""}, 0, time.monotonic() + LIST_SECONDS
        while True:
            left = min(WHOLE_SECONDS, end - time.monotonic())
            if left <= 0:
                raise TargetUnobservable("Kubernetes: a list takes too long")
            status, said = self._read(path, names, query, left)
            if status == 410:
                raise TargetUnobservable("Kubernetes: a list expired while it was read; look again")
            page, held = _object(_readable(status, said)), held + len(said)
            found += _items(page)
            more = _continued(page)
            if not more:
                return found
            if len(found) >= MOST or held > MOST_LISTED_BYTES:
                raise TargetUnobservable(f"Kubernetes: a list is longer than {MOST} objects")
            if more in seen:
                raise TargetUnobservable("Kubernetes: a list comes to no end")
            seen.add(more)
            query["continue"] = more

    def metadata(self, path: str, *, fields: str, **names: str) -> tuple[Object, ...]:
        """Return the metadata of the few objects that match. Raises TargetUnobservable.

        An answer with more than metadata is refused, and nothing of it is kept.
        """
        query = {"limit": str(PAGE), "fieldSelector": fields}
        status, said = self._read(path, names, query, accept=ONLY_METADATA)
        page = _object(_readable(status, said))
        items = _items(page)
        whole = page.get("kind") == f"{METADATA}List" and not _continued(page)
        if not whole or not all(_is_metadata(one) for one in items):
            raise TargetUnobservable("Kubernetes: the answer is no list of metadata")
        return tuple(one["metadata"] for one in items)

    def text(
        self, path: str, query: Mapping[str, str], *, within: float, **names: str
    ) -> str | None:
        """Return a text; None if it is not there or may not be read. Raises TargetUnobservable."""
        status, body = self._read(path, names, query, within, "*/*")
        if 400 <= status < 500:
            return None
        return _readable(status, body).decode("utf-8", "replace")

    def change(
        self, method: str, path: str, body: object, deadline: Deadline, **names: str
    ) -> Object:
        """Make one change; return the answer. Raises NotApplied and OutcomeUnknown.

        A 4xx is a refusal: nothing was changed. After a 5xx, and after a lost answer, it may have
        been.
        """
        if deadline.left < CONNECT_SECONDS + ANSWER_SECONDS:
            raise NotApplied("no time is left for the call")
        try:
            status, said = self._call(method, path, names, {}, body)
        except Exception as error:  # urllib3's errors and those of the client share no class
            failed = NotApplied if _sent_nothing(error) else OutcomeUnknown
            raise failed(f"Kubernetes: {type(error).__name__}") from None
        if 400 <= status < 500:
            refused = {409: ObjectChanged, 404: ObjectGone}.get(status, NotApplied)
            raise refused(f"Kubernetes: {WORDS.get(status, f'status {status}')}")
        if not 200 <= status < 300:
            raise OutcomeUnknown(f"Kubernetes: status {status}")
        try:
            return _object(said)
        except TargetUnobservable as error:
            raise OutcomeUnknown(error.detail) from None

    def _read(
        self,
        path: str,
        names: Mapping[str, str],
        query: Mapping[str, str],
        within: float = WHOLE_SECONDS,
        accept: str = JSON,
    ) -> tuple[int, bytes]:
        try:
            return self._call("GET", path, names, query, None, within, accept)
        except Exception as error:  # urllib3's errors and those of the client share no class
            raise TargetUnobservable(f"Kubernetes: {type(error).__name__}") from None

    def _call(
        self,
        method: str,
        path: str,
        names: Mapping[str, str],
        query: Mapping[str, str],
        body: object,
        within: float = WHOLE_SECONDS,
        accept: str = JSON,
    ) -> tuple[int, bytes]:
        end = time.monotonic() + within
        headers = {"Authorization": f"Bearer {self._token}", "User-Agent": "hitlportal"}
        headers["Accept"] = accept
        if body is not None:
            patch = OPERATIONS if isinstance(body, list) else MERGE
            headers["Content-Type"] = patch if method == "PATCH" else JSON
        call = self._client.param_serialize(
            method, path, dict(names), [*query.items()], headers, body
        )
        answer = self._client.call_api(
            *call, _request_timeout=(CONNECT_SECONDS, min(ANSWER_SECONDS, within))
        ).response
        said = b""
        try:
            # Piece by piece: a server that sends a byte now and then meets no other timeout.
            while piece := answer.read1(PIECE):
                said += piece
                if len(said) > MOST_BYTES or time.monotonic() > end:
                    raise ValueError("the answer is too long, or comes too slowly")
        except BaseException:
            answer.close()
            raise
        finally:
            answer.release_conn()
        return int(answer.status), said


def _readable(status: int, body: bytes) -> bytes:
    if not 200 <= status < 300:
        raise TargetUnobservable(f"Kubernetes: {WORDS.get(status, f'status {status}')}")
    return body


def _object(body: bytes) -> Object:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise TargetUnobservable("Kubernetes: the answer is no object")
    return found


def _items(page: Object) -> list[Object]:
    """Return the objects of a page. Raises TargetUnobservable: one left out could give access."""
    held = page.get("items")
    if held is None:  # an empty list of the server's language
        return []
    if not isinstance(held, list) or not all(isinstance(one, dict) for one in held):
        raise TargetUnobservable("Kubernetes: the answer is no list of objects")
    return held


def _is_metadata(item: Object) -> bool:
    known = {"kind", "apiVersion", "metadata"}
    return not item.keys() - known and isinstance(item.get("metadata"), dict)


def _continued(page: Object) -> str:
    """Return what asks for the next page; "" after the last one. Raises TargetUnobservable."""
    meta = page.get("metadata") or {}
    more = meta.get("continue") or "" if isinstance(meta, dict) else None
    if not isinstance(more, str) or len(more) > LONGEST_CONTINUE:
        raise TargetUnobservable("Kubernetes: the answer is no list of objects")
    return more


def _sent_nothing(error: Exception) -> bool:
    """Return whether surely nothing was sent: no connection, or no trust in the server."""
    from urllib3 import exceptions as wrong

    if isinstance(error, wrong.NewConnectionError | wrong.ConnectTimeoutError):
        return True
    # The client's own class for an error of TLS. Other ones may come after the request was sent.
    return "CERTIFICATE_VERIFY_FAILED" in str(getattr(error, "reason", ""))
