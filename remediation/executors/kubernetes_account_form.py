"""A service account as settings that a plan can name, and the account that has these settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.catalogue.kubernetes_account import LONGEST_SETTING, MOST_SETTINGS
from remediation.domain.secrets.masking import mask_text
from remediation.executors.errors import NotApplied
from remediation.executors.kubernetes_calls import Object

# A whole copy of the object, for `kubectl apply`; it would be one too many, and soon an old one.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# The annotation that says which step of which run made the account (store_place.version_name).
MADE_BY = "hitlportal/made-by"
_NOTES = (LAST_APPLIED, MADE_BY)
LONGEST_MARK = 100
# No plan can name a setting of these forms, so an account that has one is not removed.
TOO_LONG = "too long"
HELD_BACK = "with a secret"


def refuse_twins(settings: list[str]) -> None:
    if settings != sorted(settings):
        raise NotApplied("the settings of the plan are not in order")
    keys = [one.partition("=")[0] for one in settings if not one.startswith("automount:")]
    keys += ["automount" for one in settings if one.startswith("automount:")]
    if len(keys) != len(set(keys)):
        raise NotApplied("the settings of the plan name one label, annotation or option twice")


def refuse_own_notes(settings: list[str]) -> None:
    """Refuse what is never read back: with it, an account would be made and not confirmed."""
    if any(one.startswith(tuple(f"annotation:{key}=" for key in _NOTES)) for one in settings):
        raise NotApplied("the settings of the plan name an annotation that no plan can set")


def state_of(found: Object | None) -> dict[str, Json]:
    if found is None:
        return {"present": False, "settings": [], "uid": ""}
    uid = str(found["metadata"].get("uid", ""))
    return {"present": True, "settings": [*_settings(found)], "uid": uid}


def _settings(found: Object) -> list[str]:
    """Return what a new account gets again, in order; what no plan can keep is marked."""
    texts = sorted(_said(found))
    if len(texts) > MOST_SETTINGS:
        return [f"{TOO_LONG}: {len(texts)} settings"]
    return [_keepable(one) for one in texts]


def _keepable(setting: str) -> str:
    """Return a setting, or its name with the reason why it stands in no plan and no record."""
    name = setting.partition("=")[0][:100]
    if len(setting) > LONGEST_SETTING:
        return f"{TOO_LONG}: {name}"
    return setting if mask_text(setting) == setting else f"{HELD_BACK}: {mask_text(name)}"


def _said(found: Object) -> Iterator[str]:
    meta = found["metadata"]
    for form, held in (("label", "labels"), ("annotation", "annotations")):
        for key, value in (meta.get(held) or {}).items():
            if key not in _NOTES:
                yield f"{form}:{key}={value}"
    if isinstance(found.get("automountServiceAccountToken"), bool):
        yield f"automount:{str(found['automountServiceAccountToken']).lower()}"
    for form, held in (("pull_secret", "imagePullSecrets"), ("secret", "secrets")):
        yield from {f"{form}:{one.get('name')}" for one in found.get(held) or ()}


def made_by(found: Object | None) -> str:
    """Return the name of the step that made the account; "" for none, or what is no such name."""
    if found is None:
        return ""
    mark = str((found["metadata"].get("annotations") or {}).get(MADE_BY, ""))
    return mark if len(mark) <= LONGEST_MARK and mask_text(mark) == mark else ""


def body(name: str, settings: Iterable[str], mark: str) -> dict[str, Any]:
    """Return the account with these settings, and with the mark of the step that makes it."""
    meta: dict[str, Any] = {"name": name}
    made: dict[str, Any] = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}
    for one in settings:
        form, _, value = one.partition(":")
        key, _, text = value.partition("=")
        match form:
            case "label" | "annotation":
                meta.setdefault(f"{form}s", {})[key] = text
            case "automount":
                made["automountServiceAccountToken"] = value == "true"
            case "pull_secret":
                made.setdefault("imagePullSecrets", []).append({"name": value})
            case _:
                made.setdefault("secrets", []).append({"name": value})
    meta.setdefault("annotations", {})[MADE_BY] = mark
    return made


def is_account(found: Object, name: str) -> bool:
    """Return whether an answer has the form of the account, so that nothing of it gets lost."""
    meta = found.get("metadata")
    if not isinstance(meta, dict) or meta.get("name") != name:
        return False
    texts = [meta.get("uid"), meta.get("resourceVersion")]
    owners, named = meta.get("ownerReferences") or [], []
    for key in ("imagePullSecrets", "secrets"):
        named += _listed(found.get(key))
    for key in ("labels", "annotations"):
        held = meta.get(key) or {}
        texts += [*held.values()] if isinstance(held, dict) else [None]
    texts += [one.get("name") if isinstance(one, dict) else None for one in named]
    return (
        all(isinstance(text, str) for text in texts)
        and all(texts[:2])
        and all(isinstance(one, dict) for one in _listed(owners))
        and all(isinstance(one, str) for one in _listed(meta.get("finalizers")))
        and found.get("automountServiceAccountToken") in (None, True, False)
    )


def _listed(held: object) -> list[Any]:
    """Return the members of a list; of what is none, one that is never right."""
    return held if isinstance(held, list) else [] if held is None else [None]
