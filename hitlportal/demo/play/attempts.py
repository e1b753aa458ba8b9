"""(4) People involved in a report try to approve it; each is refused over HTTP and recorded."""

from __future__ import annotations

from hitlportal.demo.people.browser import TOKEN, Browser, Page
from hitlportal.demo.people.player import YES
from hitlportal.demo.play.scene import Scene

TAKERS = (
    ("dave", "service_owner", "owner of the agent"),
    ("eve", "security", "made a token of the agent"),
)


def check(scene: Scene) -> None:
    """Check that dave and eve are refused: they hold the role, but they own or serve the agent."""
    for username, slot, why in TAKERS:
        for report in scene.runs:
            round = scene.record.round(report.proposal)
            page = scene.players[username].try_to_approve(report.proposal, slot, round)
            status, name, words = refusal(page)
            ok = (status, name) == (403, "separation") and why in words
            what = f"{username} may not approve {report.proposal[:8]}: {why}"
            scene.checks.line("4", ok, what, f"{status} {name}" if ok else words)
    page, api = _agent_tries(scene)
    status, name, _ = refusal(page)
    ok = (status, name, api.status) == (401, "not_authenticated", 404)
    seen = f"{status} {name}, {api.status}"
    scene.checks.line("4", ok, "the agent's token opens no review, by page or API", seen)
    recorded = scene.record.refusals(scene.key_report.proposal)
    scene.checks.equal("4", "these refusals are recorded", recorded, ["separation"] * 2)


def refusal(page: Page) -> tuple[int, str, str]:
    """Return status, name and title of a problem answer (RFC 9457)."""
    try:
        problem = page.json()
    except ValueError:
        return page.status, "", page.text[:200]
    return page.status, str(problem.get("name", "")), str(problem.get("detail", ""))


def _agent_tries(scene: Scene) -> tuple[Page, Page]:
    """Ask for a review with the agent's token, on the people's page and below the API."""
    browser = Browser(scene.stack.origin, {"Authorization": f"Bearer {scene.token}"})
    entrance = browser.get("/account/login/")
    token = entrance.form(action="/account/login/").fields[TOKEN]
    path = f"proposals/{scene.key_report.proposal}/review/start"
    body = {"decision": "approve", "verdicts": YES, "slot": "security"}
    page, api = (
        browser.post_json(f"{prefix}{path}", body, token=token, referer=entrance.url)
        for prefix in ("/", "/api/v1/")
    )
    return page, api
