"""Play frank before a visitor of `make demo` starts, so that the queue has a history.

He returns one report, which the scanner then improves, and corrects the scope of another. The
scanner also reports an incident that needs a plan. His passkey exists for this start only; the
visitor plays everybody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hitlportal.demo.people.player import Player
from hitlportal.demo.play import leak_scanner, wiki
from hitlportal.demo.play.correcting import correct
from hitlportal.demo.play.scene import Scene

FRANK_SAYS = (
    "evidence_missing",
    "Which logins does the log show? The report cites no place in it.",
)


def play(scene: Scene, code: str, add_keys: Callable[[], None]) -> None:
    """Fill the queue. Raises Unexpected when the portal refuses."""
    frank = Player("frank", scene.stack.origin)
    frank.enrol(code)
    frank.sign_in()
    add_keys()
    wiki.scan(scene.stack, scene.scanner_token)
    rough = leak_scanner.scan(scene.stack, scene.scanner_token, cites=False)
    for report in (rough, scene.key_report):
        scene.reaches(report, "in_review")
    frank.decide(rough.proposal, "return", reason=FRANK_SAYS, doubts=("diagnosis", "action"))
    scene.reaches(rough, "returned")
    scene.leak_report = leak_scanner.scan(scene.stack, scene.scanner_token)
    corrected = replace(scene.key_report, proposal=correct(frank, scene.key_report.proposal))
    others = scene.role_report, scene.unknown_report, scene.leak_report
    watched = scene.token_report, scene.workload_report
    for report in (scene.account_report, corrected, *others, *watched):
        scene.reaches(report, "in_review")
