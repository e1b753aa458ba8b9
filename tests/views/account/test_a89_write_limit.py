"""A89: a person's writing requests are limited, and what was typed is on the answer."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from pytest_django import Settings

from audit.models import Entry
from hitlportal import write_limit
from tests import factories
from tests.conftest import AsLogin
from tests.views.conftest import Browser

pytestmark = pytest.mark.django_db
WORDS = "a reason <b>that took long to write"
LIMIT = 3


@pytest.fixture
def rita(as_login: AsLogin, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Browser:
    settings.WRITES_PER_MINUTE = LIMIT
    now = write_limit.time.time()
    monkeypatch.setattr(write_limit.time, "time", lambda: now)  # one minute
    return Browser(as_login, factories.person("rita"))


def test_a89_the_fourth_request_of_a_minute_is_refused_with_what_was_typed(
    rita: Browser, as_login: AsLogin
) -> None:
    for _ in range(LIMIT):
        assert rita.post("queue", reason=WORDS).status_code != 429
    answer = rita.post("queue", reason=WORDS, oldpassword="hunter2")
    assert answer.status_code == 429 and 1 <= int(answer.headers["Retry-After"]) <= 60
    page = answer.content.decode()
    assert "a reason &lt;b&gt;that took long to write" in page and "hunter2" not in page
    told = rita.send("queue", body={"reason": WORDS})
    assert told.status_code == 429 and json.loads(told.content)["name"] == "throttled"
    assert rita.get("queue").status_code == 200  # reading goes on
    other = Browser(as_login, factories.person("sam"))
    assert other.post("queue").status_code != 429
    # The refusals of one person are one entry a minute.
    counted = [e for e in Entry.objects.all() if e.data["action"] == "system:refusals:counted"]
    assert len(counted) == 1


@pytest.mark.parametrize("name", sorted(write_limit.ALWAYS))
def test_a89_a_used_up_limit_keeps_nobody_from_halting_or_signing_out(
    rita: Browser, name: str
) -> None:
    for _ in range(LIMIT + 1):
        rita.post("queue")
    args = () if name == "account_logout" else (uuid4(),)
    assert rita.post(name, *args).status_code != 429
    assert rita.post("queue").status_code == 429 or name == "account_logout"


def test_a89_without_the_guard_nothing_is_refused(rita: Browser, settings: Settings) -> None:
    guard = "hitlportal.write_limit.WriteLimitMiddleware"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != guard]
    for _ in range(LIMIT + 2):
        assert rita.post("queue", reason=WORDS).status_code != 429
