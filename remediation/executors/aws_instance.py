"""Isolate an instance of EC2, and give it its earlier groups and its profile back.

Two kinds of call. First each interface gets exactly the isolation group, which has no rule
(ModifyNetworkInterfaceAttribute), then the instance profile is taken off
(DisassociateIamInstanceProfile), or put on again (AssociateIamInstanceProfile). The instance is
read before, and only what is not as wanted yet is changed: an interface must have the groups that
people saw or be isolated, the profile must be the one that they saw or be off. The id of an
association stays the same when somebody replaces the profile, so the profile is read once more just
before it is taken off. Where groups are given back, nothing is called if their rules differ from
those that people decided on; EC2 has no call for "only if they are still these", so they are
compared again afterwards. A crash leaves some interfaces isolated and the profile on: the look
cannot tell whose part that is, so people settle the step, and a new plan does the rest.

The only rights that the two logins need for it:
    observe: ec2:DescribeInstances, ec2:DescribeNetworkInterfaces, ec2:DescribeSecurityGroups,
             ec2:DescribeIamInstanceProfileAssociations (all on *), iam:GetInstanceProfile
    operate, to isolate: ec2:ModifyNetworkInterfaceAttribute, ec2:DisassociateIamInstanceProfile
    operate, to restore: ec2:ModifyNetworkInterfaceAttribute, ec2:AssociateIamInstanceProfile,
             iam:PassRole on the role of the profile
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws_instance import ISOLATE, RESTORE_INSTANCE
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_instance_calls import Change
from remediation.executors.aws_instance_groups import parsed
from remediation.executors.aws_instance_look import look_at_instance
from remediation.executors.aws_instance_traces import traces
from remediation.executors.aws_policy_action import PolicyAction
from remediation.executors.base import Deadline, Outcome, Point, Settled, Snapshot
from remediation.executors.errors import NotApplied, VerifyFailed
from remediation.executors.targets import Targets

# What the groups let through that a restoring gives back.
RULES = "earlier_rules"
# DisassociateIamInstanceProfile works on "a running or stopped instance"; the two on the way there
# can be isolated, and EC2 then refuses what it cannot do yet.
WORKABLE = ("running", "stopped", "pending", "stopping")


class _Isolation(PolicyAction):
    """Set the groups of an instance's interfaces, and its profile."""

    @abstractmethod
    def _wanted(self, step: Step) -> Snapshot:
        """Return the groups beside isolation, and the profile, after the step."""

    def _look(self, step: Step, targets: Targets) -> Observation:
        return look_at_instance(step, targets)

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        fields = step.target.fields
        place = f"EC2 in region {fields['region']} of AWS account {fields['account']}"
        return (Point(place, self._without(step, observation)),)

    def _without(self, step: Step, observation: Observation) -> bool | None:
        """An isolation group that got a rule since isolates nothing; what ended does nothing."""
        if not observation.exists:
            return None
        if observation.shown["status"] == "terminated":
            return True
        state = observation.state
        cut = not state["security_groups"] and not state["profile"]
        return cut and not observation.shown["isolation_trouble"]

    def _why_not(self, step: Step, found: Observation) -> str:
        for name, wanted in self._wanted(step).items():
            if found.state[name] != wanted:
                return f"{name}: {_said(found.state[name])}"
        return ""

    def settled(self, observation: Observation) -> Settled | None:
        """A part of it looks like neither: what was done, `settled_from` compares."""
        found = super().settled(observation)
        return found if found is Settled.APPLIED else None

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        if not observation.exists:
            return None
        pinned = {name: before.get(name) for name in observation.state}
        if observation.state == self.after(pinned, step.parameters):
            # Also the rules of the isolation group count, as in `verify`.
            return None if self._why_not(step, observation) else Settled.APPLIED
        return Settled.NOT_APPLIED if observation.state == pinned else None

    def snapshot(self, observation: Observation) -> Snapshot:
        """Undoing an isolation gives the groups back, so their rules are kept, though not pinned:
        who may change them would else hold the isolation off."""
        return {**observation.state, RULES: observation.shown[RULES]}

    @abstractmethod
    def _refuse(self, step: Step, found: Observation) -> None:
        """Raise NotApplied if this action in particular must not be tried."""

    @abstractmethod
    def _refuse_back(self, step: Step, found: Observation, profile: Json) -> None:
        """Raise NotApplied if its undoing, which leads to this profile, must not be tried."""

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        self._refuse_unworkable(step, observation)
        self._refuse(step, observation)

    def _refuse_unworkable(self, step: Step, observation: Observation) -> None:
        shown, state = observation.shown, observation.state
        if shown["status"] not in WORKABLE:
            raise NotApplied(f"the instance is {shown['status']}")
        if shown["managed_interfaces"]:
            raise NotApplied(
                f"another service of AWS manages an interface: {_said(shown['managed_interfaces'])}"
            )
        if not state["isolation_group"]:
            raise NotApplied(str(shown["isolation_trouble"]))
        self._refuse_unnamed(step, state)

    def _refuse_unnamed(self, step: Step, state: Mapping[str, Json]) -> None:
        """Refuse a plan that does not name exactly what the instance has, or had."""
        earlier, held = step.parameters["earlier_groups"], state["security_groups"]
        assert isinstance(earlier, list) and isinstance(held, list)
        assert isinstance(state["interfaces"], list)
        named = parsed(earlier)
        if earlier != sorted(map(str, earlier)) or len(named) != len(earlier):
            raise NotApplied("earlier_groups must be sorted and name each interface once")
        for interface, groups in named.items():
            if groups != sorted({*groups}) or groups == [state["isolation_group"]]:
                raise NotApplied(f"earlier_groups of {interface} are not sorted, or isolate it")
        if not {*named} <= {*map(str, state["interfaces"])}:
            raise NotApplied("earlier_groups names an interface that the instance does not have")
        if not {*map(str, held)} <= {*map(str, earlier)}:
            raise NotApplied(
                f"the groups are {_said(held)}, and the plan takes {_said(earlier)} for the"
                " earlier ones"
            )
        if state["profile"] not in ("", step.parameters["earlier_profile"]):
            raise NotApplied(f"the instance profile is {state['profile']}, not the plan's")

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        found = self._look_before(clearance, step, targets)
        self._refuse_changed(found)
        return Change(clearance, step, targets, found, deadline).bring(self._wanted(step))

    def _refuse_changed(self, found: Observation) -> None:
        """Refuse other interfaces, another isolation group or another role than people saw."""
        for name in ("interfaces", "isolation_group", "profile_role"):
            known = (self.expected or {}).get(name)
            if known is not None and known != found.state[name]:
                raise NotApplied(f"the instance was changed since people decided ({name})")

    def _other_rules(self, found: Observation) -> str:
        """Return that the groups of before let something else through by now; "" if not."""
        known = (self.expected or {}).get(RULES)
        other = known is not None and known != found.shown[RULES]
        return "the rules of the earlier groups were changed since people decided" if other else ""

    def _undo(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        found: Observation,
        deadline: Deadline,
    ) -> Outcome:
        if not found.exists:
            raise NotApplied(f"{step.target.locator} does not exist")
        self.expected = snapshot
        self._refuse_changed(found)
        self._refuse_unworkable(step, found)
        self._refuse_back(step, found, snapshot["profile"])
        wanted = {name: snapshot[name] for name in ("security_groups", "profile")}
        made = Change(clearance, step, targets, found, deadline).bring(wanted)
        if wanted["security_groups"] and (why := self._other_rules(self._look(step, targets))):
            raise VerifyFailed(why)
        return made


