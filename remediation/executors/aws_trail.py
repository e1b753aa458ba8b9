"""Start the logging of a trail of CloudTrail that somebody stopped.

One call, StartLogging, with the trail's full ARN: by a name alone CloudTrail would look in its own
region. The trail is read again just before it, and nothing is called if anything but its status
differs from what people decided on. A crash leaves the logging started or not; the next look reads
which. There is no way back: the portal never switches evidence off.

The only rights that the two logins need for it:
    observe: cloudtrail:DescribeTrails (on *), cloudtrail:GetTrailStatus,
             cloudtrail:GetEventSelectors
    operate: cloudtrail:StartLogging
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws_selectors import LONGEST_SELECTORS, MOST_SELECTORS
from remediation.domain.catalogue.aws_trail import START_LOGGING
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import account
from remediation.executors.aws_client import changing, client_of, operating_client, reading, uncut
from remediation.executors.aws_left_out import left_out_by
from remediation.executors.aws_policy_action import PolicyAction
from remediation.executors.base import GONE, Deadline, Outcome, Point, Snapshot
from remediation.executors.errors import NotApplied
from remediation.executors.targets import Targets

LONGEST_TEXT = 500
# AWS allows 5 trails in a region; those of other regions and of an organisation come beside them.
MOST_TRAILS = 500
NO_WAY_BACK = "undoing it could switch evidence off: the portal does not do it"


class OfTrail(PolicyAction):
    """An action on a trail, which changes one pinned field and has no way back."""

    changes: ClassVar[str]

    def _look(self, step: Step, targets: Targets) -> Observation:
        return look_at_trail(step, targets)

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        fields = step.target.fields
        place = f"CloudTrail in region {fields['region']} of AWS account {fields['account']}"
        return (Point(place, self._without(step, observation)),)

    def _without(self, step: Step, observation: Observation) -> bool | None:
        """It takes no access away, so it is never said to."""
        return False if observation.exists else None

    def _refuse_changed(self, found: Observation) -> None:
        """Refuse a trail that records other things, or to another place, than people saw."""
        other = self._differs(found)
        if other:
            raise NotApplied(f"the trail was changed since people decided ({', '.join(other)})")

    def _changed_meanwhile(self, found: Observation) -> str:
        """Return what somebody changed behind the last look; "" for nothing. CloudTrail has no
        call for "only if the trail is still as it was read"."""
        other = self._differs(found)
        return f"the trail was changed meanwhile ({', '.join(other)})" if other else ""

    def _differs(self, found: Observation) -> list[str]:
        known = self.expected or {}
        return [
            name for name in known if name != self.changes and known[name] != found.state.get(name)
        ]

    def _undo(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        found: Observation,
        deadline: Deadline,
    ) -> Outcome:
        if found.state.get(self.changes) == snapshot[self.changes]:
            return Outcome({self.changes: snapshot[self.changes], "changed": False})
        raise NotApplied(NO_WAY_BACK)


class StartLogging(OfTrail):
    """Start a trail's logging."""

    spec = START_LOGGING
    changes = "logging"

    def _why_not(self, step: Step, found: Observation) -> str:
        if found.state["logging"] is not True:
            return "the trail's logging is off"
        return self._changed_meanwhile(found)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        found = self._look_before(clearance, step, targets)
        self._refuse_changed(found)
        if found.state["logging"]:
            return Outcome({"logging": True, "changed": False})
        arn = str(found.state["trail_arn"])
        client = operating_client(
            clearance, step, targets, "cloudtrail:StartLogging", deadline,
            service="cloudtrail", region=step.target.fields["region"], resources=(arn,),
        )  # fmt: skip
        with changing():
            client.start_logging(Name=arn)
        return Outcome({"logging": True})


