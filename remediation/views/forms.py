"""Forms of the portal's pages. They check only shape; the services decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth.password_validation import (
    password_validators_help_texts,
    validate_password,
)
from django.utils.translation import gettext_lazy

from remediation.domain.states import CloseReason

CLOSE_TITLES = {
    CloseReason.CONTAINED: gettext_lazy("Contained"),
    CloseReason.FALSE_POSITIVE: gettext_lazy("False positive: nothing happened"),
    CloseReason.ACCEPTED: gettext_lazy("Accepted: the risk is known and accepted"),
    CloseReason.HANDLED_OUTSIDE: gettext_lazy("Handled outside the portal"),
}


class CloseForm(forms.Form):
    """Closes an incident; nothing is preselected."""

    outcome = forms.ChoiceField(
        label=gettext_lazy("Outcome"),
        choices=[
            ("", gettext_lazy("Choose an outcome")),
            *((reason.value, CLOSE_TITLES[reason]) for reason in CloseReason),
        ],
        widget=forms.Select(attrs={"autocomplete": "off"}),
    )
    reason = forms.CharField(
        min_length=10,
        max_length=4_000,
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy(
            "At least 10 characters. Everybody who may see the incident can read it."
        ),
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def __init__(self, *args: Any, contained: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._contained = contained

    def clean_outcome(self) -> str:
        """Refuse "contained" for an incident that is not; the service asks again."""
        outcome: str = self.cleaned_data["outcome"]
        if outcome == CloseReason.CONTAINED and not self._contained:
            raise forms.ValidationError(
                gettext_lazy(
                    "The incident is not contained now. If it was ended outside the portal, choose"
                    " “Handled outside the portal”."
                )
            )
        return outcome


class CommentForm(forms.Form):
    """A comment, and the people that it asks; nobody is chosen beforehand."""

    text = forms.CharField(
        max_length=4_000,
        label=gettext_lazy("Comment or question"),
        help_text=gettext_lazy(
            "It stays on record with your name. Secrets are masked; agents cannot read it."
        ),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    asked = forms.MultipleChoiceField(required=False, label=gettext_lazy("Ask"))

    def __init__(self, *args: Any, people: Sequence[tuple[UUID, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.people = [(str(person), name) for person, name in people]
        asked = self.fields["asked"]
        assert isinstance(asked, forms.MultipleChoiceField)
        asked.choices = self.people

    def typed(self) -> list[tuple[str, str, bool]]:
        """Return whom one can ask, with what was chosen before an error."""
        chosen = set(self.data.getlist("asked")) if hasattr(self.data, "getlist") else set()
        return [(person, name, person in chosen) for person, name in self.people]


class RevealForm(forms.Form):
    """The reason for revealing secrets."""

    reason = forms.CharField(
        min_length=10,
        max_length=500,
        label=gettext_lazy("Why you need to see them"),
        help_text=gettext_lazy(
            "At least 10 characters, no secret. Auditors see it with your name."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class PasskeyForm(forms.Form):
    """The name by which a person recognises a passkey."""

    name = forms.CharField(
        max_length=80,
        label=gettext_lazy("Name of the passkey"),
        help_text=gettext_lazy("For example “Work laptop”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class InviteForm(PasskeyForm):
    """A one-time code, the password that it sets, and the passkey that it enrols."""

    username = forms.CharField(
        max_length=150,
        label=gettext_lazy("Username"),
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    code = forms.CharField(
        max_length=100,
        label=gettext_lazy("One-time code"),
        help_text=gettext_lazy("Valid once, for 15 minutes after the operator created it."),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autocapitalize": "none"}),
    )
    password = forms.CharField(
        max_length=200,
        strip=False,
        label=gettext_lazy("New password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    field_order = ("username", "code", "password", "name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = " ".join(password_validators_help_texts())

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password)
        return password
