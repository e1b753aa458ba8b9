"""List the packages, which pyproject.toml cannot: locale/ goes into the package `hitlportal`."""

from __future__ import annotations

from setuptools import find_packages, setup

PRODUCT = ("hitlportal", "remediation", "audit")

setup(
    packages=[
        *find_packages(include=[f"{name}{below}" for name in PRODUCT for below in ("", ".*")]),
        "hitlportal.locale",
    ],
    package_dir={"hitlportal.locale": "locale"},
)
