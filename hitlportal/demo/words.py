"""The texts that the demo prints for the visitor."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from hitlportal.demo.play.record import Place
from hitlportal.demo.stack import Stack
from hitlportal.demo.story import (
    CLUSTER,
    PEOPLE,
    ROTATED,
    TOKEN_TITLE,
    WIKI_TITLE,
    WORKLOAD_TITLE,
    Consumer,
)

# What people asked for, the incident that plays it, and its checks (docs/demo.md).
USES = (
    (
        "a service account behaves strangely: its credential is rotated after people confirmed the"
        " impacted systems",
        f"Role {ROTATED} on PostgreSQL cluster {CLUSTER}",
        "6",
    ),
    (
        "a suspicious API token is disabled after its business criticality was checked",
        TOKEN_TITLE,
        "23",
    ),
    ("a secret leaked: is it still active?", WIKI_TITLE, "17, 20"),
    (
        "a workload identity is isolated after people saw whether that cuts the payment path or a"
        " partner",
        WORKLOAD_TITLE,
        "24",
    ),
)

WELCOME = """
hitlportal runs at {origin}

{codes}
{queue}
  1  Enrol alice and bob with their codes, each in a separate browser profile (or sign out in
     between). The demo then adds their keys to the approvers file. In production an operator
     does that after comparing the fingerprint with the person.
  2  Sign in as alice and open the first proposal of the queue: somebody has the password of the
     service account {rotated}, which three programs use. Read the plan, confirm the systems that
     it reaches, approve with the passkey. Nothing runs yet: bob must approve, too.
  3  Sign in as bob and approve. The worker verifies everything again, gives the role a new
     password, and puts it where the programs read it. The run waits until each was seen on it.
     One of them reloads only on request: this terminal shows which, and the command.
  4  Look at "what changed" in the proposal that frank corrected, at the passwords in the build
     log (masked; alice may reveal them), and at the failed checks of another one. Decide.
  5  An API token and a workload of a (simulated) cluster are misused. See on the pages who depends
     on them, whether that is the payment path or a partner, and decide.
  6  One incident has no plan. On its page the worker tells whether the leaked secret is still
     active. Sign in as lena and make a plan; alice and bob decide on it.
     Each page says on top who you are and what you can try.

  The target's own log   {target_log}
  The simulator's log    {cloud_log}
  Logs of processes      {logs}
  Mail                   {mail}
  The worker's files     {worker}

Ctrl-C stops everything; the data stay in {directory}.
`make demo AUTO=1` plays and checks all of this; `manage.py demo --reset` removes the data.
"""


def uses(*, checked: bool) -> str:
    """Return the four uses, each with its incident; ``checked``: and the numbers of its checks."""
    lines = ["Four uses, and the incident that plays each:"]
    for number, (use, incident, checks) in enumerate(USES, 1):
        lines.append(f"  {number}  {use}")
        lines.append(f"     -> {incident}{f' (checks {checks})' if checked else ''}")
    return "\n".join(lines)


def welcome(stack: Stack, fresh: Mapping[str, str], queue: Sequence[Place]) -> str:
    """Return the welcome text: address, codes, queue and steps."""
    return WELCOME.format(
        origin=stack.origin,
        codes=codes(stack.origin, fresh),
        queue="\n".join(map(line, queue)) + "\n" if queue else "",
        rotated=ROTATED,
        target_log=stack.servers.target.log.resolve(),
        cloud_log=stack.cloud.log,
        logs=stack.directory / "logs",
        mail=stack.directory / "mail",
        worker=stack.settings.targets.parent,
        directory=stack.directory,
    )


def late(one: Consumer, pid: int) -> str:
    """Return how to let a program read its password again that does not do it by itself."""
    return (
        f"\n{ROTATED} has a new password. {one.service} reloads only on request: its sessions\nare"
        f" still those of the old one, and the run waits for it. Let it reload:"
        f"\n\n  kill -HUP {pid}\n"
    )


def line(place: Place) -> str:
    """Return one line about a proposal: its state, its incident, notes."""
    checks = f"{place.failed_checks} checks failed" if place.failed_checks > 1 else "a check failed"
    notes = [checks] if place.failed_checks else []
    notes += ["corrected by frank"] if place.corrected else []
    noted = f"  [{', '.join(notes)}]" if notes else ""
    return f"  {place.state.replace('_', ' '):10} {place.title[:72]}{noted}"


def codes(origin: str, fresh: Mapping[str, str]) -> str:
    """Return one line per person, with a one-time code for those who have not enrolled."""
    lines = [
        f"  {person.username:7} {fresh.get(person.username, 'enrolled'):24} {person.does}"
        for person in PEOPLE
    ]
    if fresh:
        lines.insert(0, f"One-time codes, good for 15 minutes, at {origin}/invite/")
        if sys.stdin.isatty():
            lines.append("  Press Enter for fresh codes.")
    return "\n".join(lines) + "\n"
