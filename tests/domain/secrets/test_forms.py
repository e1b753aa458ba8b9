"""The texts that the bytes of a finding may stand for."""

from __future__ import annotations

import base64

from remediation.domain.secrets.forms import LONGEST, MOST_FORMS, forms


def test_plain_escaped_and_encoded_forms() -> None:
    assert forms(b"plain-secret-1") == ("plain-secret-1",)
    assert forms(b"p%40ss%2Fword") == ("p%40ss%2Fword", "p@ss/word")
    assert forms(rb"p\u00e4ss\/word") == (r"p\u00e4ss\/word", "päss/word")
    assert "hidden-secret-1" in forms(base64.b64encode(b"hidden-secret-1"))
    assert forms("wide-secret".encode("utf-16-le")) == ("wide-secret",)
    assert forms("wide-secret".encode("utf-16-be")) == ("wide-secret",)


def test_what_is_no_text_or_too_long_has_no_form() -> None:
    assert forms(b"") == () and forms(b"\xff\xfe\xfd") == ()
    assert forms(b"a" * (2 * LONGEST + 1)) == () and forms(b"a" * (LONGEST + 1)) == ()
    assert "\udc80" not in "".join(forms(b"a%80b")) and forms(rb"\ud800x") == (r"\ud800x",)


def test_few_forms_only() -> None:
    assert all(len(forms(text)) <= MOST_FORMS for text in (b"%41\\u0042", b"QUJDREVGR0g="))
