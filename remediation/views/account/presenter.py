"""Build the list of a person's passkeys from allauth's rows. Isolates their encoding (CBOR)."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from fido2 import cbor

from remediation.domain.gate.approvers import fingerprint
from remediation.models import User
from remediation.views.account.page import PasskeyRow, PasskeysPage
from remediation.views.forms import PasskeyForm


def passkeys_page(person: User) -> PasskeysPage:
    """Return the person's passkeys, oldest first."""
    found = Authenticator.objects.filter(user=person, type=Authenticator.Type.WEBAUTHN)
    return PasskeysPage(rows=tuple(_row(row) for row in found.order_by("pk")), form=PasskeyForm())


def _row(row: Authenticator) -> PasskeyRow:
    return PasskeyRow(
        id=row.pk,
        name=str(row.data.get("name", "")),
        fingerprint=fingerprint(
            cbor.encode(row.wrap().authenticator_data.credential_data.public_key)
        ),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )
