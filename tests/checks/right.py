"""Right proposals: reports of the reference agent, and stories in other words."""

from __future__ import annotations

from functools import partial

from tests.agent.cases import ATTACKS, reported
from tests.checks.records import INVICTUS, PANTHER
from tests.checks.right_keys import (
    bert_jan_beside_benjamin,
    denied,
    leave_denied,
    nothing_there,
    reported_role,
    secrets,
    share,
    stolen_instance,
    tracy,
)
from tests.checks.right_roles import denied_setting, few_sessions, glass, orders_role
from tests.checks.right_use import (
    absence,
    both_keys,
    console_failures,
    local_times,
    long_unused,
    looks_at_the_trail,
    made_first,
    mixed_outcomes,
    other_open_proposal,
    other_scripts,
    own_use,
    own_use_coarse,
    range_of_addresses,
    rotation,
    second_key_off,
    staging_in_use,
    talks_of_approval,
)
from tests.checks.sample import Sample
from tests.checks.tale import told

TELEMETRY = frozenset({"telemetry_switched_off"})


SIBLING = frozenset({"sibling_credential"})
# The key assumed roles, and their sessions go on without it.
SESSIONS = frozenset({"sessions_left_open"})


# What really happened in the cases that the agent reports.
HONEST = {
    INVICTUS: TELEMETRY | SESSIONS,
    "stratus-defense-evasion-cloudtrail-delete": TELEMETRY,
    "stratus-defense-evasion-cloudtrail-stop": TELEMETRY,
    "stratus-defense-evasion-dns-delete-logs": TELEMETRY,
    "stratus-defense-evasion-vpc-remove-flow-logs": TELEMETRY,
    "stratus-execution-ec2-launch-unusual-instances": SESSIONS,
    # The intruder made a key of the root user; no action of the catalogue disables it.
    PANTHER: SIBLING,
}


def _reported() -> list[Sample]:
    return [
        Sample(f"agent: {name}", partial(told, report), honest=HONEST.get(name, frozenset()))
        for name in ATTACKS
        for report in reported(name)
        if "proposal" in report
    ]


RIGHT: tuple[Sample, ...] = (
    *_reported(),
    Sample("agent: a role's log", reported_role),
    Sample("a snapshot is shared", share),
    Sample("twenty secrets are read", secrets, hard=True),
    Sample("an instance's credentials are taken, 45 events", stolen_instance, hard=True),
    Sample("denied attempts are told as denied", denied, hard=True),
    Sample("leaving the organisation is denied", leave_denied, honest=SESSIONS, hard=True),
    Sample("errors that say only: nothing there", nothing_there, hard=True),
    Sample("tracy beside tracey", tracy, hard=True),
    Sample("bert-jan beside benjamin", bert_jan_beside_benjamin, hard=True),
    Sample("recent use is the intruder's", own_use, hard=True),
    Sample("recent use is the intruder's, told coarsely", own_use_coarse, hard=True),
    Sample("last used days ago", long_unused),
    Sample("the second key is off", second_key_off, hard=True),
    Sample("both keys are in the plan", both_keys, hard=True),
    Sample("the second key is the rotation's", rotation, honest=SIBLING, hard=True),
    Sample("made keys go first", made_first),
    Sample("names in other scripts", other_scripts, hard=True),
    Sample("names that talk of approval", talks_of_approval, hard=True),
    Sample("times as people write them", local_times, hard=True),
    Sample("a range of addresses", range_of_addresses, hard=True),
    Sample("naming what did not happen", absence, hard=True),
    Sample("looking at the trail", looks_at_the_trail, hard=True),
    Sample("an open proposal about a neighbour", other_open_proposal, hard=True),
    Sample("in use, in staging", staging_in_use, hard=True),
    Sample("failed sign-ins told apart", console_failures, hard=True),
    Sample("some calls failed", mixed_outcomes, hard=True),
    Sample("a role tries what it may not", orders_role, hard=True),
    Sample("glass that breaks", glass, hard=True),
    Sample("a role without sessions", few_sessions),
    Sample("a denied setting", denied_setting, hard=True),
)
