"""A worker process for crash and race tests: `python -m tests.flows.work VERB [ID]`.

It uses the login hitl_worker and the database in HITL_DATABASE_URL.
"""

from __future__ import annotations

import os
import sys
from uuid import UUID


def main(verb: str, proposal_id: str = "") -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hitlportal.settings")
    import django

    django.setup()
    from remediation.services.actors import worker
    from remediation.services.execution import execute, in_flight, reconcile

    if verb == "execute":
        execute.execute(UUID(proposal_id), actor=worker())
    else:
        # The tests let leases run out by hand; this process has not seen them before.
        in_flight.WATCH_S = 0.0
        reconcile.reconcile(actor=worker())


if __name__ == "__main__":
    main(*sys.argv[1:])
