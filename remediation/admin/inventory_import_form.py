"""The form of an import: shape and size; the service decides."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from remediation.admin.base import CHOOSE, yes_no
from remediation.domain.intake.reading import FORMATS, File
from remediation.domain.intake.stated import ENVIRONMENTS, Options
from remediation.vocabulary.words import WORDS

MAX_FILES = 50
MAX_BYTES = 2 * 1024 * 1024
TITLES = {
    "backstage": gettext_lazy("Backstage catalogue (catalog-info.yaml)"),
    "kubernetes": gettext_lazy("Kubernetes manifests"),
    "compose": gettext_lazy("docker-compose files"),
    "csv": gettext_lazy("CSV tables"),
}


class _ManyFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class _FilesField(forms.FileField):
    """One or more files, within bounds."""

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        given = data if isinstance(data, list) else [data]
        files: list[UploadedFile[Any]] = [
            super(_FilesField, self).clean(one, initial) for one in given
        ]
        if len(files) > MAX_FILES:
            raise forms.ValidationError(
                gettext("At most %(number)d files.") % {"number": MAX_FILES}
            )
        if sum(one.size or 0 for one in files) > MAX_BYTES:
            raise forms.ValidationError(
                gettext("At most %(size)d MiB together; an operator imports more with %(command)s.")
                % {"size": MAX_BYTES // 2**20, "command": "manage.py inventory_import"}
            )
        return files


class ImportForm(forms.Form):
    """Which files, and what they cannot say themselves; nothing is preselected."""

    format = forms.ChoiceField(
        label=gettext_lazy("Format"),
        choices=[("", CHOOSE), *((one, TITLES.get(one, one)) for one in FORMATS)],
    )
    given = _FilesField(
        label=gettext_lazy("Files"),
        max_length=200,
        widget=_ManyFiles(attrs={"multiple": True}),
        help_text=gettext_lazy("One or more, 2 MiB together."),
    )
    cluster = forms.CharField(
        label=gettext_lazy("Cluster"),
        required=False,
        max_length=63,
        help_text=gettext_lazy("Kubernetes: the cluster that the manifests are of."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    environment = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Environment, where files are silent"),
        choices=[
            ("", gettext_lazy("production, the strictest")),
            *((e, WORDS[e]) for e in ENVIRONMENTS[:2]),
        ],
        help_text=gettext_lazy("Of new services only. Silence never changes what stands."),
    )
    complete = yes_no(
        pgettext_lazy("said of files", "Complete"),
        gettext_lazy(
            "Yes: these files are all there is. Services that they lack retire, and dependencies"
            " between services that they lack end."
        ),
    )

    def asked(self) -> dict[str, Any]:
        """Arguments of `services.inventory_import.prepare`."""
        said = self.cleaned_data
        files = [File(one.name or "file", one.read()) for one in said["given"]]
        options = Options(said["cluster"], said["environment"], said["complete"])
        return {"format": said["format"], "files": files, "options": options}
