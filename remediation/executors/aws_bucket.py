"""Block public access to a bucket of S3, and give it its earlier flags back.

One call, PutPublicAccessBlock, with all four flags. A bucket without a configuration counts as one
with four times no, and is left with four times no. Each call names the account that must own the
bucket (ExpectedBucketOwner), for the name alone is shared by all accounts of AWS. The bucket is
read again just before, and nothing is called if its region differs from what people decided on.
Where the call switches a flag off, nothing is called either if the policy or the ACL's public
grants differ: they are what it opens. A call that only switches flags on is made, for who changes
the two would else hold it off. S3 has no call for "only if the ACL is still this one": they are
compared again afterwards. A crash leaves the flags as before or as wanted; the next look reads
which.

The only rights that the two logins need for it:
    observe: s3:GetBucketLocation, s3:GetBucketPublicAccessBlock, s3:GetBucketPolicyStatus,
             s3:GetBucketPolicy, s3:GetBucketAcl, s3:GetBucketWebsite
    operate: s3:PutBucketPublicAccessBlock
"""

from __future__ import annotations

from abc import abstractmethod

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws_bucket import BLOCK, FLAGS, RESTORE_PUBLIC
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import account
from remediation.executors.aws_bucket_look import look_at_bucket, owned, stay
from remediation.executors.aws_client import changing, operating_client
from remediation.executors.aws_policy_action import PolicyAction
from remediation.executors.base import Deadline, Outcome, Point, Snapshot
from remediation.executors.errors import NotApplied, VerifyFailed
from remediation.executors.targets import Targets

ALL: list[Json] = [*FLAGS]
# What the flags keep out, and what is open again without them.
BEHIND = ("policy_public", "policy_digest", "public_grants")


class _Flags(PolicyAction):
    """Set the four flags of a bucket."""

    @abstractmethod
    def _wanted(self, step: Step) -> list[Json]:
        """Return the flags that are on after the step."""

    def _look(self, step: Step, targets: Targets) -> Observation:
        return look_at_bucket(step, targets)

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        place = f"S3 bucket {step.target.fields['bucket']}: its own flags against public access"
        return (Point(place, self._without(step, observation)),)

    def _without(self, step: Step, observation: Observation) -> bool | None:
        return observation.state["public_blocks"] == ALL if observation.exists else None

    def _why_not(self, step: Step, found: Observation) -> str:
        held = found.state["public_blocks"]
        return "" if held == self._wanted(step) else f"the flags that are on: {_said(held)}"

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        earlier = step.parameters["earlier_blocks"]
        assert isinstance(earlier, list)
        if earlier != [each for each in FLAGS if each in earlier]:
            raise NotApplied(f"earlier_blocks must be in the order {_said(ALL)}")
        held = observation.state["public_blocks"]
        if held not in (ALL, earlier):
            raise NotApplied(
                f"the flags that are on are {_said(held)}, and the plan takes {_said(earlier)} for"
                " the earlier ones"
            )

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        found = self._look_before(clearance, step, targets)
        wanted = self._wanted(step)
        self._refuse_changed(found, wanted)
        return self._bring(clearance, step, targets, found, wanted, deadline)

    def snapshot(self, observation: Observation) -> Snapshot:
        """Undoing a block opens what is behind the flags, so that is kept although not pinned."""
        return {**observation.state, **{name: observation.shown[name] for name in BEHIND}}

    def _refuse_changed(self, found: Observation, wanted: Json) -> None:
        """Refuse a bucket that moved, or one that would be open to others than people saw."""
        if self._differs("region", found):
            raise NotApplied("the bucket was changed since people decided (region)")
        if self._opens(found, wanted) and (why := self._changed(found)):
            raise NotApplied(why)

    def _opens(self, found: Observation, wanted: Json) -> bool:
        """Return whether a flag that is on would be off."""
        held = found.state["public_blocks"]
        assert isinstance(held, list) and isinstance(wanted, list)
        return not {*map(str, held)} <= {*map(str, wanted)}

    def _changed(self, found: Observation) -> str:
        """Return what is behind the flags that people did not see; "" for nothing."""
        other = [name for name in BEHIND if self._differs(name, found)]
        return f"the bucket was changed since people decided ({', '.join(other)})" if other else ""

    def _differs(self, name: str, found: Observation) -> bool:
        """Return whether the bucket has another value by now than it had for people."""
        now = found.shown if name in BEHIND else found.state
        return self.expected is not None and self.expected.get(name) != now[name]

    def _bring(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        found: Observation,
        wanted: Json,
        deadline: Deadline,
    ) -> Outcome:
        assert isinstance(wanted, list)
        if found.state["public_blocks"] == wanted:
            return Outcome({"public_blocks": wanted, "changed": False})
        client = operating_client(
            clearance, step, targets, "s3:PutBucketPublicAccessBlock", deadline,
            service="s3", region=str(found.state["region"]), resources=(_arn(step, targets),),
        )  # fmt: skip
        flags = {each: each in wanted for each in FLAGS}
        with changing():
            stay(client).put_public_access_block(
                **owned(step), PublicAccessBlockConfiguration=flags
            )
        return Outcome({"public_blocks": wanted})

    def _undo(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        found: Observation,
        deadline: Deadline,
    ) -> Outcome:
        before = snapshot["public_blocks"]
        if not found.exists:
            raise NotApplied(f"{step.target.locator} does not exist")
        held = found.state["public_blocks"]
        if held not in (before, self._wanted(step)):
            raise NotApplied(f"somebody else set the flags since: {_said(held)}")
        self.expected = snapshot
        self._refuse_changed(found, before)
        made = self._bring(clearance, step, targets, found, before, deadline)
        if self._opens(found, before) and (why := self._changed(self._look(step, targets))):
            raise VerifyFailed(why)
        return made


class BlockPublicAccess(_Flags):
    """Switch all four flags on."""

    spec = BLOCK

    def _wanted(self, step: Step) -> list[Json]:
        return ALL


class RestorePublicAccess(_Flags):
    """Leave only the earlier flags on."""

    spec = RESTORE_PUBLIC

    def _why_not(self, step: Step, found: Observation) -> str:
        """What was opened between the look and the call was seen by nobody, so it is not done."""
        return super()._why_not(step, found) or self._changed(found)

    def _wanted(self, step: Step) -> list[Json]:
        earlier = step.parameters["earlier_blocks"]
        assert isinstance(earlier, list)
        return earlier


def _said(flags: Json) -> str:
    assert isinstance(flags, list)
    return ", ".join(str(each) for each in flags) or "none"


def _arn(step: Step, targets: Targets) -> str:
    """Return the bucket's ARN, in the partition of the role that is cut to it."""
    try:
        role = account(targets, step.target.fields["account"]).operate_role_arn
    except TargetUnobservable as error:
        raise NotApplied(str(error)) from error
    partition = role.split(":")[1] if role else "aws"
    return f"arn:{partition}:s3:::{step.target.fields['bucket']}"
