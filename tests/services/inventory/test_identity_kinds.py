"""A locator of the inventory has one spelling, and a refusal shows it."""

from __future__ import annotations

import pytest

from remediation.domain.errors import BadValue
from remediation.services.inventory.identity_kinds import check_locator

ROLE = "postgres.role"


@pytest.mark.parametrize(
    "name",
    ["svc_reporting", "1st_sync", "my%20app%20identity", "billing-sa%40acme.iam", "%E2%82%AC"],
)
def test_a_name_is_written_as_locators_write_it(name: str) -> None:
    check_locator(ROLE, f"postgres.role:billing/{name}")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("my app identity", "my%20app%20identity"),
        ("billing-sa@acme.iam", "billing-sa%40acme.iam"),
        ("a/b", "a%2Fb"),
        ("\u00fc", "%C3%BC"),
        ("100%", "100%25"),
        ("a%c3%bc", "a%25c3%25bc"),
    ],
)
def test_a_name_as_it_is_is_refused_with_its_spelling(name: str, meant: str) -> None:
    with pytest.raises(BadValue, match="percent-encoded") as refused:
        check_locator(ROLE, f"postgres.role:billing/{name}")
    assert refused.value.detail.endswith(f": postgres.role:billing/{meant}")


@pytest.mark.parametrize(
    "locator",
    ["postgres.role:billing", "postgres.role:billing/", "postgres.role:Billing/a b", "a", "",
     "postgres.role:billing/" + "a" * 64],
)  # fmt: skip
def test_anything_else_is_refused_with_the_form(locator: str) -> None:
    with pytest.raises(BadValue, match=r"has the form postgres\.role:\{cluster\}/\{role\}"):
        check_locator(ROLE, locator)


def test_a_locator_of_another_kind_is_refused() -> None:
    with pytest.raises(BadValue):
        check_locator(ROLE, "aws.iam.root:123456789012")
