"""The queue read by services, by everybody's order and by words, beside the rule over all rows."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest
from django.db import connection
from django.db.models import Q, Value

from remediation import models as m
from remediation.domain.ruling import Risk
from remediation.services.access import visibility
from remediation.views.queue import reading, walk
from remediation.views.queue.filters import SECTIONS
from remediation.views.queue.reading import Lens
from tests.database.attack import sql
from tests.database.test_queue import rows
from tests.database.test_queue_services import WIDE, stale

pytestmark = pytest.mark.django_db


class Crowd:
    """Rows that no proposal stands behind: places of all sections, services of few and of many."""

    SERVICES = range(13)

    def __init__(self, seed: int, count: int) -> None:
        self.dice = random.Random(seed)
        with connection.cursor() as cursor:
            for _ in range(count):
                state = self.dice.choice(
                    ["in_review", "in_review", "submitted", "unknown", "expired"]
                )
                cursor.execute(
                    "INSERT INTO remediation_queueentry SELECT x.id, x.id, x.id,"
                    " remediation.place_v1(%s, %s, now() + %s * interval '1 hour', now(),"
                    "  now() - %s * interval '1 hour', x.id),"
                    " %s, %s, 'staging', %s, NULL, %s::bigint[], '{}', '{}', '{}',"
                    " array_to_tsvector(ARRAY[%s]) FROM (SELECT gen_random_uuid() AS id) AS x",
                    [
                        state, risk := self.risk(), *self.dice.sample(range(99), 2), state, risk,
                        self.dice.choice(["", "t1", "t2", "t3", "t4"]), self.touched(),
                        self.dice.choice(["red", "blue"]),
                    ],
                )  # fmt: skip

    def risk(self) -> str:
        return self.dice.choice([risk.value for risk in Risk])

    def touched(self) -> list[int]:
        """Mostly a hot service and another; now and then very many, with or without known ones."""
        few = self.dice.sample(self.SERVICES, self.dice.choice([1, 1, 2, 4]))
        if self.dice.random() < 0.5:
            few.append(1)
        if self.dice.random() < 0.1:
            few += range(100, 100 + WIDE + self.dice.choice([-len(set(few)), 0, 1, 50]))
        return sorted(set(few))

    def people(self) -> Iterator[list[int]]:
        for count in (0, 1, 1, 2, 3, 6, 13):
            yield sorted(self.dice.sample(self.SERVICES, count))
        yield [500, 501]
        yield [110, 205]


@pytest.fixture(params=range(4))
def crowd(request: pytest.FixtureRequest) -> Crowd:
    """As their owner, within a transaction that never ends well: no guard, no proposal behind."""
    sql("ALTER TABLE remediation_queueentry DISABLE TRIGGER append_only_update")
    for (name,) in rows(
        "SELECT quote_ident(conname) FROM pg_constraint WHERE contype = 'f'"
        " AND conrelid = 'public.remediation_queueentry'::regclass"
    ):
        sql(f"ALTER TABLE remediation_queueentry DROP CONSTRAINT {name}")
    return Crowd(request.param, 150)


def by_the_rule(seen: Sequence[int], name: str, rule: Q | None = None) -> list[str]:
    """The predicate over all rows, as it stood before there were places by service."""
    start, end = SECTIONS[name]
    found = m.QueueEntry.objects.filter(rule or Q(), place__gte=start, place__lt=end)
    found = found.filter(touched__overlap=list(seen)) if seen else found.none()
    return list(found.order_by("place").values_list("place", flat=True))


def test_rows_that_move_or_are_touched_otherwise_are_followed(crowd: Crowd) -> None:
    assert stale() == []
    keys = list(m.QueueEntry.objects.values_list("pk", flat=True))
    for pk in crowd.dice.sample(keys, 60):
        if crowd.dice.random() < 0.7:
            m.QueueEntry.objects.filter(pk=pk).update(touched=crowd.touched())
        if crowd.dice.random() < 0.7:
            sql("UPDATE remediation_queueentry SET place = remediation.place_v1('in_review', 'low',"
                " now(), now(), now(), proposal_id) WHERE proposal_id = %s", pk)  # fmt: skip
    assert stale() == []
    wide = m.QueueEntry.objects.filter(touched__len__gt=WIDE)
    assert wide.exists()
    assert not m.QueueService.objects.filter(place__in=wide.values("place")).exists()


@pytest.mark.parametrize("most", [1, 7, 40, 500])
def test_ahead_are_the_first_in_order_and_no_other(crowd: Crowd, most: int) -> None:
    """Every narrow one that touches a service, and the wide ones; from any place on."""
    for seen in crowd.people():
        for start, end in (*SECTIONS.values(), ("", "~"), (crowd_place(crowd), ":")):
            found = rows(
                "SELECT * FROM remediation.queue_ahead_v1(%s::bigint[], %s, %s, %s)",
                seen, start, end, most,
            )  # fmt: skip
            wanted = rows(
                "SELECT place::text FROM remediation_queueentry WHERE place > %s AND place < %s"
                f" AND (touched && %s::bigint[] OR cardinality(touched) > {WIDE})"
                " ORDER BY place LIMIT %s",
                start, end, seen, most,
            )  # fmt: skip
            assert found == wanted, (seen, start)


def crowd_place(crowd: Crowd) -> str:
    return crowd.dice.choice(list(m.QueueEntry.objects.values_list("place", flat=True)))


def test_what_is_asked_of_each_row_is_what_the_index_is_asked(crowd: Crowd) -> None:
    for seen in crowd.people():
        by_index = set(visibility.places_of(seen).values_list("pk", flat=True))
        each = m.QueueEntry.objects.filter(visibility.touches(seen))
        assert set(each.values_list("pk", flat=True)) == by_index
    everything = m.QueueEntry.objects.count()
    assert visibility.places_of(None).filter(visibility.touches(None)).count() == everything


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize(
    "narrowed",
    [{}, {"condition": Q(risk="low")}, {"words": Q(words__said="red")}, {"rule": ~Q(target="t1")}],
    ids=["all", "risk", "words", "rule"],
)
def test_a12_page_by_page_everybody_sees_what_the_rule_lets_them(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch, narrowed: dict[str, Q], dense: bool
) -> None:
    monkeypatch.setattr(reading, "STEP", 5)
    monkeypatch.setattr(reading, "FACTOR", 2)
    whole = Q(*narrowed.values())
    for seen in crowd.people():
        for name in SECTIONS:
            found = pages(Lens(seen, flat=True, dense=dense, **narrowed), name)
            assert found == by_the_rule(seen, name, whole), (seen, name)


def pages(lens: Lens, name: str) -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        page = walk.walk(lens, name, 4, after=after)
        found += [place.place for place in page.first]
        after = page.following
        if not after:
            return found


def test_a34_of_each_target_the_most_urgent_that_one_sees_stands_for_it(crowd: Crowd) -> None:
    for seen in crowd.people():
        page = walk.walk(Lens(seen), "review", 500)
        targets = dict(m.QueueEntry.objects.values_list("place", "target"))
        led: dict[str, str] = {}
        for place in by_the_rule(seen, "review"):
            led.setdefault(targets[place] or place, place)
        assert [place.place for place in page.first] == list(led.values())
        assert sum(page.totals.values()) + sum(
            1 for place in page.first if place.target not in page.totals
        ) == len(by_the_rule(seen, "review"))


def test_everybodys_queue_is_read_for_whom_most_of_it_is(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which way is taken changes nothing that is seen (above), only how long it takes."""
    monkeypatch.setattr(reading, "MANY", 3)
    monkeypatch.setattr(reading, "TOO_MANY", 20)
    assert reading.dense(list(crowd.SERVICES))
    assert not reading.dense([600, 601, 602, 603])
    assert reading.dense(list(range(600, 621)))
    assert not reading.dense([1, 2, 3])
    assert not reading.dense(None)


def test_words_are_found_whichever_way_they_are_looked_for(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "STEP", 5)
    monkeypatch.setattr(reading, "FACTOR", 1)
    for word in ("red", "nowhere"):
        rule = Q(words__said=word)
        for name, (start, end) in SECTIONS.items():
            found = m.QueueEntry.objects.filter(rule, place__gte=start, place__lt=end)
            wanted = list(found.order_by("place").values_list("place", flat=True))
            for rare in (frozenset[str](), frozenset(SECTIONS)):
                assert pages(Lens(None, words=rule, flat=True, rare=rare), name) == wanted


def test_rare_is_what_is_not_among_the_first_of_a_section(crowd: Crowd) -> None:
    assert reading.rare("nowhere", SECTIONS) == set(SECTIONS)
    assert reading.rare("red", SECTIONS) == frozenset()
    first = m.QueueEntry.objects.filter(place__lt="2")
    first.update(words=Value("'green':1"))
    assert reading.rare("red", SECTIONS) == {"review"}
    assert reading.rare("red", ["new", "ended"]) == frozenset()
