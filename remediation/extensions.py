"""Load what other packages add, by the entry points of their distributions.

    [project.entry-points."hitlportal.catalogue"]     a declaration: every process loads it
    NAME = "package.declaration:PROVIDER"             a remediation.domain.catalogue.Provider

    [project.entry-points."hitlportal.executors"]     code: only a process that runs steps loads it
    NAME = "package.executor:DRIVER"                  a remediation.executors.driver.Driver

    [project.entry-points."hitlportal.contract"]      for the contract test (tests/executors) alone
    NAME = "package.contract:CONTRACT"                a tests.executors.contract.Contract

A declaration is data, and its module imports only `remediation.domain.catalogue`: the web process
loads it too, and must not load code that touches targets. The groups decide what is loaded, not
what is trusted: a package installed beside the worker can run code there anyway.

A package that cannot be loaded stops the process at its start; the error names the package.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TypeVar

from remediation.domain import catalogue
from remediation.domain.catalogue import CatalogueInvalid, Provider

CATALOGUE = "hitlportal.catalogue"
EXECUTORS = "hitlportal.executors"
_CODE = "remediation.executors"

T = TypeVar("T")
Found = MappingProxyType[str, str]


class ExtensionInvalid(RuntimeError):
    """An installed package cannot be used; the process must not start."""


def found(group: str, wanted: type[T]) -> Iterator[tuple[str, T]]:
    """Yield what installed packages add to a group: (package and version, loaded object).

    Raises ExtensionInvalid.
    """
    points = sorted(entry_points(group=group), key=lambda point: (package_of(point), point.name))
    for point in points:
        yield package_of(point), _loaded(point, wanted)


def package_of(point: EntryPoint) -> str:
    """Return the name and version of the distribution that an entry point belongs to."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "a package without a name"


def _loaded(point: EntryPoint, wanted: type[T]) -> T:
    at = f"package {package_of(point)}, entry point {point.name} of {point.group}"
    try:
        value = point.load()
    except Exception as error:  # third-party code: it may raise anything
        raise ExtensionInvalid(f"{at}: {type(error).__name__}: {error}") from error
    if not isinstance(value, wanted):
        raise ExtensionInvalid(f"{at}: {point.value} is not a {wanted.__name__}")
    return value


def _loaded_code() -> set[str]:
    return {name for name in sys.modules if name.startswith(_CODE)}


@cache
def load_catalogue() -> Found:
    """Register the declarations of other packages, once; return each provider's package by name.

    Raises ExtensionInvalid; then nothing was registered.
    """
    before = _loaded_code()
    packages: dict[str, str] = {}
    whole = list(catalogue.BUILT_IN)
    for package, provider in found(CATALOGUE, Provider):
        if _loaded_code() != before:
            raise ExtensionInvalid(
                f"package {package}: the declaration imports {_CODE}, which the web process"
                " never loads"
            )
        whole.append(provider)
        packages[provider.name] = package
        try:
            catalogue.build(whole)
        except CatalogueInvalid as error:
            raise ExtensionInvalid(f"package {package}: {error}") from error
    catalogue.register(*whole[len(catalogue.BUILT_IN) :])
    return MappingProxyType(packages)
