"""Deliver a new credential: staged in a store, set at the target, proved, then promoted.

The order makes every crash repairable. The recorded `intended` of the step comes first. The value
is staged before the target is touched, so that it is never lost. A call that comes again takes the
staged value, tries it at the target first and believes the target.

    staged   in force at the target   then
    no       -                        nothing was done: make, stage, set, prove, promote
    ours     no                       crashed before the target was changed: set, prove, promote
    ours     yes                      crashed after it: promote
    other    -                        stop: a person adopts or discards it
    no, and ours is promoted          done before: prove it and say so
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Step, Target
from remediation.domain.store_place import StorePlace, version_name
from remediation.executors.base import Deadline, Outcome
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, OutcomeUnknown, PartlyApplied, StepFailed
from remediation.executors.secret import SecretValue, closed
from remediation.executors.stores.store import (
    Held,
    OpenPlace,
    Staged,
    StagedByOther,
    Store,
    StoreUnavailable,
    StoreUnknown,
)
from remediation.executors.targets import Targets

# A target refuses a value by its policy: so many values are tried.
MOST_VALUES = 3
PAUSE_SECONDS = 0.5


class ValueRefused(NotApplied):
    """The target refused this value by its policy; another value may be taken. Nothing changed."""


@dataclass(frozen=True)
class Rotation:
    """The target's part of a delivery. No function may return or raise a text with a value.

    `make`: a new credential; a local computation, or the call that lets the target make one.
    `set_at_target`: make the target accept it; nothing to do if the target made it. Raises
        ValueRefused, NotApplied (both: definitely not changed) or OutcomeUnknown.
    `proves`: whether the credential is in force at every place that verifies it; None if that
        cannot be told now. It changes nothing.
    `why`: what keeps `proves` from answering yes, in words, as far as it is known.
    `lost`: what an earlier call of `make` may have left at the target, in words; "" for nothing.
        For targets that make the value: the call is not repeated while something is there.
    `unmake`: take away what `make` made, if the store cannot take the value.
    `patience_s`: how long a new credential may be refused before it counts as refused.
    """

    make: Callable[[], SecretValue]
    set_at_target: Callable[[SecretValue], None]
    proves: Callable[[SecretValue], bool | None]
    why: Callable[[], str] = field(default=lambda: "")
    lost: Callable[[], str] = field(default=lambda: "")
    unmake: Callable[[SecretValue], None] | None = None
    patience_s: float = 0.0


def find_store(targets: Targets, target: Target, place: object) -> tuple[Store, str]:
    """Return the store and the path of a place that this target may use. Raises NotApplied."""
    try:
        at = StorePlace.parse(place)
    except ValueError as error:
        raise NotApplied(str(error)) from None
    store = targets.stores.get(at.store)
    if store is None:
        raise NotApplied(f"this worker has no store {at.store}")
    if not store.allows(target, at.path):
        raise NotApplied(f"store {at.store} takes nothing of {target.locator} at {at.path}")
    return store, at.path


def look_in_store(targets: Targets, target: Target, place: object) -> Held:
    """Return what a place holds, without values. Raises TargetUnobservable."""
    try:
        store, path = find_store(targets, target, place)
    except NotApplied as error:
        raise TargetUnobservable(error.detail) from None
    return store.look(path)


def open_place(clearance: Clearance, step: Step, targets: Targets, deadline: Deadline) -> OpenPlace:
    """Return the place that the step delivers to, with the name of the version that it makes.

    Raises ClearanceRefused, and NotApplied if the target may not use the place.
    """
    refuse_without_clearance(clearance)
    store, path = find_store(targets, step.target, step.parameters[step.spec.delivers])
    staged = Staged(version_name(clearance.proposal_id, step.index), clearance.proposal_id)
    return OpenPlace(store, path, staged, clearance, deadline)


def rotate_into(place: OpenPlace, rotation: Rotation) -> Outcome:
    """Make a credential, deliver it, and promote it once the target is seen to take it.

    Safe to call again after any crash. `made` has the version's name. Raises NotApplied (the
    target is unchanged and nothing of ours is staged, unless the words say so), PartlyApplied or
    OutcomeUnknown (the value stays staged for the next call).
    """
    return closed(lambda: _Delivery(place, rotation).run(), OutcomeUnknown)


def settle_staged(place: OpenPlace, rotation: Rotation) -> Outcome:
    """Finish a delivery that crashed, without making or setting anything.

    A staged value that is in force is promoted. One that is not is discarded: NotApplied.
    """
    return closed(lambda: _Delivery(place, rotation).settle(), OutcomeUnknown)


def take_back(place: OpenPlace) -> Outcome:
    """Let plain reads return the version before this step's again, and discard this step's.

    For undoing: call it before the credential is taken away at the target. Raises StepFailed.
    """
    return closed(lambda: _taken_back(place), OutcomeUnknown)


def _taken_back(place: OpenPlace) -> Outcome:
    held = _look(place)
    if held.promoted == place.version:
        if not held.previous:
            raise NotApplied(f"{place}: there is no version before {place.version}")
        place.store.promote(place.clearance, place.path, held.previous, place.deadline)
    elif held.staged not in (None, place.staged):
        raise _staged_by_other(place, held.staged)
    place.discard()
    return Outcome({"store": str(place), "discarded": place.version})


def _look(place: OpenPlace) -> Held:
    try:
        return place.look()
    except TargetUnobservable as error:
        raise StoreUnavailable(error.detail) from None


def _staged_by_other(place: OpenPlace, found: Staged) -> StagedByOther:
    return StagedByOther(
        f"{place}: version {found.version or '(without a name)'} is staged, made by"
        f" {found.made_by or 'somebody else'}; a person promotes or discards it first"
    )


class _Delivery:
    """One call of `rotate_into` or `settle_staged`."""

    def __init__(self, place: OpenPlace, rotation: Rotation) -> None:
        self._place, self._rotation = place, rotation
        self._values = 0

    def run(self) -> Outcome:
        if _look(self._place).promoted == self._place.version:
            return self._done_before()
        value = self._ours()
        if value is None:
            value = self._new_value()
        elif self._in_force(value):
            return self._promote()
        return self._set_and_promote(value)

    def settle(self) -> Outcome:
        if _look(self._place).promoted == self._place.version:
            return self._done_before()
        value = self._ours()
        if value is None:
            raise NotApplied(f"{self._place}: nothing of this step is staged")
        if self._in_force(value):
            return self._promote()
        self._place.discard()
        raise NotApplied(f"{self._place}: the target does not take the staged value; discarded")

    def _ours(self) -> SecretValue | None:
        """Return the value that an earlier call staged; None if there is none."""
        found = self._place.read_staged()
        if found is None:
            return None
        staged, value = found
        if staged != self._place.staged:
            raise _staged_by_other(self._place, staged)
        if value.is_empty:  # claimed and not written: nothing can have been set
            self._place.discard()
            return None
        return value

    def _in_force(self, value: SecretValue) -> bool:
        answer = self._rotation.proves(value)
        if answer is None:
            raise self._cannot_tell()
        return answer

    def _cannot_tell(self) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"{self._place}: cannot tell whether the target takes the value{self._why()}"
        )

    def _why(self) -> str:
        why = self._rotation.why()
        return f": {why}" if why else ""

    def _done_before(self) -> Outcome:
        self._place.promote()  # what a crash may have left of it
        value = self._place.read()
        if value is None or not self._in_force(value):
            raise PartlyApplied(
                f"{self._place}: promoted, and the target does not take it{self._why()}"
            )
        return self._outcome()

    def _new_value(self) -> SecretValue:
        """Make a value and stage it."""
        left = self._rotation.lost()
        if left:
            raise PartlyApplied(f"{self._place}: made before, and its value is lost: {left}")
        self._values += 1
        value = self._rotation.make()
        try:
            self._stage(value)
        except StepFailed:
            if self._rotation.unmake is not None:
                self._rotation.unmake(value)
            raise
        return value

    def _stage(self, value: SecretValue) -> None:
        try:
            self._place.stage(value)
        except StoreUnknown:
            found = self._place.read_staged()
            if found is None:
                raise StoreUnavailable(f"{self._place}: the store did not take the value") from None
            if found[0] != self._place.staged or not found[1].has(value):
                raise _staged_by_other(self._place, found[0]) from None

    def _set_and_promote(self, value: SecretValue) -> Outcome:
        try:
            self._set(value)
        except ValueRefused as refusal:
            self._place.discard()
            if self._values >= MOST_VALUES:
                raise NotApplied(
                    f"the target refused {self._values} values by its policy: {refusal.detail}"
                ) from None
            return self._set_and_promote(self._new_value())
        except NotApplied:
            self._place.discard()
            raise
        return self._promote()

    def _set(self, value: SecretValue) -> None:
        """Set the value and see that it is in force. An answer that is lost is read, not asked."""
        lost: OutcomeUnknown | None = None
        try:
            self._rotation.set_at_target(value)
        except OutcomeUnknown as error:
            lost = error
        if not self._proved(value):
            raise lost or PartlyApplied(
                f"{self._place}: set at the target and not in force at each place; not promoted"
                f"{self._why()}"
            )

    def _proved(self, value: SecretValue) -> bool:
        """Return whether the value is in force; False if it is still refused after the patience."""
        patience = min(self._rotation.patience_s, self._place.deadline.left)
        give_up = Deadline.within(patience)
        while True:
            answer = self._rotation.proves(value)
            if answer:
                return True
            if give_up.passed:
                break
            time.sleep(PAUSE_SECONDS)
        if answer is None:
            raise self._cannot_tell()
        return False

    def _promote(self) -> Outcome:
        try:
            self._place.promote()
        except (StoreUnavailable, StoreUnknown) as error:
            if self._promoted():
                return self._outcome()
            raise PartlyApplied(
                f"{self._place}: set at the target, and consumers still read the old one:"
                f" {error.detail}"
            ) from None
        return self._outcome()

    def _promoted(self) -> bool:
        try:
            return self._place.look().promoted == self._place.version
        except TargetUnobservable:
            return False

    def _outcome(self) -> Outcome:
        detail: dict[str, Json] = {
            "store": str(self._place),
            "version": self._place.version,
            "simulated_store": self._place.store.simulated,
        }
        return Outcome(detail, made={"version": self._place.version})
