"""Create a second access key of a user, deliver it to a store, and take back one that is unused.

AWS makes the secret and tells it once. So the key is staged in the store at once, tried, and then
promoted (delivery.py). A call that creates a key is never repeated: what it did is read from the
user's list. A user with two keys gets no third one, and none is freed for it, however old it is.

The new key is tried with STS GetCallerIdentity, which needs no right. AWS may refuse a key for some
minutes after it was made, so until then a refusal says nothing. The try is itself a use of the key:
aws_last_used.py does not count it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from remediation.domain.catalogue.aws_rotation import CREATE_KEY, SLOTS
from remediation.domain.conditions import Sighting
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.domain.store_place import is_version_name, version_name
from remediation.executors import aws_last_used
from remediation.executors.aws_account import account
from remediation.executors.aws_iam import delete_key
from remediation.executors.aws_key_calls import KeyCalls
from remediation.executors.aws_user_keys import (
    UserKeys,
    active_keys,
    all_keys,
    describe_slots,
    look_at_user,
    refuse_other_owner,
    refuse_used,
)
from remediation.executors.base import Deadline, Outcome, Question, Snapshot
from remediation.executors.delivery import (
    Rotation,
    open_place,
    rotate_into,
    settle_staged,
    take_back,
)
from remediation.executors.errors import (
    NotApplied,
    PartlyApplied,
    RollbackFailed,
    StepFailed,
    VerifyFailed,
)
from remediation.executors.targets import Targets

PAUSE_SECONDS = 0.5  # between two looks while a change spreads
VERIFY_SECONDS = 5.0
# How long one call tries a new key that AWS refuses; later looks try again.
PATIENCE_SECONDS = 15.0


class CreateKey(UserKeys):
    """Make a key beside the one that it follows."""

    spec = CREATE_KEY

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        refuse_other_owner(observation)
        held, known = all_keys(observation.state), _known(step)
        slots = describe_slots(observation)
        unknown = sorted(held - known)
        if len(held) >= SLOTS:
            raise NotApplied(
                f"the user has {len(held)} keys, and AWS takes no more: {slots}. None is freed for"
                " its age: find out whose each is, and propose to delete an Inactive one by itself"
            )
        if unknown:
            raise NotApplied(
                f"the plan does not know key {', '.join(unknown)}, which may be an intruder's:"
                f" {slots}"
            )
        staged = observation.shown.get("staged")
        if isinstance(staged, dict):
            raise NotApplied(
                f"a version is staged at {step.parameters['store']}, by"
                f" {staged['made_by'] or 'somebody else'}: a person promotes or discards it first"
            )
        if known - held:
            raise NotApplied(f"key {', '.join(known - held)} is not the user's; there is: {slots}")

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        account(targets, step.target.fields["account"]).operate(clearance)
        place = open_place(clearance, step, targets, deadline)
        made: list[str] = []
        try:
            delivered = rotate_into(place, self._rotation(clearance, step, targets, deadline, made))
        except StepFailed as error:
            if not made:
                raise
            # The call that made the key was answered, so the outcome is known, and not undone.
            raise PartlyApplied(
                f"key {made[0]} was made, and consumers do not read it yet: {error.detail}",
                made={"access_key_id": made[0], "version": place.version},
            ) from None
        key_id = made[0] if made else self._delivered_before(step, targets)
        return Outcome(
            {**delivered.detail, "access_key_id": key_id},
            made={**delivered.made, "access_key_id": key_id},
        )

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Try the staged key again, and promote it once AWS takes it; makes no key."""
        place = open_place(clearance, step, targets, deadline)
        return settle_staged(place, self._rotation(clearance, step, targets, deadline, []))

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        version = version_name(clearance.proposal_id, step.index)
        give_up = Deadline.within(min(VERIFY_SECONDS, deadline.left))
        while True:
            try:
                found = look_at_user(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            new = sorted(all_keys(found.state) - _known(step))
            if len(new) > 1:
                raise VerifyFailed(f"there are keys that the plan did not make: {', '.join(new)}")
            if found.state.get("stored") == version and new and new[0] in active_keys(found):
                made = {"access_key_id": new[0], "version": version}
                return Outcome(self.seen(found), found, made)
            if give_up.passed:
                raise VerifyFailed(
                    "the new key is not listed as Active, or is not what consumers read:"
                    f" {describe_slots(found)}"
                )
            time.sleep(PAUSE_SECONDS)

    def found_made(self, observation: Observation, before: Snapshot) -> Mapping[str, str] | None:
        new = all_keys(observation.state) - all_keys(before)
        version = str(observation.state["stored"])
        if version == before["stored"]:
            version = _staged(observation)
        if len(new) != 1 or not is_version_name(version):
            return None  # also when the key was made and its secret is in no store
        return {"access_key_id": min(new), "version": version}

    def left_open(self, step: Step, observation: Observation) -> tuple[str, ...]:
        """Return a key that is made and staged: consumers read it once AWS is seen to take it."""
        if not observation.exists:
            return ()
        new = sorted(all_keys(observation.state) - _known(step))
        if not new or not is_version_name(_staged(observation)):
            return ()
        return (f"key {', '.join(new)} was made, and consumers do not read it yet",)

    def look_for(self, question: Question, step: Step, targets: Targets) -> Sighting:
        return aws_last_used.look_for(question, step, targets)

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        """Let consumers read the earlier version again, then delete the key that was made."""
        try:
            account(targets, step.target.fields["account"]).operate(clearance)
            found = self.look(step, targets)
            new = sorted(all_keys(found.state) - all_keys(snapshot))
            if not new:
                return Outcome({**snapshot, "changed": False})
            if len(new) > 1:
                raise NotApplied(f"it is not known which key this run made: {', '.join(new)}")
            refuse_used(found, new[0])
            detail = take_back(open_place(clearance, step, targets, deadline)).detail
            delete_key(clearance, step, targets, new[0], deadline)
        except StepFailed as error:
            raise RollbackFailed(str(error)) from error
        return Outcome({**detail, "deleted": new[0]})

    def _delivered_before(self, step: Step, targets: Targets) -> str:
        """Return the key of an earlier call. Raises PartlyApplied if that is not known."""
        new = sorted(all_keys(self.look(step, targets).state) - _known(step))
        if len(new) != 1:
            raise PartlyApplied(f"it is not known which key was delivered: {', '.join(new)}")
        return new[0]

    def _rotation(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        deadline: Deadline,
        made: list[str],
    ) -> Rotation:
        call = KeyCalls(clearance, step, targets, deadline, made)

        def lost() -> str:
            self.precheck(step, self.look(step, targets))
            return ""

        return Rotation(
            make=call.make,
            set_at_target=lambda _: None,  # AWS made it
            proves=call.proves,
            lost=lost,
            unmake=call.unmake,
            patience_s=PATIENCE_SECONDS,
        )


def _staged(observation: Observation) -> str:
    staged = observation.shown.get("staged")
    return str(staged["version"]) if isinstance(staged, dict) else ""


def _known(step: Step) -> frozenset[str]:
    """Return the keys that the plan knows beside the one that it makes."""
    replaces = step.parameters.get("replaces")
    return frozenset({str(replaces)} if replaces else ())