class IsolateInstance(_Isolation):
    """Leave each interface only the isolation group, and take the profile off."""

    spec = ISOLATE

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        return traces(step, targets)

    def _refuse(self, step: Step, found: Observation) -> None:
        _refuse_trouble(found)
        # People were promised that it can be undone, with the groups that the plan names.
        _refuse_missing(found)

    def _refuse_back(self, step: Step, found: Observation, profile: Json) -> None:
        _refuse_unrestorable(found, profile)
        _refuse_why(self._other_rules(found))

    def _why_not(self, step: Step, found: Observation) -> str:
        return super()._why_not(step, found) or str(found.shown["isolation_trouble"])

    def _wanted(self, step: Step) -> Snapshot:
        return {"security_groups": [], "profile": ""}


class RestoreInstance(_Isolation):
    """Give the interfaces the groups that the plan names, and the instance its profile."""

    spec = RESTORE_INSTANCE

    def _refuse(self, step: Step, found: Observation) -> None:
        _refuse_unrestorable(found, step.parameters["earlier_profile"])
        _refuse_why(self._other_rules(found))

    def _why_not(self, step: Step, found: Observation) -> str:
        return super()._why_not(step, found) or self._other_rules(found)

    def _refuse_back(self, step: Step, found: Observation, profile: Json) -> None:
        _refuse_trouble(found)

    def _wanted(self, step: Step) -> Snapshot:
        names = {"security_groups": "earlier_groups", "profile": "earlier_profile"}
        return {name: step.parameters[parameter] for name, parameter in names.items()}


def _refuse_trouble(found: Observation) -> None:
    _refuse_why(str(found.shown["isolation_trouble"]))


def _refuse_why(why: str) -> None:
    if why:
        raise NotApplied(why)


def _refuse_missing(found: Observation) -> None:
    missing = found.shown["missing_groups"]
    if missing:
        raise NotApplied(f"the instance's network has no such groups: {_said(missing)}")


def _refuse_unrestorable(found: Observation, profile: Json) -> None:
    _refuse_missing(found)
    if profile and not found.state["profile"] and not found.state["profile_role"]:
        raise NotApplied("the earlier instance profile is not there any more, or has no role")


def _said(value: Json) -> str:
    if isinstance(value, list):
        return "; ".join(str(each) for each in value) or "none"
    return str(value) or "none"
