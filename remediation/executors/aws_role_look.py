"""Look at an IAM role: its policies, who can assume it, and whether IAM lets anybody change it.

The only rights that the observer needs for it, on the roles: iam:GetRole, iam:ListRolePolicies,
iam:ListAttachedRolePolicies, iam:GetRolePolicy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from audit.tlog.canonical import Json
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import account
from remediation.executors.aws_client import reading, uncut
from remediation.executors.aws_inline import Holder, Policies, policies_of, reader_of
from remediation.executors.errors import NotApplied
from remediation.executors.targets import Targets

# "You cannot revoke the session for a service-linked role": IAM User Guide, "Revoke IAM role
# temporary security credentials".
SERVICE_LINKED = "/aws-service-role/"
# "You can't edit roles in IAM that were created from IAM Identity Center permission sets": IAM User
# Guide, "Disabling permissions for temporary security credentials".
IDENTITY_CENTER = "/aws-reserved/"
MOST_PRINCIPALS, LONGEST_PRINCIPAL = 20, 160


@dataclass(frozen=True)
class Role:
    """What was read of a role, and the text of one of its inline policies."""

    role_id: str
    policies: Policies
    shown: dict[str, Json]
    simulated: bool


def look_at_role(step: Step, targets: Targets, policy: str) -> Role | None:
    """Read the role; None if it does not exist.

    Raises TargetUnobservable, or Spreading when reads disagree.
    """
    target = account(targets, step.target.fields["account"])
    holder = Holder.of(step)
    with reading(step):
        client = reader_of(target)
        try:
            role = client.get_role(RoleName=holder.name)["Role"]
        except client.exceptions.NoSuchEntityException:
            return None
        held = policies_of(client, holder, policy)
        shown = _shown(role)
    shown |= {"iam_policies": [*held.besides(policy)], "uncut": [*uncut(target)]}
    return Role(str(role["RoleId"]), held, shown, target.simulated)


def observation_of(step: Step, role: Role, **facts: Json) -> Observation:
    state: dict[str, Json] = {"role_id": role.role_id, **facts}
    pinned = {name: state[name] for name in step.spec.pin_fields}
    return Observation(True, pinned, role.shown, role.simulated)


def refuse_not_editable(observation: Observation) -> None:
    """Refuse a role that IAM does not let anybody edit. Raises NotApplied."""
    path = str(observation.shown["iam_path"])
    if path.startswith(SERVICE_LINKED):
        raise NotApplied(f"the role is linked to a service (path {path}): IAM does not change it")
    if path.startswith(IDENTITY_CENTER):
        raise NotApplied(
            f"IAM Identity Center made the role (path {path}): end the session there instead"
        )


def _shown(role: Mapping[str, Any]) -> dict[str, Json]:
    used = role.get("RoleLastUsed") or {}
    last = used.get("LastUsedDate")
    return {
        "iam_path": str(role["Path"]),
        "assumed_by": [*principals(role["AssumeRolePolicyDocument"])],
        "session_s": role.get("MaxSessionDuration"),
        # None is not "never": AWS keeps 400 days.
        "last_used": last.isoformat() if last else None,
        "last_used_region": used.get("Region") if last else None,
    }


def principals(text: str) -> list[str]:
    """Return whom a trust policy lets assume the role, in words; cut if they are many."""
    statements = json.loads(unquote(text)).get("Statement", [])
    found: list[str] = []
    for each in statements if isinstance(statements, list) else [statements]:
        if each.get("Effect") != "Allow":
            continue
        limited = " (under conditions)" if each.get("Condition") else ""
        found += [f"{name}{limited}" for name in _names(each)]
    cut = [each[:LONGEST_PRINCIPAL] for each in sorted({*found})]
    rest = len(cut) - MOST_PRINCIPALS
    return [*cut[:MOST_PRINCIPALS], *([f"and {rest} more"] if rest > 0 else [])]


def _names(statement: Mapping[str, Any]) -> list[str]:
    if "NotPrincipal" in statement:
        return ["everybody but some (NotPrincipal)"]
    principal = statement.get("Principal", {})
    if isinstance(principal, str):
        return ["everybody" if principal == "*" else principal]
    return [
        f"{kind} {name}"
        for kind, names in principal.items()
        for name in (names if isinstance(names, list) else [names])
    ]
