"""The form of an import. It checks shape and size; the service decides."""

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
    """One or more files, limited in number and size."""

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
                gettext(
                    "At most %(size)d MiB together; an operator can import more with %(command)s."
                )
                % {"size": MAX_BYTES // 2**20, "command": "manage.py inventory_import"}
            )
        return files


class ImportForm(forms.Form):
    """The files and the facts they do not contain; nothing is preselected."""

    format = forms.ChoiceField(
        label=gettext_lazy("Format"),
        choices=[("", CHOOSE), *((one, TITLES.get(one, one)) for one in FORMATS)],
    )
    given = _FilesField(
        label=gettext_lazy("Files"),
        max_length=200,
        widget=_ManyFiles(attrs={"multiple": True}),
        help_text=gettext_lazy("One or more files, at most 2 MiB together."),
    )
    cluster = forms.CharField(
        label=gettext_lazy("Cluster"),
        required=False,
        max_length=63,
        help_text=gettext_lazy("For Kubernetes: the cluster of the manifests."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    environment = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Default environment"),
        choices=[
            ("", gettext_lazy("production, the strictest")),
            *((e, WORDS[e]) for e in ENVIRONMENTS[:2]),
        ],
        help_text=gettext_lazy(
            "For new services whose file names none. Existing services keep theirs."
        ),
    )
    complete = yes_no(
        pgettext_lazy("files", "Complete"),
        gettext_lazy(
            "Yes: the files list everything. Services missing in them are retired, and missing"
            " dependencies between services are removed."
        ),
    )

    def asked(self) -> dict[str, Any]:
        """Return the arguments of `services.inventory.import_files.prepare`."""
        data = self.cleaned_data
        files = [File(one.name or "file", one.read()) for one in data["given"]]
        options = Options(data["cluster"], data["environment"], data["complete"])
        return {"format": data["format"], "files": files, "options": options}
