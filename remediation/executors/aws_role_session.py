"""Deny sessions of one name of a role, and take that back.

The condition is on `aws:userid`, which is `role id:session name` in each request of a session
(IAM User Guide, "IAM policy elements: variables and tags", table of principal values).
`sts:RoleSessionName` is there only while a role is being assumed, so it would deny no open session.
The role's id, not its name, is compared: a role that is made anew under this name is not denied,
and its state says so.

The operator needs iam:PutRolePolicy (deny) and iam:DeleteRolePolicy (undo).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws_role import ALLOW_SESSION, DENY_SESSION
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_policy_action import Denial
from remediation.executors.aws_role_look import look_at_role, observation_of, refuse_not_editable
from remediation.executors.aws_user_deny import denied
from remediation.executors.base import GONE
from remediation.executors.targets import Targets

# With the longest name of a session it is shorter than the 128 characters of a policy's name.
POLICY = "HitlPortalDenySession-{}"


class _Session(Denial):
    """The common parts of denying a name and letting it go on."""

    def _policy(self, step: Step, found: Observation) -> tuple[str, str]:
        session = step.target.fields["session"]
        return POLICY.format(session), text_for(str(found.state["role_id"]), session)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        refuse_not_editable(observation)

    def _look(self, step: Step, targets: Targets) -> Observation:
        session = step.target.fields["session"]
        role = look_at_role(step, targets, POLICY.format(session))
        if role is None:
            return GONE
        ours = text_for(role.role_id, session)
        return observation_of(step, role, denied=denied(role.policies.text, ours))

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        """AWS lists no sessions; the role's last use is all that it tells."""
        return last_use(self.observe(step, targets))


class DenySessionName(_Session):
    """Put the policy that denies sessions of this name."""

    spec = DENY_SESSION
    denied = "yes"


class AllowSessionName(_Session):
    """Delete exactly that policy."""

    spec = ALLOW_SESSION
    denied = "no"


def text_for(role_id: str, session: str) -> str:
    """Return the text of the policy; neither value can hold a wildcard or a policy variable."""
    statement = {
        "Sid": "HitlPortalDenySession",
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:userid": f"{role_id}:{session}"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


def last_use(found: Observation) -> Mapping[str, Json]:
    """Return when and where AWS saw the role last."""
    names = ("last_used", "last_used_region", "session_s")
    return {name: found.shown[name] for name in names} if found.exists else {}
