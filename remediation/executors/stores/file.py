"""Deliver to files on the worker's host, or on a volume that consumers mount.

[store.<name>]
kind = "file"
directory = "/srv/credentials"  owned by the worker's account, and writable by it alone
owner = "orders"                optional: the account of the files; needs a worker with CAP_CHOWN
group = "orders"                optional: their group; the worker must be a member
mode = "0400"                   optional: 0400 with an owner, else 0440; nothing for others
allow                           see stores/section.py

A place `path` is a directory below it. Consumers read `path/current/<field>`, for example
`orders/database/current/password`:

    versions/<version>.<random>/<field>   one file for each field, complete before a link names it
    staged, current, previous             links to a version; each changes by one call

Consumers that keep a file open, or copied it, do not see a change: they open `current` anew.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.store_place import is_version_name
from remediation.executors.base import Deadline
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.secret import SecretValue
from remediation.executors.section import Section, TargetsFileInvalid
from remediation.executors.stores.file_tree import (
    CURRENT,
    FIELD,
    PREVIOUS,
    STAGED,
    VERSIONS,
    fetched_at,
    link_of,
    note_of,
    point,
    read_value,
    sync,
    target_of,
    version_at,
    version_of,
    write_new,
)
from remediation.executors.stores.store import (
    Held,
    PromotedByOther,
    Staged,
    StagedByOther,
    Store,
    StoreUnavailable,
    StoreUnknown,
)

# Beside the fields of a version; no field has such a name.
MADE_BY, BASE = ".made_by", ".base"
RESERVED = frozenset({CURRENT, STAGED, PREVIOUS, VERSIONS})


@dataclass(frozen=True)
class FileStore(Store):
    """One directory."""

    kind: ClassVar[str] = "file"
    directory: Path
    owner: str = ""
    group: str = ""
    mode: int = 0o400

    def look(self, path: str) -> Held:
        try:
            place = self._place(path)
            staged = version_at(place / STAGED)
            return Held(
                promoted=version_at(place / CURRENT),
                staged=Staged(staged, note_of(place / STAGED, MADE_BY)) if staged else None,
                previous=version_at(place / PREVIOUS),
                fetched_at=fetched_at(place),
            )
        except (OSError, StoreUnavailable) as error:
            raise TargetUnobservable(f"store {self.name}: {_words(error)}") from None

    def stage(
        self,
        clearance: Clearance,
        path: str,
        staged: Staged,
        value: SecretValue,
        deadline: Deadline,
    ) -> None:
        with self._changing(clearance, deadline):
            place = self._place(path)
            self._make_directories(place / VERSIONS)
            written = self._write(place, staged, value)
            try:
                (place / STAGED).symlink_to(Path(VERSIONS) / written.name)
            except FileExistsError:
                shutil.rmtree(written)
                found = version_at(place / STAGED)
                raise StagedByOther(
                    f"store {self.name}: version {found} is staged,"
                    f" made by {note_of(place / STAGED, MADE_BY) or 'somebody else'}"
                ) from None
            sync(place)

    def read_staged(
        self, clearance: Clearance, path: str, deadline: Deadline
    ) -> tuple[Staged, SecretValue] | None:
        with self._changing(clearance, deadline):
            place = self._place(path)
            version = version_at(place / STAGED)
            if not version:
                return None
            return Staged(version, note_of(place / STAGED, MADE_BY)), read_value(place / STAGED)

    def read(
        self, clearance: Clearance, path: str, version: str, deadline: Deadline
    ) -> SecretValue | None:
        with self._changing(clearance, deadline):
            link = link_of(self._place(path), version)
            return read_value(link) if link is not None else None

    def promote(self, clearance: Clearance, path: str, version: str, deadline: Deadline) -> None:
        with self._changing(clearance, deadline):
            place = self._place(path)
            if version_at(place / CURRENT) != version:
                self._switch(place, self._refuse_to_promote(place, version))
            if target_of(place / STAGED) == target_of(place / CURRENT):
                (place / STAGED).unlink()
            self._prune(place)

    def discard(self, clearance: Clearance, path: str, version: str, deadline: Deadline) -> None:
        with self._changing(clearance, deadline):
            place = self._place(path)
            if version_at(place / CURRENT) == version:
                raise StoreUnavailable(f"store {self.name}: version {version} is promoted")
            for link in (place / STAGED, place / PREVIOUS):
                if version_at(link) == version:
                    directory = place / VERSIONS / target_of(link)
                    # After a crash here `promote` deletes what no link names.
                    link.unlink()
                    with contextlib.suppress(FileNotFoundError):
                        shutil.rmtree(directory)
            if place.is_dir():
                sync(place)

    def _place(self, path: str) -> Path:
        """Return the place's directory. Raises StoreUnavailable if it cannot be one."""
        if RESERVED & set(path.split("/")):
            raise StoreUnavailable(f"store {self.name}: {path} has a reserved name")
        found = self.directory.stat()
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise StoreUnavailable(
                f"store {self.name}: {self.directory} must belong to the worker's account, and"
                " nobody else may write there"
            )
        return self.directory / path

    @contextmanager
    def _changing(self, clearance: Clearance, deadline: Deadline) -> Iterator[None]:
        refuse_without_clearance(clearance)
        if deadline.passed:
            raise StoreUnavailable(f"store {self.name}: no time is left")
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(f"store {self.name}: {_words(error)}") from None
        except UnicodeDecodeError:  # its text quotes the bytes
            raise StoreUnavailable(f"store {self.name}: what it holds is no UTF-8") from None

    def _make_directories(self, directory: Path) -> None:
        """Create the directories that consumers may enter, and only the group may list."""
        for each in reversed([directory, *directory.parents]):
            if each.is_relative_to(self.directory) and each != self.directory:
                with contextlib.suppress(FileExistsError):
                    each.mkdir(mode=0o700)
                    self._let_in(each)
                    sync(each.parent)

    def _let_in(self, directory: Path) -> None:
        if self.group:
            shutil.chown(directory, group=self.group)
        directory.chmod(0o750 if self.group and not self.owner else 0o711)

    def _write(self, place: Path, staged: Staged, value: SecretValue) -> Path:
        """Write a version that no link names yet; after a crash `promote` deletes it."""
        draft = place / VERSIONS / f"{staged.version}.{uuid4().hex}"
        draft.mkdir(mode=0o700)
        try:
            fields = {**read_value(place / CURRENT).reveal_all(), **value.reveal_all()}
            for name, text in fields.items():
                if not FIELD.match(name):
                    raise StoreUnavailable(f"store {self.name}: a field cannot be a file's name")
                self._write_file(draft / name, text)
            write_new(draft / MADE_BY, staged.made_by, 0o400)
            write_new(draft / BASE, target_of(place / CURRENT), 0o400)
            self._let_in(draft)
            sync(draft)
            sync(draft.parent)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return draft

    def _write_file(self, path: Path, text: str) -> None:
        write_new(path, text, self.mode)
        if self.owner or self.group:
            shutil.chown(path, self.owner or None, self.group or None)  # type: ignore[arg-type]

    def _refuse_to_promote(self, place: Path, version: str) -> Path:
        """Return the link of the version to promote."""
        link = link_of(place, version)
        if link is None or read_value(link).is_empty:
            raise StoreUnavailable(f"store {self.name}: version {version} is not there, or empty")
        if link.name == STAGED and note_of(link, BASE) != target_of(place / CURRENT):
            raise PromotedByOther(
                f"store {self.name}: somebody promoted {version_at(place / CURRENT) or 'nothing'}"
                f" since version {version} was staged"
            )
        return link

    def _switch(self, place: Path, link: Path) -> None:
        before, after = target_of(place / CURRENT), target_of(link)
        try:
            if before:
                point(place / PREVIOUS, before)
            point(place / CURRENT, after)
            sync(place)
        except OSError as error:
            raise StoreUnknown(f"store {self.name}: {_words(error)}") from None

    def _prune(self, place: Path) -> None:
        """Delete the portal's own versions that no link names: old values that nobody reads."""
        kept = {target_of(place / link) for link in (CURRENT, STAGED, PREVIOUS)}
        for version in (place / VERSIONS).iterdir():
            if is_version_name(version_of(version.name)) and version.name not in kept:
                shutil.rmtree(version)


def read_section(section: Section, name: str) -> FileStore:
    owner = section.text("owner") if section.has("owner") else ""
    group = section.text("group") if section.has("group") else ""
    mode = section.text("mode") if section.has("mode") else ("0400" if owner else "0440")
    if not re.fullmatch(r"0[0-7]{3}", mode) or int(mode, 8) & 0o337:
        raise TargetsFileInvalid(f"store {name}: mode lets others in, or lets files change")
    return FileStore(name, section.path("directory"), owner, group, int(mode, 8))


def _words(error: Exception) -> str:
    """Return what happened; the text of an OSError has a path, and never what a file holds."""
    return str(error) if not isinstance(error, OSError) else f"{error.strerror}: {error.filename}"
