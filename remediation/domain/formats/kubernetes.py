"""Kubernetes audit: one event is one stage of one request to the API server.

A request is one act: the event of its last stage has the outcome, and is read for all of them.

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
_LAST = frozenset({"ResponseComplete", "Panic"})
# What a caller has afterwards: identities, requests for certificates, and rights.
_MADE = frozenset({"serviceaccounts", "certificatesigningrequests", "secrets"})
_RIGHTS = frozenset({"roles", "clusterroles", "rolebindings", "clusterrolebindings"})
_WIDENS = frozenset({"create", "update", "patch"})


class Kubernetes(Format):
    """https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/"""

    def is_record(self, names: Set[str], body: Body) -> bool:
        kind, version = say(body, "kind"), say(body, "apiVersion")
        if kind not in ("", "Event"):
            return False  # a list of events, a policy
        if version.startswith("audit.k8s.io/") or {"auditid", "verb", "user"} <= names:
            return True
        return kind == "Event" and {"verb", "objectref"} <= names

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
        """Return whom the caller impersonated, else the AWS role that EKS mapped to the user."""
        return one_of(body, "impersonatedUser.username") or _extra(body, "canonicalArn")

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
        borrowed = one_of(body, "impersonatedUser.username")
        return names_of(*_acted_on(body), borrowed, *_bound(body))

    def obtained(self, body: Body) -> tuple[str, ...]:
        """Return the account whose token was minted, the secrets that were read, what was made.

        Also whom new rights were given to. Nothing before the outcome is known.
        """
        verb, what = say(body, "verb"), _resource(body)
        if self.error(body) != "":
            return ()
        if (verb, what) == ("create", "serviceaccounts/token"):
            issued = value_at(body, "annotations", f"{_EXTRA}issued-credential-id")
            return names_of(*_acted_on(body), issued if isinstance(issued, str) else "")
        if verb in _READS and what == "secrets":
            return _acted_on(body) or (f"{one_of(body, 'objectRef.namespace') or '*'}/*",)
        if verb in _WIDENS and what in _RIGHTS:
            return names_of(*_acted_on(body), *_bound(body))
        return _acted_on(body) if verb == "create" and what in _MADE else ()

    def acts(self, body: Body) -> bool:
        return True

    def error(self, body: Body) -> str | None:
        """Return the reason of a refusal. The server's sentence is left out: it quotes names."""
        if say(body, "stage") == "Panic":
            return "Panic"
        code = _status(body)
        if code >= 400:
            return _REASONS.get(code) or f"status {code}"
        if value_at(body, "annotations", "authorization.k8s.io/decision") == "forbid":
            return _REASONS[403]
        if say(body, "responseStatus", "status") == "Failure":
            return say(body, "responseStatus", "reason") or "Failure"
        return "" if code else None

    def repeats(self, bodies: Sequence[tuple[str, Body]]) -> Mapping[str, str]:
        """Return the earlier stages of requests, each with the pointer of the last stage.

        A caller can choose the audit id: user, verb, path and address must agree, too. Of requests
        that agree in all of it and differ in their outcome, no stage is joined to either.
        """
        ends: dict[tuple[str, ...], dict[str | None, str]] = {}
        for at, body in bodies:
            if say(body, "stage") in _LAST:
                ends.setdefault(_request(self, body), {}).setdefault(self.error(body), at)
        return {
            at: next(iter(found.values()))
            for at, body in bodies
            if say(body, "auditID") and say(body, "stage") not in _LAST
            if len(found := ends.get(_request(self, body), {})) == 1
        }


def _resource(body: Body) -> str:
    kind, part = one_of(body, "objectRef.resource"), one_of(body, "objectRef.subresource")
    return f"{kind}/{part}" if part else kind


def _status(body: Body) -> int:
    """Return the status of HTTP, 0 if the event has none; exporters write it as text, too."""
    code = word(body, "responseStatus", "code")
    return int(code) if len(code) == 3 and code.isascii() and code.isdecimal() else 0


def _request(form: Kubernetes, body: Body) -> tuple[str, ...]:
    said = ("auditID", "user.username", "verb", "requestURI")
    return (*(one_of(body, path) for path in said), form.address(body))


def _bound(body: Body) -> tuple[str, ...]:
    """Return the role of a binding and whom it binds, as it was asked for and as it became."""
    if not _resource(body).endswith("bindings"):
        return ()
    found = [value_at(body, name) for name in ("requestObject", "responseObject")]
    told = [one for one in found if isinstance(one, dict)]
    roles = (one_of(one, "roleRef.name") for one in told)
    return names_of(*roles, *(_subject(who) for one in told for who in items(one, "subjects")))


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
