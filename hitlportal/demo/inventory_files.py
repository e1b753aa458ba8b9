"""The files from which the demo's inventory of a shop comes.

Manifests, catalogue and compose file are real ones of public repositories, byte by byte
(inventory/graphs/SOURCES.md). No such file knows the ledger's roles, so two tables of the demo's
own say which service uses which.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TABLES = Path(__file__).resolve().parent / "inventory"
GRAPHS = TABLES / "graphs"


@dataclass(frozen=True)
class Source:
    """Files of one format; ``cluster`` is which cluster Kubernetes manifests are of."""

    format: str
    files: tuple[Path, ...]
    cluster: str = ""

    @property
    def names(self) -> str:
        return ", ".join(file.name for file in self.files)


SHOP = Source("kubernetes", (GRAPHS / "online-boutique" / "kubernetes-manifests.yaml",), "shop")
CATALOGUE = Source("backstage", (GRAPHS / "backstage-demo" / "catalog-info.yaml",))
ROLES = Source("csv", (TABLES / "ledger-roles.csv", TABLES / "ledger-users.csv"))
IMPORTED = (SHOP, CATALOGUE, ROLES)
# Looked at and not confirmed: another shop, whose `frontend` is not the one above.
ANOTHER_SHOP = Source("compose", (GRAPHS / "otel-demo" / "compose.yaml",))
