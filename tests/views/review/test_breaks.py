"""The tile "what breaks": it says of payment path and partner also that none is known."""

from __future__ import annotations

import pytest
from django.template.loader import render_to_string

from remediation.views.review.tiles import Breaks


def tile(direct: int, payment: int, partners: int) -> str:
    given = Breaks(direct, 0, payment, partners, (), (), (), (), (), 0, (), ())
    return render_to_string("remediation/review/breaks.html", {"tile": given})


@pytest.mark.parametrize(
    ("payment", "partners", "told"),
    [
        (2, 1, ("2 on the payment path", "1 external partner<")),
        (0, 0, ("none known on the payment path", "no external partner known")),
        (0, 2, ("none known on the payment path", "2 external partners")),
    ],
)
def test_it_says_whether_payment_path_and_partners_are_reached(
    payment: int, partners: int, told: tuple[str, str]
) -> None:
    page = tile(3, payment, partners)
    for words in told:
        assert words in page


def test_without_a_known_service_it_does_not_calm_anybody() -> None:
    page = tile(0, 0, 0)
    assert "lists no service" in page
    assert "known" not in page
