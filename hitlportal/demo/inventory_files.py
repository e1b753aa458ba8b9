"""The files that the demo imports into its inventory.

Manifests, catalogue and compose file are unmodified copies from public repositories
(inventory/graphs/SOURCES.md). They do not name the ledger's roles; two CSV tables of the demo
record which service uses which role.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TABLES = Path(__file__).resolve().parent / "inventory"
GRAPHS = TABLES / "graphs"


@dataclass(frozen=True)
class Source:
    """Files of one format; ``cluster`` names the cluster that Kubernetes manifests describe."""

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
# Previewed but never confirmed: another shop, with an unrelated service named `frontend`.
ANOTHER_SHOP = Source("compose", (GRAPHS / "otel-demo" / "compose.yaml",))
