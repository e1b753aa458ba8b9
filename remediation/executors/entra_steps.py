"""Where an action at Entra is made, and how long it looks until it is so."""

from __future__ import annotations

from remediation.domain.plan import Step
from remediation.executors.api_steps import ApiStep, Waits
from remediation.executors.entra_calls import LOOK_SECONDS
from remediation.executors.entra_server import Tenant, tenant
from remediation.executors.targets import Targets


class EntraStep(ApiStep[Tenant]):
    """One change at Entra, by one call."""

    # Each look signs in anew; an older copy of the directory may answer for a while.
    waits = Waits(verify=20.0, look=LOOK_SECONDS)
    has_old_copies = True

    def _at(self, step: Step, targets: Targets) -> Tenant:
        return tenant(targets, step.target.fields["tenant"])
