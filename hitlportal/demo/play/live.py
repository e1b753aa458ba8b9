"""Ask on an incident's page whether its identity is still active, and read the answer."""

from __future__ import annotations

import time

from hitlportal.demo.people.player import expect
from hitlportal.demo.play.scene import Scene

IN_FORCE, NOT_IN_FORCE = "is still in force", "is no longer in force"
COMPARED = "worker:secret:compared"
# An answer that is younger than fifteen seconds is not asked for again, so alice presses again.
AGAIN_SECONDS = 4.0


def reads(scene: Scene, incident: str, words: str) -> bool:
    """Press *Read again* as alice until the card of the page says this; return whether it did."""
    alice, page = scene.players["alice"], f"/incidents/{incident}/"
    asked = float("-inf")

    def says() -> bool:
        nonlocal asked
        if time.monotonic() > asked + AGAIN_SECONDS:
            expect(alice.fill(page, f"{page}live/read"), 200)
            asked = time.monotonic()
        return words in expect(alice.browser.get(f"{page}live/"), 200).text

    return scene.comes_true(f"the page of {incident} to say “{words}”", says)


def verdict(scene: Scene, incident: str) -> str:
    """Return what the worker recorded last about the leaked secrets: yes, no or unknown."""
    found = scene.record.entry_data(COMPARED, f"incident:{incident}")
    return str(found[-1]["data"]["in_force"]) if found else ""
