"""Say which kinds of identity the inventory holds, and how the locator of each is written."""

from __future__ import annotations

from django.conf import settings

from remediation.domain.catalogue import TARGETS, TargetSpec, is_test
from remediation.domain.catalogue.locators import unescape
from remediation.domain.errors import BadInput, BadValue, UnknownTargetKind
from remediation.domain.plan import parse_target, target_at


def check_locator(kind: str, locator: str) -> None:
    """Refuse a locator that does not have its kind's form. Raises UnknownTargetKind, BadValue."""
    spec = TARGETS.get(kind)
    if spec is None or (is_test(kind) and not settings.ALLOW_TEST_ACTIONS):
        raise UnknownTargetKind(f"{kind!r} is not one of {', '.join(kinds())}")
    try:
        target = target_at(locator, allow_test=settings.ALLOW_TEST_ACTIONS)
    except BadInput:
        raise BadValue(_form_of(spec, locator)) from None
    if target.kind != kind:
        raise BadValue(_form_of(spec, locator))


def _form_of(spec: TargetSpec, locator: str) -> str:
    """Say how a locator of this kind is written; for a name as it is, how that one is."""
    form = f"the locator of a {spec.title} has the form {spec.locator}"
    if not spec.escaped:
        return form
    form += f"; in {', '.join(spec.escaped)} every byte but A-Z a-z 0-9 _ $ . - is percent-encoded"
    # Only the last field can be read out of a locator that is not escaped.
    *others, last = spec.fields
    parts = locator.removeprefix(f"{spec.kind}:").split("/", len(others))
    if len(parts) != len(spec.fields) or last not in spec.escaped or unescape(parts[-1]):
        return form
    try:
        meant = parse_target({"kind": spec.kind, **dict(zip(spec.fields, parts, strict=True))})
    except BadInput:
        return form
    return f"{form}: {meant.locator}"


def kinds() -> tuple[str, ...]:
    """Return the kinds of identity that the inventory may hold."""
    return tuple(k for k in TARGETS if settings.ALLOW_TEST_ACTIONS or not is_test(k))
