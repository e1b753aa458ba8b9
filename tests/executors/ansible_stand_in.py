"""Stands in for ansible-playbook in the contract test, which calls it some fifty times.

It does what the world's playbook does, by the same arguments, and says it as the plugin does. The
real program is tried in test_ansible.py and test_ansible_flow.py.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

given = sys.argv[1:]
name = Path(given[given.index("--extra-vars") + 1][1:]).read_text("utf-8").split('"')[1]
base = next(part[5:] for part in Path("hosts.ini").read_text().split() if part.startswith("base="))
keys = Path(base) / "authorized_keys"
before = keys.read_text()
after = "".join(line for line in before.splitlines(keepends=True) if name not in line)
if "--check" not in given:
    keys.write_text(after)
changed = before != after
result = {
    "event": "ok",
    "host": "here",
    "task": "take the key out",
    "changed": changed,
    "digest": f"{before}{after}",
    "diff": [{"before": before, "after": after}],
}
stats = {"ok": 1, "changed": int(changed), "failures": 0, "unreachable": 0, "skipped": 0}
with os.fdopen(int(os.environ["PORTAL_EVENTS_FD"]), "w") as to:
    to.write(json.dumps(result) + "\n")
    to.write(json.dumps({"event": "stats", "hosts": {"here": stats}}) + "\n")
