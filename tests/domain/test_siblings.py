"""The kin of an identity: its holder, and other credentials of that holder."""

from __future__ import annotations

from remediation.domain.siblings import holder, prefixes

KEY = "aws.iam.access_key:123456789012/deploy/AKIAIOSFODNN7EXAMPLE"
USER = "aws.iam.user:123456789012/deploy"


def test_keys_of_one_user_stand_beside_each_other() -> None:
    assert prefixes(KEY) == ("aws.iam.access_key:123456789012/deploy/",)
    assert holder(KEY) == USER


def test_a_user_holds_its_keys() -> None:
    assert prefixes(USER) == ("aws.iam.access_key:123456789012/deploy/",)
    assert holder(USER) == ""


def test_what_nobody_holds_has_no_kin() -> None:
    for locator in ("test.target:t1", "unknown", "", "x:y/z", "aws.iam.role:123456789012/ops"):
        assert (prefixes(locator), holder(locator)) == ((), "")
