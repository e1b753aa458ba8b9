"""Forms of the inventory's pages. They check the shape; services decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from remediation import vocabulary
from remediation.admin.base import CHOOSE, PortalForm, yes_no, yes_or_no
from remediation.domain.catalogue import TARGETS
from remediation.domain.errors import BadInput
from remediation.domain.intake.stated import NOWHERE, write_period
from remediation.domain.intake.stated import period as read_period
from remediation.models import Dependency, Identity, IdentityVersion, Service, ServiceVersion
from remediation.models.inventory import Criticality, Environment, TakesBy
from remediation.services.inventory import identity_kinds
from remediation.services.inventory.consumer_facts import ConsumerFacts
from remediation.services.inventory.facts import IdentityFacts, ServiceFacts
from remediation.templatetags.portal import span
from remediation.vocabulary.words import WORDS

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SERVICE_FACTS = tuple(ServiceFacts.__dataclass_fields__)
IDENTITY_FACTS = tuple(IdentityFacts.__dataclass_fields__)
CONSUMER_FACTS = ("seen_as", "period", "takes_by")


def _choices(values: list[tuple[str, str]]) -> list[tuple[str, StrOrPromise]]:
    return [("", CHOOSE), *((value, WORDS[value]) for value, _ in values)]


class BasedOnForm(PortalForm):
    """A form with the version that the editor saw, so that no concurrent change is lost."""

    based_on = forms.IntegerField(
        label=gettext_lazy("Based on"), required=False, widget=forms.HiddenInput
    )

    def start(self, version: ServiceVersion | IdentityVersion | None, *names: str) -> None:
        if version is None:
            return
        self.initial["based_on"] = version.pk
        for name in names:
            self.initial[name] = cell(getattr(version, name))


class ServiceForm(BasedOnForm):
    owner_team = forms.CharField(label=gettext_lazy("Owner team"), required=False, max_length=100)
    environment = forms.ChoiceField(
        label=gettext_lazy("Environment"), choices=_choices(Environment.choices)
    )
    criticality = forms.ChoiceField(
        label=gettext_lazy("Criticality"), choices=_choices(Criticality.choices)
    )
    payment_path = yes_no(gettext_lazy("Payment path"), gettext_lazy("Can money move through it?"))
    external_partner = yes_no(
        gettext_lazy("External partner"), gettext_lazy("Does a partner depend on it?")
    )
    retired = yes_no(
        gettext_lazy("Retired"), gettext_lazy("Retirement takes effect after 24 hours.")
    )

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
    kind = forms.ChoiceField(label=gettext_lazy("Kind"))
    name = forms.CharField(label=gettext_lazy("Name"), required=False, max_length=200)
    environment = forms.ChoiceField(
        label=gettext_lazy("Environment"), choices=_choices(Environment.choices)
    )
    owner_team = forms.CharField(label=gettext_lazy("Owner team"), required=False, max_length=100)
    retired = yes_no(gettext_lazy("Retired"))

    class Meta:
        model = Identity
        fields = ("kind", "locator")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            newest = self.instance.versions.order_by("-id").first()
            self.start(newest, *IDENTITY_FACTS)
            return
        kinds = identity_kinds.kinds()
        self.fields["kind"] = forms.ChoiceField(
            label=gettext_lazy("Kind"),
            choices=[
                ("", CHOOSE),
                *((kind, vocabulary.saying(TARGETS[kind].title)) for kind in kinds),
            ],
        )
        self.fields["locator"].help_text = gettext(
            "The form depends on the kind: %(forms)s. Percent-encode each byte of %(fields)s other"
            " than letters, digits and _ $ . - (%(space)s for a space)."
        ) % {
            "forms": ", ".join(TARGETS[kind].locator for kind in kinds),
            "fields": ", ".join(
                f"{kind} {{{name}}}" for kind in kinds for name in TARGETS[kind].escaped
            ),
            "space": "%20",
        }

    def facts(self) -> IdentityFacts:
        return IdentityFacts(**{name: self.cleaned_data[name] for name in IDENTITY_FACTS})


class DependencyForm(PortalForm):
    present = yes_no(gettext_lazy("Present"), gettext_lazy("No: the source no longer needs it."))
    seen_as = forms.CharField(
        label=gettext_lazy("Seen as"),
        help_text=gettext_lazy(
            "What the target's records show of the source: an application name, a role, an address."
        ),
        required=False,
        max_length=200,
    )
    period = forms.CharField(
        label=gettext_lazy("Longest time between two uses"),
        help_text=gettext_lazy(
            "For example 15m, 24h or 31d; 0 if it always holds a connection. Empty counts as 31d."
        ),
        required=False,
        max_length=12,
    )
    takes_by = forms.ChoiceField(
        label=gettext_lazy("Takes a new value by"),
        choices=[("", gettext_lazy("not known")), *_choices(TakesBy.choices)[1:]],
        required=False,
    )

    class Meta:
        model = Dependency
        fields = ("source", "service", "identity")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            del self.fields["present"]
            return
        if self.instance.identity is None:
            for name in CONSUMER_FACTS:
                del self.fields[name]
        newest = self.instance.versions.order_by("-id").first()
        self.initial["present"] = yes_or_no(newest is not None and newest.present)
        if newest is not None:
            self.initial["seen_as"] = newest.seen_as
            self.initial["period"] = (
                "" if newest.period_s is None else write_period(newest.period_s)
            )
            self.initial["takes_by"] = newest.takes_by

    def clean_period(self) -> int | None:
        text = self.cleaned_data["period"].strip()
        try:
            return read_period(text, NOWHERE) if text else None
        except BadInput:
            raise forms.ValidationError(
                gettext("A time such as 0, 90s, 15m, 24h or 31d, at most 400d.")
            ) from None

    def consumer(self) -> ConsumerFacts:
        """Return how the source uses the identity; nothing where the form does not ask it."""
        said = self.cleaned_data
        return ConsumerFacts(said.get("seen_as", ""), said.get("period"), said.get("takes_by", ""))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        ends = [cleaned.get("service"), cleaned.get("identity")]
        if not self.instance.pk and sum(end is not None for end in ends) != 1:
            self.add_error(None, gettext("Name a service or an identity, not both."))
        return cleaned


def cell(value: object) -> object:
    """Return a value as a form's field stores it."""
    return yes_or_no(value) if isinstance(value, bool) else value


def describe_value(value: object) -> object:
    """Return a value in words, for a table; a number is a length of time."""
    if value is None:
        return "—"
    if isinstance(value, int) and not isinstance(value, bool):
        return span(value)
    return vocabulary.word(cell(value))
