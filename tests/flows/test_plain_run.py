"""A plain run of one step costs what it cost before runs could wait: a query more would show here.

The time is measured by the benchmark (tests/benchmarks); the statements are counted here, since
their number does not depend on the machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db import connection

from tests.flows.world import World

# Not the tests' own: savepoints stand for the transactions of a process, and roles for its login.
NOT_COUNTED = re.compile(r"SET ROLE|RESET ROLE|SAVEPOINT|RELEASE SAVEPOINT")
# From the approval that completes the quorum to the effect, and its end on record.
APPROVAL, RUN = 63, 55


def statements(call: Callable[[], Any]) -> list[str]:
    """Return the statements that a call sends to the database."""
    found: list[str] = []

    def note(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        found.append(" ".join(str(sql).split())[:300])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        call()
    return [one for one in found if not NOT_COUNTED.match(one)]


def test_a_plain_step_takes_no_statement_more_than_before_runs_could_wait(world: World) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    approval = statements(lambda: world.decide("bob", proposal_id))
    world.integrate()
    world.sequencing = False  # the sequencer is another process
    run = statements(lambda: world.execute(proposal_id))
    assert world.state_of(proposal_id) == "succeeded"
    waits = [one for one in run if re.search("remediation_wait|waited_v1|wait_deadline", one)]
    assert waits == []
    assert len(approval) <= APPROVAL, "\n".join(approval)
    assert len(run) <= RUN, "\n".join(run)
