"""All tokens at once find what a search for each one finds (A83)."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.checks import CheckInput, claim_not_in_evidence
from remediation.domain.checks.budget import MOST, Budget
from remediation.domain.checks.tokens import IPV4, Token, Wanted
from remediation.domain.formats.times import times_in
from tests.domain.checks.test_claims import claiming, event


def stands_in(token: Token, text: str) -> bool:
    """Search one token, as the check did before."""
    if token.time is not None:
        return any(token.time.is_at(other.at) for other in times_in(text))
    if token.kind == "event":
        return token.text in text
    if "/" in token.text and token.kind == "address":
        try:
            wanted = ip_network(token.text, strict=False)
        except ValueError:
            return token.text in text
        return any(_in(match[0], wanted) for match in IPV4.finditer(text))
    return re.search(rf"(?<![\w$-]){re.escape(token.text)}(?![\w$-])", text) is not None


def _in(address: str, network: object) -> bool:
    try:
        return ip_address(address) in network  # type: ignore[operator]
    except ValueError:
        return False


def both(tokens: list[Token], text: str) -> tuple[set[Token], set[Token]]:
    found = Wanted(tokens, Budget()).held_by(text)
    return found, {token for token in tokens if stands_in(token, text)}


PARTS = st.lists(
    st.sampled_from(
        ["a", "b1", "A", "Get", "Put", "Ob", "Object", "s", ".", ":", "-", "$", "@", "/", " ", "\n"]
    )
)
TEXT = PARTS.map("".join)
EVENTS = st.lists(st.sampled_from(["Get", "Put", "Ob", "Object", "A", "As"]), min_size=2)
BYTE = st.sampled_from(["0", "1", "9", "10", "255", "256", "01"])
ADDRESS = st.lists(BYTE, min_size=4, max_size=4).map(".".join)
NETWORK = st.tuples(ADDRESS, st.integers(0, 40)).map(lambda at: f"{at[0]}/{at[1]}")
CLOCK = st.tuples(st.integers(58, 59), st.sampled_from(["", ":00", ":01", ":59"])).map(
    lambda at: f"2026-03-01 10:{at[0]}{at[1]}"
)
TIME = st.one_of(CLOCK, st.sampled_from(["2026-03-01T11:00:00Z", "0001-01-01 00:00"])).flatmap(
    lambda time: st.sampled_from([time, f"{time}+01:00", f"{time}Z"])
)


@given(st.lists(TEXT.filter(bool), max_size=4), TEXT)
def test_a83_whole_words_are_found_as_one_by_one(words: list[str], text: str) -> None:
    found, expected = both([Token("name", word) for word in words], text)
    assert found == expected


@given(st.lists(EVENTS.map("".join), max_size=4), TEXT, EVENTS.map("".join))
def test_a83_events_are_found_as_one_by_one(names: list[str], text: str, more: str) -> None:
    found, expected = both([Token("event", name) for name in names], f"{text}{more}{text}")
    assert found == expected


@given(st.lists(NETWORK, max_size=4), st.lists(st.one_of(ADDRESS, NETWORK)).map(" ".join))
def test_a83_networks_are_found_as_one_by_one(networks: list[str], text: str) -> None:
    found, expected = both([Token("address", network) for network in networks], text)
    assert found == expected


@given(TIME, st.lists(TIME).map(", ".join))
def test_a83_times_are_found_as_one_by_one(time: str, text: str) -> None:
    tokens = [Token("time", told.text, told) for told in times_in(time)]
    found, expected = both(tokens, text)
    assert found == expected


def long_report(count: int) -> CheckInput:
    """As many names, networks and times in a claim as records that hold none of them."""
    named = " ".join(
        f"user u-{n}, 10.{n % 200}.0.0/{8 + n % 24}, 2026-03-01T10:{n % 60:02}:{n // 60:02}Z "
        f"GetA{n}"
        for n in range(count)
    )
    records = [
        event(note=f"arn:aws:iam::1:user/u.{n}.GetB{n} 10.0.0.{n % 250}") for n in range(count)
    ]
    made = claiming("It is so.", *records)
    (claim,) = made.diagnosis.claims
    # Longer than one claim may be: many claims are as one here.
    return replace(made, diagnosis=replace(made.diagnosis, claims=(replace(claim, text=named),)))


def test_a83_four_times_the_names_and_records_need_not_sixteen_times_the_work() -> None:
    spent = []
    for count in (100, 400):
        given_ = long_report(count)
        given_.budget.begin(MOST)
        claim_not_in_evidence(given_)
        spent.append(given_.budget.spent)
    few, many = spent
    assert many < 8 * few


def test_a83_one_search_for_each_name_is_quadratic() -> None:
    """The control: characters that a search for each token reads, as the check did before."""

    def read(count: int) -> int:
        given_ = long_report(count)
        (claim,), texts = given_.diagnosis.claims, given_.texts.values()
        return claim.text.count(" ") * sum(map(len, texts))

    assert read(400) > 8 * read(100)
