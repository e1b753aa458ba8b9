"""Where an action at GitHub is made, and how long it looks until it is so."""

from __future__ import annotations

from remediation.domain.plan import Step
from remediation.executors.api_steps import ApiStep, Waits
from remediation.executors.github_calls import LOOK_SECONDS
from remediation.executors.github_server import Organisation, organisation
from remediation.executors.targets import Targets


class GithubStep(ApiStep[Organisation]):
    """One change at GitHub, by one call."""

    # Each look signs in anew; GitHub's second limit counts calls in a short time.
    waits = Waits(verify=10.0, look=LOOK_SECONDS)

    def _at(self, step: Step, targets: Targets) -> Organisation:
        return organisation(targets, step.target.fields["org"])
