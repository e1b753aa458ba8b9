"""One targets file with every section, as the docs have them: none disturbs another."""

from __future__ import annotations

import re
from pathlib import Path

from remediation.domain.catalogue import TARGETS
from remediation.domain.plan import Target
from remediation.executors.targets import Targets

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (
    "ansible",
    "entra",
    "github",
    "kubernetes",
    "ldap",
    "oauth",
    "okta",
    "rabbitmq",
    "valkey",
    "webhook",
)
BLOCK = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_docs_load_together_and_each_asks_only_its_own(
    tmp_path: Path,
) -> None:
    """A target has the fields of its kind; a section of another provider knows other ones."""
    path = tmp_path / "targets.toml"
    path.write_text(
        "\n".join(
            block
            for page in PAGES
            for block in BLOCK.findall((DOCS / f"{page}.md").read_text("utf-8"))
        )
    )
    targets = Targets.load(path, portal_system_identifier=None)
    assert set(PAGES) <= targets.sections.keys()
    for kind, spec in TARGETS.items():
        target = Target(kind, spec.example)
        assert targets.is_own(target) is False, kind
        assert targets.environment(target) in ("", "production", "staging"), kind
