"""Deny an IAM user everything by an inline policy, and take that back.

An explicit deny in a policy of the user counts before everything that allows, in whatever policy,
of the resource, too (IAM User Guide, "Policy evaluation logic"). It counts for temporary
credentials of GetSessionToken and GetFederationToken as well, since each request is judged by the
user's policies ("Disabling permissions for temporary security credentials"). It does not count for
sessions of roles that the user assumed.

The only rights that the two logins need for it, on the users:
    observe: iam:GetUser, iam:GetLoginProfile, iam:ListAccessKeys, iam:GetAccessKeyLastUsed,
             iam:ListUserPolicies, iam:ListAttachedUserPolicies, iam:GetUserPolicy
    operate: iam:PutUserPolicy (deny), iam:DeleteUserPolicy (undo)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws_user import ALLOW_AGAIN, DENY_ALL
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import account, own_keys
from remediation.executors.aws_client import reading, uncut
from remediation.executors.aws_iam import keys_of, user_of
from remediation.executors.aws_inline import Holder, Policies, agreed, policies_of, reader_of
from remediation.executors.aws_policy_action import Denial
from remediation.executors.aws_user_keys import slot
from remediation.executors.base import GONE, Deadline
from remediation.executors.errors import NotApplied
from remediation.executors.targets import Targets

POLICY = "HitlPortalDenyAll"
TEXT = (
    '{"Version":"2012-10-17","Statement":[{"Sid":"HitlPortalDenyAll","Effect":"Deny",'
    '"Action":"*","Resource":"*"}]}'
)


class _User(Denial):
    """The common parts of denying a user and letting it go on."""

    def _policy(self, step: Step, found: Observation) -> tuple[str, str]:
        return POLICY, TEXT

    def _look(self, step: Step, targets: Targets) -> Observation:
        return look_at_user(step, targets)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        """AWS lists no sessions; the last uses of the keys show where requests will be refused."""
        found = self.observe(step, targets)
        names = ("slots", "console", "password_last_used")
        return {name: found.shown[name] for name in names} if found.exists else {}


class DenyAll(_User):
    """Put the policy that denies everything."""

    spec = DENY_ALL
    denied = "yes"

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.shown["own"]:
            raise NotApplied(
                f"the portal itself works with this user's key {observation.shown['own']}"
            )


class AllowAgain(_User):
    """Delete exactly that policy."""

    spec = ALLOW_AGAIN
    denied = "no"


def look_at_user(step: Step, targets: Targets) -> Observation:
    """Read the user. Raises TargetUnobservable, or Spreading when reads disagree."""
    target = account(targets, step.target.fields["account"])
    with reading(step):
        client = reader_of(target)
        user = user_of(client, step.target.fields["user"])
        if user is None:
            return GONE
        held = policies_of(client, Holder.of(step), POLICY)
        shown = _shown(client, step, held, user, targets)
    shown["uncut"] = [*uncut(target)]
    facts: dict[str, Json] = {
        "denied": denied(held.text, TEXT),
        "user_id": str(user["UserId"]),
        "console": shown["console"],
        "iam_policies": shown["iam_policies"],
    }
    state = {name: facts[name] for name in step.spec.pin_fields}
    return Observation(True, state, shown, target.simulated)


def denied(text: str | None, ours: str) -> str:
    """Return whether the portal's policy is there: "other" if only its name is."""
    if text is None:
        return "no"
    return "yes" if text == ours else "other"


def _shown(
    client: Any, step: Step, held: Policies, user: Mapping[str, Any], targets: Targets
) -> dict[str, Json]:
    name = step.target.fields["user"]
    keys = keys_of(client, name, Deadline.within(10))
    used = user.get("PasswordLastUsed")
    return {
        "iam_policies": [*held.besides(POLICY)],
        "slots": [slot(client, key_id, keys) for key_id in sorted(keys)],
        "console": agreed(client, lambda: _has_password(client, name)),
        # None is not "never": AWS keeps it only since 2014, and not of a password it deleted.
        "password_last_used": used.isoformat() if used else None,
        "own": [*sorted(own_keys(targets) & set(keys))],
    }


def _has_password(client: Any, user: str) -> bool:
    try:
        client.get_login_profile(UserName=user)
    except client.exceptions.NoSuchEntityException:
        return False
    return True
