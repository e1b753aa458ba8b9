"""The seven numbered steps of the gate. Each takes the case and raises a refusal if it fails.

`bodies` holds 1 digests and 2 ruling, `people` 3 signatures and 4 quorum and separation of duties,
`present` 5 freshness and 6 drift, `log` 7 audit inclusion. `gate.STEPS` has their order.
"""

from remediation.domain.gate.steps.bodies import (
    digests,
    ruling,
    ruling_has_slots,
    what_was_signed,
)
from remediation.domain.gate.steps.log import inclusion
from remediation.domain.gate.steps.narrowings import narrower, narrowing_signatures
from remediation.domain.gate.steps.people import (
    counted,
    quorum_and_separation,
    signature,
    signatures,
)
from remediation.domain.gate.steps.present import MAX_SKEW, clocks, drift, end, freshness

__all__ = [
    "MAX_SKEW",
    "clocks",
    "counted",
    "digests",
    "drift",
    "end",
    "freshness",
    "inclusion",
    "narrower",
    "narrowing_signatures",
    "quorum_and_separation",
    "ruling",
    "ruling_has_slots",
    "signature",
    "signatures",
    "what_was_signed",
]
