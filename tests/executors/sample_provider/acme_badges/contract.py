"""The contract fixture: a badge system to try the executors on."""

from __future__ import annotations

import json
from pathlib import Path

from audit.tlog.canonical import Json
from tests.executors.contract import Contract, World


class BadgeWorld(World):
    """One site with one badge."""

    def __init__(self, action: str, directory: Path, place: object = None) -> None:
        self.action, self.directory = action, directory
        self.site = directory / "harbour"
        self.site.mkdir()
        held = {"admitted": action.endswith(".block"), "doors": 3}
        (self.site / "badge-B0017.json").write_text(json.dumps(held))
        (directory / "operate.code").write_text("4711\n")

    @property
    def target(self) -> dict[str, Json]:
        return {"kind": "acme.badge", "site": "harbour", "badge": "B0017"}

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "badge": "B0018"}

    def toml(self, port: int | None = None) -> str:
        where = "harbour" if port is None else f"nobody-at-{port}"
        return f'[acme.harbour]\ndirectory = "{where}"\noperate_code_file = "operate.code"\n'

    def look(self) -> object:
        return (self.site / "badge-B0017.json").read_text()

    def changes(self) -> int:
        log = self.site / "changes.log"
        return len(log.read_text().splitlines()) if log.exists() else 0


CONTRACT = Contract("acme", BadgeWorld)
