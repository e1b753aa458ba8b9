"""Give a trail of CloudTrail the event selectors that it had, which somebody changed.

One call, PutEventSelectors, which replaces all selectors. The plan names each of them as a text:
its JSON with sorted keys, no blanks and no empty lists, as the portal shows them on its pages.
The trail is read again just before, and nothing is called if anything but its selectors differs
from what people decided on. A crash leaves the old selectors or the new ones; the next look reads
which. There is no way back: the portal never switches evidence off.

The only rights that the two logins need for it:
    observe: those of aws_trail.py
    operate: cloudtrail:PutEventSelectors
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws_selectors import RESTORE_SELECTORS
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_client import changing, operating_client
from remediation.executors.aws_lost_events import lost, lost_half
from remediation.executors.aws_trail import OfTrail, written
from remediation.executors.base import Deadline, Outcome
from remediation.executors.errors import NotApplied
from remediation.executors.targets import Targets

ADVANCED, BASIC = "AdvancedEventSelectors", "EventSelectors"


class RestoreSelectors(OfTrail):
    """Replace a trail's selectors by those that the plan names."""

    spec = RESTORE_SELECTORS
    changes = "selectors"

    def _look(self, step: Step, targets: Targets) -> Observation:
        """Add what the named selectors would no longer record: it depends on the plan."""
        found = super()._look(step, targets)
        if not found.exists or not step.parameters:
            return found
        try:
            gone: Json = lost(_read(found.state["selectors"]), _read(_named(step)))
        except NotApplied:
            gone = None  # `precheck` says why
        return replace(found, shown={**found.shown, "lost_events": gone})

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        wanted, held = _read(_named(step)), _read(observation.state["selectors"])
        form = _form(wanted)
        if held and form != _form(held):
            raise NotApplied(f"the trail has no {form}: people change the form of its selectors")
        if half := lost_half(held, wanted):
            raise NotApplied(
                f"the named selectors would record no management events any more: {half}"
            )
        if lost(held, wanted) and not lost(wanted, held):
            raise NotApplied("the named selectors would record only less than now: people do that")

    def _why_not(self, step: Step, found: Observation) -> str:
        wanted = found.state["selectors"] == _named(step)
        if not wanted:
            return "the trail has other selectors than the plan names"
        return self._changed_meanwhile(found)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        found = self._look_before(clearance, step, targets)
        self._refuse_changed(found)
        wanted = _named(step)
        self._refuse_more_lost(step, found)
        if found.state["selectors"] == wanted:
            return Outcome({"selectors": wanted, "changed": False})
        arn, selectors = str(found.state["trail_arn"]), _read(wanted)
        client = operating_client(
            clearance, step, targets, "cloudtrail:PutEventSelectors", deadline,
            service="cloudtrail", region=step.target.fields["region"], resources=(arn,),
        )  # fmt: skip
        with changing():
            client.put_event_selectors(**{"TrailName": arn, _form(selectors): selectors})
        return Outcome({"selectors": wanted})

    def _refuse_more_lost(self, step: Step, found: Observation) -> None:
        """Refuse if the trail records something by now that would go, and that nobody was shown."""
        if self.expected is None:
            return
        wanted = _read(_named(step))
        shown = lost(_read(self.expected["selectors"]), wanted)
        more = [one for one in lost(_read(found.state["selectors"]), wanted) if one not in shown]
        if more:
            raise NotApplied(
                f"the trail records more than when people decided: {'; '.join(map(str, more))}"
            )


def _named(step: Step) -> list[Json]:
    named = step.parameters["earlier_selectors"]
    assert isinstance(named, list)
    return named


def _read(texts: Json) -> list[dict[str, Any]]:
    """Return selectors from their texts. Raises NotApplied unless they are in the portal's form."""
    assert isinstance(texts, list)
    try:
        found = [json.loads(str(each)) for each in texts]
        whole = all(isinstance(each, dict) for each in found)
        same = whole and sorted(map(written, found)) == texts
    except (ValueError, RecursionError):
        same = False
    if not same:
        raise NotApplied(
            "a selector is not written as the portal shows it: sorted, without blanks, and without"
            " empty lists"
        )
    return found


def _form(selectors: list[dict[str, Any]]) -> str:
    """Return which one of the two forms the selectors have. Raises NotApplied for a mixture."""
    forms = {ADVANCED if "FieldSelectors" in each else BASIC for each in selectors}
    if len(forms) != 1:
        raise NotApplied("the selectors are of two forms, and CloudTrail takes one")
    return forms.pop()
