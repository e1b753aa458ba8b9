"""Build the page of a person's own settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext, gettext_lazy

from remediation import vocabulary
from remediation.domain.telling import KINDS, Kind
from remediation.models import Delivery, NoticeChannel, User
from remediation.services.outbox.failing import known_channels
from remediation.services.people import choose_notices, enroll, sessions
from remediation.views.account.page import (
    ChannelRow,
    Choice,
    Column,
    KindGroup,
    KindRow,
    SessionRow,
    SettingsPage,
)

GROUPS: Mapping[object, tuple[Kind, ...]] = {
    gettext_lazy("To decide"): (
        Kind.ROUND_OPENED,
        Kind.TIME_PASSES,
        Kind.OVERDUE,
        Kind.NOBODY_CAN_DECIDE,
    ),
    gettext_lazy("For you"): (
        *(Kind.ASSIGNMENT, Kind.UNASSIGNED),
        *(Kind.QUESTION, Kind.ANSWER, Kind.HOW_IT_WENT),
    ),
    gettext_lazy("Incidents"): (
        *(Kind.NEEDS_A_PLAN, Kind.PLAN_OVERDUE, Kind.SECRET_IN_FORCE),
        *(Kind.INCIDENT_REOPENED, Kind.INCIDENT_UNREAD),
    ),
    gettext_lazy("Runs"): (Kind.RESULT, Kind.STILL_OPEN, Kind.NOT_STARTED, Kind.LATE_RESULT),
    gettext_lazy("Alarms"): (Kind.HALT_REFUSED, Kind.UNKNOWN_KEY, Kind.CHANNEL_FAILING),
}
# The first mark that is found counts: Edge and Opera also call themselves Chrome, Chrome Safari.
BROWSERS = (
    *(("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox")),
    *(("Chrome/", "Chrome"), ("Safari/", "Safari")),
)
SYSTEMS = (
    *(("iPhone", "iOS"), ("iPad", "iPadOS"), ("Android", "Android"), ("Windows", "Windows")),
    *(("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux")),
)
SHOWN = {kind for kinds in GROUPS.values() for kind in kinds}


def settings_page(person: User, *, session_key: str, theme: str) -> SettingsPage:
    """Return the person's settings."""
    own = choose_notices.own_channels(person)
    columns = (
        Column(choose_notices.MAIL, gettext("Mail")),
        *(Column(row.name, str(row.carries.get("title") or row.name)) for row in own),
    )
    muted = choose_notices.muted_of(person)
    rest = tuple(kind for kind in Kind if kind not in SHOWN)
    groups = [*GROUPS.items(), *([(gettext("Other"), rest)] if rest else [])]
    return SettingsPage(
        email=person.email,
        columns=columns,
        groups=tuple(
            KindGroup(str(title), tuple(_row(kind, columns, muted) for kind in kinds))
            for title, kinds in groups
        ),
        teams=tuple(_channel(row) for row in _teams(person)),
        mail=_mail(),
        lost=_last_failure(person),
        theme=theme,
        sessions=tuple(
            SessionRow(one.at, browser(one.browser_untrusted), one.current)
            for one in sessions.sessions_of(person, session_key)
        ),
        passkeys=len(enroll.passkeys_of(person)),
    )


def browser(agent: str) -> str:
    """Name browser and system from a User-Agent, in the portal's words; it may be anything."""
    name = next((title for mark, title in BROWSERS if mark in agent), gettext("Another browser"))
    system = next((title for mark, title in SYSTEMS if mark in agent), "")
    if not system:
        return name
    return gettext("%(browser)s on %(system)s") % {"browser": name, "system": system}


def _row(kind: Kind, columns: Sequence[Column], muted: frozenset[str]) -> KindRow:
    about = KINDS[kind]
    return KindRow(
        title=vocabulary.saying(about.choice),
        always=about.always,
        choices=tuple(
            Choice(
                column.title,
                f"{column.name}:{kind}",
                on=about.always or f"{column.name}:{kind}" not in muted,
            )
            for column in columns
        ),
    )


def _teams(person: User) -> list[NoticeChannel]:
    """Return the channels that tell a team of the person; administrators see all."""
    roles = set(person.groups.values_list("name", flat=True))
    return [
        row
        for row in known_channels()
        if row.carries.get("roles")
        and (roles & {"lead", "user_admin"} or roles & set(row.carries["roles"]))
    ]


def _channel(row: NoticeChannel) -> ChannelRow:
    return ChannelRow(
        title=str(row.carries.get("title") or row.name),
        service=row.service,
        roles=tuple(vocabulary.word(role) for role in row.carries.get("roles", ())),
        failing=row.state == "failing",
        problem=row.detail,
        since=row.recorded_at,
    )


def _mail() -> ChannelRow | None:
    row = next((one for one in known_channels() if one.name == choose_notices.MAIL), None)
    return _channel(row) if row is not None and row.state == "failing" else None


def _last_failure(person: User) -> str:
    """Return why the newest message to this person was not delivered; empty when it was."""
    newest = (
        Delivery.objects.filter(telling__person=person.person, channel=choose_notices.MAIL)
        .exclude(outcome="unwanted")
        .order_by("-id")
        .first()
    )
    return newest.detail if newest is not None and newest.outcome in ("failed", "dead") else ""
