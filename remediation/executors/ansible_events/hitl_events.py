"""Write what each task did as lines of JSON to the descriptor that PORTAL_EVENTS_FD names.

Runs inside of ansible-playbook. A result that a task hides (no_log) comes here without its parts.
Ansible goes on when a plugin fails, so this one ends the process: what nobody reads must not run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: hitl_events
    type: aggregate
    short_description: results of tasks as lines of JSON
    description: Results of tasks as lines of JSON for the portal.
"""
MOST_TEXT, MOST_DIFF = 300, 16_384


class CallbackModule(CallbackBase):  # type: ignore[misc, unused-ignore]
    """See the module."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "hitl_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._to = int(os.environ["PORTAL_EVENTS_FD"])

    def _say(self, **event: Any) -> None:
        try:
            left = (json.dumps(event, default=str) + "\n").encode()
            while left:
                left = left[os.write(self._to, left) :]
        except Exception:  # above all that the worker was killed: nobody reads
            _end()

    def _result(self, kind: str, given: Any) -> None:
        try:
            self._tell(kind, given)
        except Exception:
            _end()

    def _tell(self, kind: str, given: Any) -> None:
        found = given.result
        diffs = [*_diffs(found)]
        told = json.dumps(diffs, sort_keys=True, default=str).encode()
        self._say(
            event=kind,
            host=given.host.get_name()[:MOST_TEXT],
            task=given.task.get_name()[:MOST_TEXT],
            changed=bool(found.get("changed")),
            unchecked=_is_check() and _unchecked(kind, found),
            ignored=bool(getattr(given.task, "ignore_errors", False)),
            msg=str(found.get("msg", ""))[:MOST_TEXT],
            digest=hashlib.sha256(told).hexdigest(),
            diff=[{name: str(v)[:MOST_DIFF] for name, v in one.items()} for one in diffs[:20]],
        )

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Comes before a task begins. Its check_mode may be from a file that nobody looked at."""
        if _is_check() and task.check_mode is not True:
            self._say(event="refused", task=str(task.get_name())[:MOST_TEXT])
            _end()
        self._say(event="begins")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        self._say(event="stats", hosts=hosts)


def _diffs(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield before and after of each changed thing; a loop has a result for each item."""
    for one in (result, *_items(result)):
        found = one.get("diff")
        for diff in found if isinstance(found, list) else [found]:
            if isinstance(diff, dict) and diff:
                yield {n: diff[n] for n in ("before", "after", "prepared") if n in diff}


def _end() -> NoReturn:
    os._exit(70)


def _is_check() -> bool:
    return bool(context.CLIARGS.get("check"))


def _unchecked(kind: str, result: Mapping[str, Any]) -> bool:
    """Return whether the task, or an item of its loop, was left out because this is a check."""
    items = [one for one in _items(result) if one.get("skipped")]
    if items:
        return any(_unchecked("skipped", {**one, "results": []}) for one in items)
    if kind != "skipped":
        return False
    if "ansible_check_mode" in str(result.get("false_condition")):
        return True
    conditional = "false_condition" in result or result.get("skip_reason") == (
        "Conditional result was False"
    )
    return not conditional and not result.get("skipped_reason")


def _items(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = result.get("results")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