def look_at_trail(step: Step, targets: Targets) -> Observation:
    """Read the trail, its status and its selectors. Raises TargetUnobservable."""
    fields = step.target.fields
    target = account(targets, fields["account"])
    with reading(step):
        key_id, secret = target.observe()
        client = client_of(target, key_id, secret, service="cloudtrail", region=fields["region"])
        trail = _own(step, client.describe_trails(includeShadowTrails=True)["trailList"])
        if trail is None:
            return GONE
        arn = str(trail["TrailARN"])
        _refuse_elsewhere(step, arn)
        status = client.get_trail_status(Name=arn)
        held = client.get_event_selectors(TrailName=arn)
        state = _state(trail, status, held)
        left = left_out_by(trail, _every(held))
    shown: dict[str, Json] = {
        "started": _moment(status.get("StartLoggingTime")),
        "stopped": _moment(status.get("StopLoggingTime")),
        "delivery_error": _text(status.get("LatestDeliveryError")) or None,
        "organisation": state["organisation"],
        "left_out": left,
        "lost_events": None,  # only a plan that names selectors has some
        "uncut": [*uncut(target)],
    }
    return Observation(True, state, shown, target.simulated)


def _own(step: Step, trails: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the trail of this name: the account's own one of the region before any other."""
    if len(trails) > MOST_TRAILS:
        raise TargetUnobservable("CloudTrail's list of trails does not end")
    named = [each for each in trails if each["Name"] == step.target.fields["trail"]]
    own = [each for each in named if _belongs(step, str(each["TrailARN"]))]
    if len(own) > 1:
        raise TargetUnobservable("CloudTrail lists the trail twice")
    return next(iter(own or named), None)


def _belongs(step: Step, arn: str) -> bool:
    """Return whether an ARN is exactly that of the step's trail, in whatever partition of AWS."""
    fields = step.target.fields
    head, _, rest = arn.partition(":cloudtrail:")
    place = f"{fields['region']}:{fields['account']}:trail/{fields['trail']}"
    return re.fullmatch(r"arn:aws[a-z-]*", head) is not None and rest == place


def _refuse_elsewhere(step: Step, arn: str) -> None:
    """Refuse a shadow of a trail of another region, or the trail of another account."""
    if not _belongs(step, arn):
        raise TargetUnobservable(
            f"the trail belongs to another region or account: {arn[:LONGEST_TEXT]} is started there"
        )


def _state(
    trail: Mapping[str, Any], status: Mapping[str, Any], held: Mapping[str, Any]
) -> dict[str, Json]:
    return {
        "logging": bool(status["IsLogging"]),
        "trail_arn": _text(trail["TrailARN"]),
        "bucket": _text(trail["S3BucketName"]),
        "bucket_prefix": _text(trail.get("S3KeyPrefix")),
        "kms_key": _text(trail.get("KmsKeyId")),
        "multi_region": bool(trail["IsMultiRegionTrail"]),
        "log_file_validation": bool(trail["LogFileValidationEnabled"]),
        "global_services": trail.get("IncludeGlobalServiceEvents") is not False,
        "organisation": "yes" if trail.get("IsOrganizationTrail") else "",
        "log_group": _text(trail.get("CloudWatchLogsLogGroupArn")),
        "selectors": _selectors(held),
    }


def _selectors(held: Mapping[str, Any]) -> list[Json]:
    """Return each selector as a text that is the same whenever the selector is the same."""
    texts = [written(each) for each in _every(held)]
    if len(texts) > MOST_SELECTORS or sum(map(len, texts)) > LONGEST_SELECTORS:
        raise TargetUnobservable("the trail has more selectors than can be shown")
    return [*sorted(texts)]


def _every(held: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return basic and advanced selectors."""
    kinds = ("EventSelectors", "AdvancedEventSelectors")
    return [each for kind in kinds for each in held.get(kind) or ()]


def written(selector: Mapping[str, Any]) -> str:
    """Return a selector as a text. An empty list in it means the same as none."""
    return json.dumps(_without_empty(selector), sort_keys=True, separators=(",", ":"))


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _without_empty(each) for name, each in value.items() if each not in (None, [])
        }
    return [_without_empty(each) for each in value] if isinstance(value, list) else value


def _text(value: object) -> str:
    """Return a text of AWS; "" for none. One that is too long is not cut, for it is pinned."""
    text = "" if value is None else str(value)
    if len(text) > LONGEST_TEXT:
        raise TargetUnobservable("CloudTrail's answer has a text that is too long")
    return text


def _moment(value: Any) -> str | None:
    return value.isoformat() if value is not None else None
