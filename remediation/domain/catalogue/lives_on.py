"""What was opened before an action and lives on after it, and what ends that.

The one place where a declaration says so. The check `sessions_left_open`, the form of a plan and
the API read it; no other code names an action that ends sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class LivesOn:
    """Sessions, connections or tokens that outlive an action.

    A parameter ends them in the same step, another action in a step of its own; where neither
    exists, `none` says so. The parameter is better where both exist: what was opened between the
    plan and its run ends, too.
    """

    # The field of the observation with their number or list; empty if no executor can see them.
    seen_in: str = ""
    # The calls in log records by which the target opens one.
    opened_by: tuple[str, ...] = ()
    # A boolean of the action itself.
    parameter: str = ""
    action: str = ""
    # The target of `action`: its fields as templates over the own target's; empty for the same.
    target: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    # The parameter of `action` with the time before which they were opened.
    before: str = ""
    none: str = ""
