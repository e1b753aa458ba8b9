"""The closed catalogue: kinds of target, and the actions that exist for them.

What is not here cannot be proposed, shown, approved or run. `version` is part of every plan's
digest: raise it whenever an executor comes to do something else than before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from audit.tlog.canonical import Json

_NO_PARAMETERS: Mapping[str, Json] = MappingProxyType(
    {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
)


@dataclass(frozen=True)
class TargetSpec:
    """A kind of target: its fields (name → anchored pattern) and its one-line name."""

    kind: str
    title: str
    fields: Mapping[str, str]
    locator: str
    # The field that tells this target from its neighbours; evidence has to name its value.
    distinguishing: str


@dataclass(frozen=True)
class ActionSpec:
    """An action: what it does, on what, with which limits, and what it cannot do."""

    kind: str
    version: int
    title: str
    # str.format template over the target's fields; the sentence at the top of a review.
    sentence: str
    target_kind: str
    rollback: str | None
    reversible: bool
    hard_timeout_s: int
    propagation_s: int
    pin_fields: tuple[str, ...]
    ends_sessions: str
    cannot: tuple[str, ...]
    # The pinned fields that are different afterwards, and how: what a reviewer is shown as after,
    # and what the executor verifies.
    leads_to: Mapping[str, Json]
    # Why there is nothing to pin; empty when there are pin fields.
    unpinned_reason: str = ""
    # Gives an identity its access (back): asks for more care than taking it away.
    grants_access: bool = False
    parameters: Mapping[str, Json] = field(default_factory=lambda: _NO_PARAMETERS)


# RFC 1123 names; of the 253 characters of an object's name as many as a locator has room for.
_KUBERNETES: Mapping[str, str] = MappingProxyType(
    {
        "cluster": r"[a-z0-9][a-z0-9_-]{0,62}",
        "namespace": r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
        "name": r"[a-z0-9](?:[a-z0-9.-]{0,126}[a-z0-9])?",
    }
)

# "/" is in no pattern, so a locator reads in one way only.
_TARGETS = (
    TargetSpec(
        kind="postgres.role",
        title="PostgreSQL role",
        fields={
            "cluster": r"[a-z0-9][a-z0-9_-]{0,62}",
            # NAMEDATALEN - 1 bytes (PostgreSQL manual, 4.1.1).
            "role": r"[A-Za-z_][A-Za-z0-9_$.-]{0,62}",
        },
        locator="postgres.role:{cluster}/{role}",
        distinguishing="role",
    ),
    TargetSpec(
        kind="aws.iam.access_key",
        title="AWS IAM access key",
        fields={
            "account": r"[0-9]{12}",
            # IAM User API: 1 to 64 characters of [\w+=,.@-].
            "user": r"[A-Za-z0-9_+=,.@-]{1,64}",
            # IAM AccessKey API: 16 to 128 characters of [\w]*.
            "access_key_id": r"[A-Za-z0-9_]{16,128}",
        },
        locator="aws.iam.access_key:{account}/{user}/{access_key_id}",
        distinguishing="access_key_id",
    ),
    # Identities that an incident can be about and for which there is no action yet.
    TargetSpec(
        kind="aws.iam.user",
        title="AWS IAM user",
        fields={"account": r"[0-9]{12}", "user": r"[A-Za-z0-9_+=,.@-]{1,64}"},
        locator="aws.iam.user:{account}/{user}",
        distinguishing="user",
    ),
    TargetSpec(
        kind="aws.iam.role",
        title="AWS IAM role",
        fields={"account": r"[0-9]{12}", "role": r"[A-Za-z0-9_+=,.@-]{1,64}"},
        locator="aws.iam.role:{account}/{role}",
        distinguishing="role",
    ),
    TargetSpec(
        kind="aws.iam.root",
        title="AWS account root user",
        fields={"account": r"[0-9]{12}"},
        locator="aws.iam.root:{account}",
        distinguishing="account",
    ),
    TargetSpec(
        kind="kubernetes.service_account",
        title="Kubernetes service account",
        fields=_KUBERNETES,
        locator="kubernetes.service_account:{cluster}/{namespace}/{name}",
        distinguishing="name",
    ),
    TargetSpec(
        kind="kubernetes.secret",
        title="Kubernetes secret",
        fields=_KUBERNETES,
        locator="kubernetes.secret:{cluster}/{namespace}/{name}",
        distinguishing="name",
    ),
    TargetSpec(
        kind="test.target",
        title="Test target",
        fields={"name": r"[a-z0-9][a-z0-9-]{0,62}"},
        locator="test.target:{name}",
        distinguishing="name",
    ),
)

TARGETS: Mapping[str, TargetSpec] = MappingProxyType({spec.kind: spec for spec in _TARGETS})

_POSTGRES_PIN = ("login", "superuser", "member_of_managed", "oid")
_AWS_PIN = ("status",)
_AWS_CANNOT = (
    "Services may accept the key for some minutes more.",
    "It does not end sessions of temporary credentials that were made with the key before.",
    "It does not touch other keys, roles or users that the key may have created.",
)

_ACTIONS = (
    ActionSpec(
        kind="postgres.role.disable",
        version=1,
        title="Disable a PostgreSQL role",
        sentence="Take the right to log in from role {role} on PostgreSQL cluster {cluster},"
        " and end its open sessions.",
        target_kind="postgres.role",
        rollback="postgres.role.enable",
        reversible=True,
        hard_timeout_s=15,
        propagation_s=0,
        pin_fields=_POSTGRES_PIN,
        leads_to=MappingProxyType({"login": False}),
        ends_sessions="It ends every open session of the role, after new logins are refused.",
        cannot=(
            "It does not revoke grants: other roles that are members of it keep them.",
            "It does not change the password.",
            "Sessions that a connection pooler opened as another role are not ended.",
            "A transaction that was prepared for two-phase commit keeps its locks.",
            "Roles that administer the cluster (superuser, CREATEROLE, REPLICATION, BYPASSRLS) are"
            " refused.",
        ),
    ),
    ActionSpec(
        kind="postgres.role.enable",
        version=1,
        title="Enable a PostgreSQL role",
        sentence="Give role {role} on PostgreSQL cluster {cluster} the right to log in.",
        target_kind="postgres.role",
        rollback="postgres.role.disable",
        reversible=True,
        hard_timeout_s=15,
        propagation_s=0,
        pin_fields=_POSTGRES_PIN,
        leads_to=MappingProxyType({"login": True}),
        ends_sessions="It ends no session.",
        cannot=("It does not restore sessions that were ended.",),
        grants_access=True,
    ),
    ActionSpec(
        kind="aws.iam.deactivate_access_key",
        version=1,
        title="Deactivate an AWS access key",
        sentence="Set access key {access_key_id} of IAM user {user} in AWS account {account}"
        " to Inactive.",
        target_kind="aws.iam.access_key",
        rollback="aws.iam.activate_access_key",
        reversible=True,
        hard_timeout_s=30,
        # IAM is eventually consistent; a change of status takes minutes to reach every service.
        propagation_s=300,
        pin_fields=_AWS_PIN,
        leads_to=MappingProxyType({"status": "Inactive"}),
        ends_sessions="It ends no session; requests signed with the key are refused.",
        cannot=_AWS_CANNOT,
    ),
    ActionSpec(
        kind="aws.iam.activate_access_key",
        version=1,
        title="Activate an AWS access key",
        sentence="Set access key {access_key_id} of IAM user {user} in AWS account {account}"
        " to Active.",
        target_kind="aws.iam.access_key",
        rollback="aws.iam.deactivate_access_key",
        reversible=True,
        hard_timeout_s=30,
        propagation_s=300,
        pin_fields=_AWS_PIN,
        leads_to=MappingProxyType({"status": "Active"}),
        ends_sessions="It ends no session.",
        cannot=("It does not make the key safe to use again.",),
        grants_access=True,
    ),
    ActionSpec(
        kind="test.noop",
        version=1,
        title="Test: record a call",
        sentence="Record a call for test target {name}.",
        target_kind="test.target",
        rollback="test.noop",
        reversible=True,
        hard_timeout_s=5,
        propagation_s=0,
        pin_fields=("state",),
        leads_to=MappingProxyType({"state": "off"}),
        ends_sessions="It ends no session.",
        cannot=("It changes nothing outside a file of the worker.",),
        parameters={
            "type": "object",
            "properties": {"note": {"type": "string", "maxLength": 20_000}},
            "required": [],
            "additionalProperties": False,
        },
    ),
)

ACTIONS: Mapping[str, ActionSpec] = MappingProxyType({spec.kind: spec for spec in _ACTIONS})

# Kinds that exist for tests and benchmarks; a plan may name them only where it is allowed.
TEST_PREFIX = "test."


def after(action: str, state: Mapping[str, Json]) -> dict[str, Json]:
    """The pinned state that the action leads to from this one; reviewers see it, executors verify
    it. Raises KeyError for an action that is not in the catalogue."""
    return {**state, **ACTIONS[action].leads_to}


def is_test(kind: str) -> bool:
    return kind.startswith(TEST_PREFIX)
