"""Read the stores of the targets file.

[store.<name>]                  a name of small letters, digits and `-`
kind = "file"                   or "openbao", "aws_secrets_manager": its module has the other keys

[store.<name>.allow]            which identity's credential may be delivered where; the rest may not
"postgres.role:orders-db/*" = ["orders/*"]      locators to paths; `*` is anything but `/`
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from remediation.domain.store_place import StorePlace
from remediation.executors.section import Section, Source, TargetsFileInvalid
from remediation.executors.stores import aws_secrets_manager, file, openbao
from remediation.executors.stores.kept_credential import KeptCredential
from remediation.executors.stores.store import Store

KINDS: Mapping[str, Callable[[Section, str], Store]] = MappingProxyType(
    {
        file.FileStore.kind: file.read_section,
        openbao.OpenBaoStore.kind: openbao.read_section,
        aws_secrets_manager.SecretsManager.kind: aws_secrets_manager.read_section,
    }
)
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}\Z")


def read_stores(section: Section) -> Mapping[str, Store]:
    """Return the stores by name; opens no credential file. Raises TargetsFileInvalid."""
    return section.each(_store)


def find_source(stores: Mapping[str, Store], text: str) -> Source:
    """Return the credential that `store:path#field` names. Raises TargetsFileInvalid."""
    place, _, field = text.partition("#")
    try:
        at = StorePlace.parse(place)
    except ValueError:
        raise TargetsFileInvalid(f"{text!r} does not read store:path#field") from None
    store = stores.get(at.store)
    if not isinstance(store, openbao.OpenBaoStore) or not field:
        raise TargetsFileInvalid(f"{text!r} names no field in a store of kind openbao")
    return KeptCredential(store, at.path, field)


def _store(section: Section, name: str) -> Store:
    if not NAME.match(name):
        raise TargetsFileInvalid(f"{name!r} is not the name of a store")
    kind = section.text("kind")
    if kind not in KINDS:
        raise TargetsFileInvalid(f"store {name}: kind is one of {', '.join(KINDS)}")
    allow = section.section("allow")
    allowed = {locators: allow.texts(locators) for locators in allow.names()}
    return dataclasses.replace(KINDS[kind](section, name), allow=MappingProxyType(allowed))
