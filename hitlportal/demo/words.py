"""What the demo says to whoever started it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from hitlportal.demo.play.record import Place
from hitlportal.demo.stack import Stack
from hitlportal.demo.story import PEOPLE, ROLE

WELCOME = """
hitlportal runs at {origin}

{codes}
{queue}
  1  Enrol alice and bob with their codes, each in a browser profile of its own (or sign out in
     between). Their keys are then put into the approvers file, here by the demo, elsewhere by an
     operator who compared the fingerprint.
  2  Sign in as alice, open a proposal of the queue, read it, give three verdicts, approve with
     the passkey. Nothing happens yet: bob's approval is needed too.
  3  Sign in as bob and approve. The worker verifies everything again and carries it out: the key
     of the simulated AWS account, or role {role} on the second PostgreSQL cluster.
  4  Look at "what changed" in the one that frank corrected, at the passwords in the build log
     (covered; alice may uncover them), at why the checks of another fail, and decide.

  The target's own log   {target_log}
  The simulator's log    {cloud_log}
  Logs of processes      {logs}
  Mail                   {mail}
  The worker's files     {worker}

Ctrl-C stops everything; the data stay in {directory}.
`make demo AUTO=1` plays all of this by itself and checks it; `manage.py demo --reset` removes
the data.
"""


def welcome(stack: Stack, fresh: Mapping[str, str], queue: Sequence[Place]) -> str:
    """Where to go, as whom, and what to look at."""
    return WELCOME.format(
        origin=stack.origin,
        codes=codes(stack.origin, fresh),
        queue="\n".join(map(line, queue)) + "\n" if queue else "",
        role=ROLE,
        target_log=stack.servers.target.log.resolve(),
        cloud_log=stack.cloud.log,
        logs=stack.directory / "logs",
        mail=stack.directory / "mail",
        worker=stack.settings.targets.parent,
        directory=stack.directory,
    )


def line(place: Place) -> str:
    """One proposal: its state, its incident, what to look at."""
    checks = f"{place.failed_checks} checks failed" if place.failed_checks > 1 else "a check failed"
    notes = [checks] if place.failed_checks else []
    notes += ["corrected by frank"] if place.corrected else []
    told = f"  [{', '.join(notes)}]" if notes else ""
    return f"  {place.state.replace('_', ' '):10} {place.title[:72]}{told}"


def codes(origin: str, fresh: Mapping[str, str]) -> str:
    """Everybody, with a one-time code where one is needed."""
    lines = [
        f"  {person.username:7} {fresh.get(person.username, 'enrolled'):24} {person.does}"
        for person in PEOPLE
    ]
    if fresh:
        lines.insert(0, f"One-time codes, good for 15 minutes, at {origin}/invite/")
        if sys.stdin.isatty():
            lines.append("  Press Enter for fresh codes.")
    return "\n".join(lines) + "\n"
