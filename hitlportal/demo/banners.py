"""What the demo tells each person at the top of the pages: who they are, and what to try."""

from __future__ import annotations

import json
from pathlib import Path

from hitlportal.demo.servers import private
from hitlportal.demo.story import PEOPLE

QUEUE, INCIDENTS = "/queue/", "/incidents/"
# By user name: what to try, and where.
TRY: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "alice": (
        "Try: decide on the new password for svc_billing, the first of the queue. Or leave a step"
        " out of the plan for the passwords in the build log.",
        (("Queue", QUEUE), ("Incidents", INCIDENTS)),
    ),
    "bob": (
        "Try: give the second approval to svc_billing, watch for whom the run waits, and tell"
        " that program. Or take none of the two plans for the keys that nobody knows.",
        (("Queue", QUEUE),),
    ),
    "carol": (
        "Try: find who decided what, and download an incident's evidence bundle.",
        (("Audit log", "/audit/entries/"), ("All incidents", "/audit/incidents/")),
    ),
    "dave": (
        "Try to approve: the portal says why you cannot. You can still look and comment.",
        (("Queue", QUEUE),),
    ),
    "eve": (
        "Try to approve: the portal says why you cannot.",
        (("Queue", QUEUE),),
    ),
    "frank": ("See what you corrected and returned.", (("Queue", QUEUE),)),
    "lena": (
        "Try: make a plan for the incident that needs one. Alice and Bob decide on it, because it"
        " is yours.",
        (("Queue", QUEUE), ("Incidents", INCIDENTS)),
    ),
    "irene": (
        "Try: find services without an owner team, and import a file.",
        (("Inventory", "/inventory/"),),
    ),
    "adam": (
        "Try: add and invite a person, and look at the agents' tokens.",
        (("People", "/people/"), ("Agents", "/agents/")),
    ),
}


def write(path: Path) -> Path:
    """Write the banners for the web process."""
    stated = {
        person.username: {
            "text": f"Demo. You are {person.name}: {person.does}. {TRY[person.username][0]}",
            "links": [list(link) for link in TRY[person.username][1]],
        }
        for person in PEOPLE
    }
    private.write(path, json.dumps(stated, indent=2))
    return path
