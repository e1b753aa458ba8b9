"""docs/catalogue.md lists what the declarations say, and each provider says what it is tried on."""

from __future__ import annotations

from tests.docs import catalogue


def test_the_page_is_what_the_declarations_say() -> None:
    assert catalogue.PAGE.read_text("utf-8") == catalogue.render(), (
        "run: python -m tests.docs.catalogue"
    )


def test_every_provider_says_what_its_actions_are_tried_on() -> None:
    assert catalogue.untold() == set()
