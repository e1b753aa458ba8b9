"""Deny sessions of a role that were issued before a time, and take that back.

The policy is AWSRevokeOlderSessions, which the console of AWS makes, too: `DateLessThan` on
`aws:TokenIssueTime` (IAM User Guide, "Revoke IAM role temporary security credentials"). Where it is
there already, in the console's form or the portal's, its time stays in it as a statement of its
own and the new one comes beside it, so nothing is loosened; a time before the latest one is
refused. A policy of that name in any other form is somebody else's and is left alone.

The operator needs iam:PutRolePolicy, and to take the last time back iam:DeleteRolePolicy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.catalogue.aws_role import RESTORE, REVOKE
from remediation.domain.errors import BadValue
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_inline import delete, put
from remediation.executors.aws_policy_action import PolicyAction
from remediation.executors.aws_role_look import look_at_role, observation_of, refuse_not_editable
from remediation.executors.aws_role_session import last_use
from remediation.executors.base import GONE, Deadline, Outcome, Settled, Snapshot
from remediation.executors.errors import NotApplied
from remediation.executors.targets import Targets

POLICY = "AWSRevokeOlderSessions"
# In place of times, for a policy of this name that has another form.
OTHER = "a policy of another form"
# The worker's clock may be ahead of AWS's.
CLOCKS = timedelta(seconds=10)
# All inline policies of a role may have 10,240 characters together.
MOST = 10


class _OlderSessions(PolicyAction):
    """The common parts of denying older sessions and taking that back."""

    # The text of the policy as it was read last. An executor lives for one call.
    _text: str | None = None

    def _look(self, step: Step, targets: Targets) -> Observation:
        role = look_at_role(step, targets, POLICY)
        if role is None:
            return GONE
        self._text, times = role.policies.text, times_in(role.policies.text)
        role.shown["earlier"] = None if times == [OTHER] else self._text or ""
        return observation_of(step, role, revocations=[*times])

    def snapshot(self, observation: Observation) -> Snapshot:
        """Keep the exact text: the console writes another one than the portal."""
        return {**observation.state, "earlier": observation.shown["earlier"]}

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        pinned = {name: value for name, value in before.items() if name in self.spec.pin_fields}
        return super().settled_from(step, observation, pinned, made)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        """AWS lists no sessions; the role's last use is all that it tells."""
        return last_use(self.observe(step, targets))

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        refuse_not_editable(observation)
        if OTHER in _times(observation.state):
            raise NotApplied(f"inline policy {POLICY} has {OTHER}: it is somebody else's")

    def _without(self, step: Step, observation: Observation) -> bool | None:
        """Who can assume the role gets in again, so it is never said to be without access."""
        return None if not observation.exists else False

    def _why_not(self, step: Step, found: Observation) -> str:
        before, times = str(step.parameters["before"]), _times(found.state)
        if (before in times) is (self.spec is REVOKE):
            return ""
        return f"sessions are denied that were issued before: {', '.join(times) or 'no time'}"

    def _write(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        times: Sequence[str],
        deadline: Deadline,
        text: str = "",
    ) -> Outcome:
        """Make the policy deny sessions from before these times, in `text` if there is one."""
        if times:
            put(clearance, step, targets, POLICY, text or text_for(times), deadline)
        else:
            delete(clearance, step, targets, POLICY, deadline)
        return Outcome({"revocations": [*times]})

    def _undo(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        found: Observation,
        deadline: Deadline,
    ) -> Outcome:
        before, left = _times(snapshot), _times(self.after(snapshot, step.parameters))
        if before == left or found.state.get("revocations") == before:
            return Outcome({"revocations": [*before], "changed": False})
        self.expected = snapshot
        _OlderSessions.precheck(self, step, found)
        self._refuse_another(found)
        if self._text != (text_for(left) if left else None):
            raise NotApplied(f"inline policy {POLICY} was changed since: a person has to look")
        earlier = snapshot.get("earlier")
        text = earlier if isinstance(earlier, str) and times_in(earlier) == before else ""
        return self._write(clearance, step, targets, before, deadline, text)


class RevokeSessions(_OlderSessions):
    """Add a time to the policy."""

    spec = REVOKE

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        before, times = str(step.parameters["before"]), _times(observation.state)
        if _moment(before) > datetime.now(UTC) + CLOCKS:
            raise NotApplied(f"{before} has not come yet: it would deny new sessions")
        later = [each for each in times if _moment(each) >= _moment(before) and each != before]
        if later:
            raise NotApplied(f"sessions issued before {later[-1]} are denied already")
        if len(times) >= MOST:
            raise NotApplied(f"the policy has {len(times)} times: take old ones back first")

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        found = self._look_before(clearance, step, targets)
        before, times = str(step.parameters["before"]), _times(found.state)
        if before in times:
            return Outcome({"revocations": [*times], "changed": False})
        return self._write(clearance, step, targets, sorted([*times, before]), deadline)


class RestoreSessions(_OlderSessions):
    """Take a time out of the policy; without another one, delete it."""

    spec = RESTORE

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        found = self._look_before(clearance, step, targets)
        before, times = str(step.parameters["before"]), _times(found.state)
        if before not in times:
            return Outcome({"revocations": [*times], "changed": False})
        if self._text != text_for(times):
            raise NotApplied(f"inline policy {POLICY} has not the portal's text: a person deletes")
        rest = [each for each in times if each != before]
        return self._write(clearance, step, targets, rest, deadline)


def text_for(times: Sequence[str]) -> str:
    """Return the text of the policy that denies sessions from before each of these times."""
    statements = [
        {
            "Effect": "Deny",
            "Action": ["*"],
            "Resource": ["*"],
            "Condition": {"DateLessThan": {"aws:TokenIssueTime": each}},
        }
        for each in times
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def times_in(text: str | None) -> list[str]:
    """Return the times of a policy of the console's or the portal's form; [OTHER] of any other."""
    if text is None:
        return []
    try:
        statements = json.loads(text, object_pairs_hook=_each_once)["Statement"]
        many = statements if isinstance(statements, list) else [statements]
        found = [_time_of(each) for each in many]
        for each in found:
            instant.parse(each)
    except (AttributeError, BadValue, KeyError, TypeError, ValueError):
        return [OTHER]
    return sorted({*found}) or [OTHER]


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object. Of a key that is there twice IAM may take the other value: ValueError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _time_of(statement: Mapping[str, Any]) -> str:
    """Return the time of a statement. Raises ValueError or KeyError for any other statement."""
    rest = {name: value for name, value in statement.items() if name not in ("Sid", "Condition")}
    everything = (["*"], "*")
    if rest.keys() != {"Effect", "Action", "Resource"} or rest["Effect"] != "Deny":
        raise ValueError("no denial of everything")
    if rest["Action"] not in everything or rest["Resource"] not in everything:
        raise ValueError("no denial of everything")
    [(operator, values)] = statement["Condition"].items()
    [(key, value)] = values.items()
    if (operator, str(key).lower()) != ("DateLessThan", "aws:tokenissuetime"):
        raise ValueError("another condition")
    [only] = value if isinstance(value, list) else [value]
    return str(only)


def _times(state: Mapping[str, Json]) -> list[str]:
    held = state.get("revocations")
    return [str(each) for each in held] if isinstance(held, list) else []


def _moment(text: str) -> datetime:
    return instant.parse(text)
