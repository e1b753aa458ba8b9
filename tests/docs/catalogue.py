"""Write docs/catalogue.md from the declarations: `python -m tests.docs.catalogue`."""

from __future__ import annotations

from collections.abc import Iterator

from remediation.domain.catalogue import PROVIDERS, ActionSpec, Op, Provider
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "catalogue.md"
HEAD = """\
# The catalogue

Every kind of target, and every action on it. Written from the declarations by
`python -m tests.docs.catalogue`. Agents read the same from `GET /api/v1/actions`, with schemas.
Nothing else can be proposed or run.

*Takes* and *gives* say what an action does to access. An action that gives access asks for more
people. *Undo* names the action of a reversal; people decide on it as on any plan.
"""
REPORTED = "Incidents can be about it. No action works on it; a person has to act."


def render() -> str:
    """Return the page."""
    shown = [one for one in PROVIDERS.values() if not one.for_tests]
    return HEAD + "".join(line for provider in shown for line in _provider(provider))


def _provider(provider: Provider) -> Iterator[str]:
    page = f" More: [{provider.name}.md]({provider.name}.md)." if _page(provider) else ""
    yield f"\n## {provider.title}\n"
    if provider.actions:
        yield f"\nTried on: {provider.tested}.{page}\n"
    for target in provider.targets:
        actions = [one for one in provider.actions if one.target_kind == target.kind]
        yield f"\n### {target.title} (`{target.kind}`)\n\n"
        if not actions:
            yield f"{REPORTED}\n"
            continue
        yield "| Action | Before → after | Access | Ends | Undo |\n|---|---|---|---|---|\n"
        for action in actions:
            yield _row(action)
        for action in actions:
            if action.cannot:
                yield f"\n`{action.kind}`:\n" + "".join(f"* {text}\n" for text in action.cannot)


def _page(provider: Provider) -> bool:
    return (ROOT / "docs" / f"{provider.name}.md").is_file()


def _row(action: ActionSpec) -> str:
    access = [
        *(["takes"] if action.removes_access else []),
        *(["gives"] if action.grants_access else []),
    ]
    undo = f"`{action.rollback}`" if action.rollback and action.reversible else "cannot be undone"
    cells = (
        f"`{action.kind}` {action.title}", _change(action), ", ".join(access) or "–",
        action.ends_sessions, undo,
    )  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _change(action: ActionSpec) -> str:
    """Return the pinned fields that change, with their new values."""
    fixed = [f"{name} → {_value(value)}" for name, value in action.leads_to.items()]
    dependent = [
        f"{name} → {'+' if change.op is Op.ADD else '−' if change.op is Op.REMOVE else ''}"
        f"{change.parameter or change.made or '1'}"
        for name, change in action.leads_to_from.items()
    ]
    return ", ".join([*fixed, *dependent]) or "–"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in ("", None) else "none"


def untold() -> set[str]:
    """Return the providers that do not say what their actions are tried on."""
    return {
        provider.name
        for provider in PROVIDERS.values()
        if provider.actions and not provider.for_tests and not provider.tested
    }


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
