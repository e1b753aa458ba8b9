"""Each action that takes access away says what it leaves alive, and what ends that."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from remediation.domain.catalogue import ACTIONS, CatalogueInvalid, Provider, build, is_test, valkey
from remediation.domain.catalogue.lives_on import LivesOn
from tests.every import every

# Words of `ends_sessions` that admit that something goes on.
_GOES_ON = re.compile(r"\b(go(es)? on|unless|keep working|end(s)? no|none of|where asked)\b", re.I)
# They say "ends no session" and refuse every request of one, or refuse to run while one is open.
_ENDS_ALL = {
    "aws.iam_role.deny_session_name",
    "aws.user_keys.discard_key",
    "openbao.approle.destroy_secret_id",
    "openbao.database_role.revoke_credential",
}


def test_every_action_that_takes_access_away_says_what_it_leaves_alive() -> None:
    for kind, spec in ACTIONS.items():
        if spec.removes_access or spec.retires:
            assert spec.lives_on is not None, kind


def test_what_people_read_and_what_is_declared_agree() -> None:
    silent = {
        kind
        for kind, spec in ACTIONS.items()
        if spec.lives_on == () and _GOES_ON.search(spec.ends_sessions) and not is_test(kind)
    }
    assert silent == _ENDS_ALL


def test_what_ends_it_is_one_press_away_or_said_not_to_exist() -> None:
    for kind, spec in ACTIONS.items():
        for one in spec.lives_on or ():
            assert bool(one.none) != bool(one.parameter or one.action), kind
            assert not one.action or one.action in ACTIONS, kind


def off(*lives_on: LivesOn, **changes: Any) -> Provider:
    own = tuple(
        replace(one, lives_on=lives_on, **changes) if one is valkey.DISABLE else one
        for one in valkey.PROVIDER.actions
    )
    return replace(valkey.PROVIDER, actions=own)


OLD = "valkey.user.end_connections"
HERE = {"server": "{server}", "user": "{user}"}


@every(
    ("declared", "says"),
    [
        (off(LivesOn("x", none="none")), "leaves x alive, which no executor reads"),
        (off(LivesOn("connections")), "by a parameter or an action, or it says why not"),
        (off(LivesOn(parameter="end_connections", none="x")), "or it says why not"),
        (off(LivesOn(parameter="other")), "ends by other, which is no truth"),
        (off(LivesOn(action="valkey.user.gone")), "no action that could end"),
        (off(LivesOn(action="valkey.user.enable")), "no action that could end"),
        (off(LivesOn(action="valkey.user.disable")), "no action that could end"),
        (off(LivesOn(action=OLD)), "needs more than a time"),
        (off(LivesOn(action=OLD, before="since")), "has no time since"),
        (off(LivesOn(action=OLD, before="begun_before", target={"user": "x"})), "exactly its f"),
        (
            off(LivesOn(action=OLD, before="begun_before", target={**HERE, "user": "{role}"})),
            "names what its own target does not have",
        ),
        (off(LivesOn(none="none", before="begun_before")), "without an action there is no"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(declared: Provider, says: str) -> None:
    try:
        build((declared,))
    except CatalogueInvalid as error:
        assert says in str(error)
    else:
        raise AssertionError(f"nobody refused: {says}")


def test_who_takes_access_away_cannot_be_silent() -> None:
    own = tuple(
        replace(one, lives_on=None) if one is valkey.DISABLE else one
        for one in valkey.PROVIDER.actions
    )
    try:
        build((replace(valkey.PROVIDER, actions=own),))
    except CatalogueInvalid as error:
        assert "does not say what it leaves alive" in str(error)
    else:
        raise AssertionError("nobody refused it")
