"""Who can make an object again, or set it back: its owners, and the tools that leave their mark.

Only names are taken from labels and annotations, and only from those of these tools.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Label or annotation, and the tool that writes it with a name.
_MARKS = (
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("helm.toolkit.fluxcd.io/name", "Flux"),
    ("meta.helm.sh/release-name", "Helm"),
    ("app.kubernetes.io/managed-by", "managed by"),
)
LONGEST_NAME = 80


def origins(meta: Mapping[str, Any]) -> Iterator[str]:
    """Yield the owners and tools that the metadata of an object names."""
    for one in meta.get("ownerReferences") or ():
        yield f"{str(one.get('kind'))[:LONGEST_NAME]} {str(one.get('name'))[:LONGEST_NAME]}"
    noted = {**(meta.get("annotations") or {}), **(meta.get("labels") or {})}
    for key, tool in _MARKS:
        if key in noted:
            yield f"{tool} {str(noted[key])[:LONGEST_NAME]}"
