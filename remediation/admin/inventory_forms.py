"""Forms of the inventory's pages. Shape only; the services decide."""

from __future__ import annotations

from typing import Any

from django import forms

from remediation.admin.base import PortalForm, said, yes_no
from remediation.domain.actions import TARGETS
from remediation.models import Dependency, Identity, IdentityVersion, Service, ServiceVersion
from remediation.models.inventory import Criticality, Environment
from remediation.services import inventory
from remediation.services.inventory import IdentityFacts, ServiceFacts

SERVICE_FACTS = tuple(ServiceFacts.__dataclass_fields__)
IDENTITY_FACTS = tuple(IdentityFacts.__dataclass_fields__)


def _choices(values: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [("", "Choose"), *((value, value) for value, _ in values)]


class BasedOnForm(PortalForm):
    """Carries the version that the editor saw, so that nobody's change is lost."""

    based_on = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def start(self, version: ServiceVersion | IdentityVersion | None, *names: str) -> None:
        if version is None:
            return
        self.initial["based_on"] = version.pk
        for name in names:
            self.initial[name] = cell(getattr(version, name))


class ServiceForm(BasedOnForm):
    owner_team = forms.CharField(required=False, max_length=100)
    environment = forms.ChoiceField(choices=_choices(Environment.choices))
    criticality = forms.ChoiceField(choices=_choices(Criticality.choices))
    payment_path = yes_no("Payment path", "Can money move through it?")
    external_partner = yes_no("External partner", "Does a partner depend on it?")
    retired = yes_no("Retired", "A retired service counts for 24 hours more.")

    class Meta:
        model = Service
        fields = ("name",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            newest = self.instance.versions.order_by("-id").first()
            self.start(newest, *SERVICE_FACTS)

    def facts(self) -> ServiceFacts:
        return ServiceFacts(**{name: self.cleaned_data[name] for name in SERVICE_FACTS})


class IdentityForm(BasedOnForm):
    kind = forms.ChoiceField()
    name = forms.CharField(required=False, max_length=200)
    environment = forms.ChoiceField(choices=_choices(Environment.choices))
    owner_team = forms.CharField(required=False, max_length=100)
    retired = yes_no("Retired")

    class Meta:
        model = Identity
        fields = ("kind", "locator")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            newest = self.instance.versions.order_by("-id").first()
            self.start(newest, *IDENTITY_FACTS)
            return
        kinds = inventory.kinds()
        self.fields["kind"] = forms.ChoiceField(
            choices=[("", "Choose"), *((kind, TARGETS[kind].title) for kind in kinds)]
        )
        forms_of_locators = ", ".join(TARGETS[kind].locator for kind in kinds)
        self.fields["locator"].help_text = f"As its kind asks: {forms_of_locators}"

    def facts(self) -> IdentityFacts:
        return IdentityFacts(**{name: self.cleaned_data[name] for name in IDENTITY_FACTS})


class DependencyForm(PortalForm):
    present = yes_no("Present", "No: the source does not need it any more.")

    class Meta:
        model = Dependency
        fields = ("source", "service", "identity")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            del self.fields["present"]
            return
        newest = self.instance.versions.order_by("-id").first()
        self.initial["present"] = said(newest is not None and newest.present)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        ends = [cleaned.get("service"), cleaned.get("identity")]
        if not self.instance.pk and sum(end is not None for end in ends) != 1:
            self.add_error(None, "Name a service or an identity, not both.")
        return cleaned


def cell(value: object) -> object:
    """A value as a form or a table says it."""
    return said(value) if isinstance(value, bool) else value
