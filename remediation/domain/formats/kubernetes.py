"""Kubernetes audit: one event is one stage of one request to the API server.

EventList and JSON lines hold events; EKS writes them into CloudWatch Logs, AKS into
`properties.log` of Azure's envelope. GKE writes Google Cloud audit logs instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from remediation.domain.formats.body import Body, items, names_of, one_of, say, value_at, word
from remediation.domain.formats.form import Format

_EXTRA = "authentication.kubernetes.io/"
_REASONS = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict"}
_READS = frozenset({"get", "list", "watch"})
# What a caller has afterwards: identities, rights, and requests for certificates.
_MADE = frozenset(
    {
        "serviceaccounts",
        "roles",
        "clusterroles",
        "rolebindings",
        "clusterrolebindings",
        "certificatesigningrequests",
        "secrets",
    }
)


class Kubernetes(Format):
    """https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        if say(body, "kind") == "Event" and "verb" in names:
            return "objectref" in names or say(body, "apiVersion").startswith("audit.k8s.io/")
        declared = say(body, "apiVersion").startswith("audit.k8s.io/") and "items" not in names
        return declared or {"auditid", "verb", "user"} <= names

    def name(self, body: Body) -> str:
        """Return verb and resource, as ``create serviceaccounts/token``."""
        what = _resource(body) or say(body, "requestURI").partition("?")[0]
        return f"{say(body, 'verb')} {what}".strip()

    def service(self, body: Body) -> str:
        return "kubernetes"

    def time(self, body: Body) -> str:
        return one_of(body, "stageTimestamp", "requestReceivedTimestamp", "timestamp")

    def key(self, body: Body) -> str:
        """Return the AWS access key that EKS saw."""
        return _extra(body, "accessKeyId")

    def user(self, body: Body) -> str:
        return one_of(body, "user.username")

    def issuer(self, body: Body) -> str:
        """Return the AWS role that EKS mapped to the user."""
        return _extra(body, "canonicalArn")

    def session(self, body: Body) -> str:
        """Return the pod that holds the token, else the token or the session of the role."""
        return (
            _extra(body, f"{_EXTRA}pod-uid", f"{_EXTRA}pod-name")
            or _extra(body, f"{_EXTRA}credential-id")
            or _extra(body, "sessionName")
        )

    def address(self, body: Body) -> str:
        """Return the last address: a caller writes the ones before it into a header himself."""
        listed = value_at(body, "sourceIPs")
        last = listed[-1] if isinstance(listed, list) and listed else ""
        return last if isinstance(last, str) else ""

    def objects(self, body: Body) -> tuple[str, ...]:
        """Return what was acted on, whose rights were borrowed, and who was bound to what."""
        asked = value_at(body, "requestObject")
        sent = asked if isinstance(asked, dict) and _resource(body).endswith("bindings") else {}
        bound = (_subject(one) for one in items(sent, "subjects")[:50])
        borrowed = one_of(body, "impersonatedUser.username")
        return names_of(*_acted_on(body), borrowed, one_of(sent, "roleRef.name"), *bound)

    def obtained(self, body: Body) -> tuple[str, ...]:
        """Return the account whose token was minted, the secrets that were read, what was made."""
        verb, what = say(body, "verb"), _resource(body)
        if _status(body) is None:
            return ()
        if (verb, what) == ("create", "serviceaccounts/token"):
            issued = value_at(body, "annotations", f"{_EXTRA}issued-credential-id")
            return names_of(*_acted_on(body), issued if isinstance(issued, str) else "")
        if verb in _READS and what == "secrets":
            return _acted_on(body) or (f"{one_of(body, 'objectRef.namespace') or '*'}/*",)
        return _acted_on(body) if verb == "create" and what in _MADE else ()

    def acts(self, body: Body) -> bool:
        return True

    def error(self, body: Body) -> str | None:
        """Return the reason of a refusal. The server's sentence is left out: it quotes names."""
        if say(body, "stage") == "Panic":
            return "Panic"
        code = _status(body)
        if code is not None and code >= 400:
            return _REASONS.get(code) or f"status {code}"
        if value_at(body, "annotations", "authorization.k8s.io/decision") == "forbid":
            return _REASONS[403]
        return None if code is None else ""

    def late_errors(
        self, bodies: Sequence[tuple[str, Body]], errors: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Give an earlier stage of a request the error of its last one.

        A caller can choose the audit id: user, verb and address of the request must agree, too.
        """
        refused = {_request(body): errors[at] for at, body in bodies if errors[at]}
        return {
            at: refused[_request(body)]
            for at, body in bodies
            if not errors[at] and _status(body) is None and _request(body) in refused
        }


def _resource(body: Body) -> str:
    kind, part = one_of(body, "objectRef.resource"), one_of(body, "objectRef.subresource")
    return f"{kind}/{part}" if part else kind


def _status(body: Body) -> int | None:
    code = value_at(body, "responseStatus", "code")
    return code if isinstance(code, int) and not isinstance(code, bool) and code else None


def _request(body: Body) -> tuple[str, ...]:
    said = ("auditID", "user.username", "verb", "requestURI")
    return tuple(one_of(body, path) for path in said)


def _extra(body: Body, *names: str) -> str:
    """Return the first text under one of these names; the server writes a list for each."""
    return next(filter(None, _texts(body, names)), "")


def _texts(body: Body, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        value = value_at(body, "user", "extra", name)
        first = value[0] if isinstance(value, list) and value else value
        yield first if isinstance(first, str) else ""


def _acted_on(body: Body) -> tuple[str, ...]:
    """Return the name, with its namespace, and as a user where it is a service account."""
    space = one_of(body, "objectRef.namespace")
    name = one_of(body, "objectRef.name", "responseObject.metadata.name")
    if not name:
        return ()
    account = space and one_of(body, "objectRef.resource") == "serviceaccounts"
    user = f"system:serviceaccount:{space}:{name}" if account else ""
    return names_of(user, f"{space}/{name}" if space else name, name)


def _subject(one: Body) -> str:
    name, space = word(one, "name"), word(one, "namespace")
    account = word(one, "kind") == "ServiceAccount" and name
    return f"system:serviceaccount:{space}:{name}" if account else name
