"""Keys: private files, the environment, commands; and erasure by two people."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from pytest_django import Settings

from audit import signing
from audit.erase import EraseRefused, erase
from audit.models import Entry, Secret
from audit.signing import KeyUnavailable
from audit.tlog.errors import Malformed
from audit.tlog.note import COSIGNATURE, Note, VerifierKey, signed_by
from audit.verifying import verify
from tests.audit.conftest import House
from tests.conftest import _as_login
from tests.every import every


def secret_part(key: str) -> str:
    """Return the Base64 of `PRIVATE+KEY+name+id+base64`; the Base64 may hold a + of its own."""
    return key.split("+", 4)[4]


def test_a_key_signs_what_its_vkey_verifies() -> None:
    secret, vkey = signing.generate("portal.example/audit")
    signer = signing.parse(secret)
    assert str(signer.vkey) == vkey
    note = Note("a text\n", (signer.line("a text\n"),))
    assert signed_by(note, [VerifierKey.parse(vkey)], verify) == (signer.vkey,)
    assert secret_part(secret) not in repr(signer)
    _, cosigning = signing.generate("w", COSIGNATURE)
    assert VerifierKey.parse(cosigning).algorithm == COSIGNATURE


def test_a_key_file_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    secret, vkey = signing.generate("a/b")
    file = tmp_path / "key"
    file.write_text(secret + "\n")
    for mode in (0o644, 0o640, 0o604):
        file.chmod(mode)
        with pytest.raises(KeyUnavailable, match="chmod"):
            signing.load(f"file:{file}")
    file.chmod(0o400)
    assert str(signing.load(f"file:{file}").vkey) == vkey


def test_a_key_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    secret, vkey = signing.generate("a/b")
    monkeypatch.setenv("THE_KEY", secret)
    assert str(signing.load("env:THE_KEY").vkey) == vkey


@every(
    "uri", ["", "x", "file:/nothing", "file:/tmp", "env:NOT_SET", "transit:x", "transit:ftp://a#b"]
)
def test_a_setting_that_names_no_key_is_reported(uri: str) -> None:
    with pytest.raises(KeyUnavailable):
        signing.load(uri)


def test_an_invalid_key_is_not_shown_in_the_error() -> None:
    secret, _ = signing.generate("a/b")
    for bad in (secret[:-3] + "AAA", secret.replace("a/b", "a/c"), "PRIVATE+KEY+a", secret[8:]):
        with pytest.raises(Malformed) as caught:
            signing.parse(bad)
        assert secret_part(secret)[:16] not in str(caught.value)


def test_a_signature_that_does_not_verify_is_not_returned() -> None:
    signer = signing.parse(signing.generate("a/b")[0])
    broken = signing.NoteSigner(signer.vkey, lambda message: bytes(64))
    with pytest.raises(KeyUnavailable):
        broken.line("t\n")


# ---- commands -----------------------------------------------------------------------------------


def test_a_new_key_is_written_once_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "key"
    call_command("audit_key", "generate", "--origin", "a/b", "--out", str(out))
    vkey = capsys.readouterr().out.strip()
    assert out.stat().st_mode & 0o777 == 0o400
    with pytest.raises(CommandError):
        call_command("audit_key", "generate", "--origin", "a/b", "--out", str(out))
    call_command("audit_key", "show", f"file:{out}")
    assert capsys.readouterr().out.strip() == vkey


def test_a_witness_makes_its_key_where_no_portal_has_settings(tmp_path: Path) -> None:
    """On its own machine: no variable, no database; Django is not even set up."""
    out = tmp_path / "witness.key"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hitlportal", "audit_key", *arguments],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )

    made = run("generate", "--witness", "--origin", "witness.example/w1", "--out", str(out))
    assert (made.returncode, made.stderr) == (0, "")
    assert VerifierKey.parse(made.stdout.strip()).algorithm == COSIGNATURE
    assert out.stat().st_mode & 0o777 == 0o400
    assert run("show", f"file:{out}").stdout == made.stdout
    again = run("generate", "--origin", "a/b", "--out", str(out))
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    # Control: the verb that writes an entry still asks for them.
    rotated = run("rotate", "--old", "a", "--new", "b", "--reason", "x")
    assert rotated.returncode == 1
    assert "HITL_" in rotated.stderr


def test_a_rotation_is_on_record(house: House, settings: Settings) -> None:
    old, new = signing.generate("a/b")[1], signing.generate("a/b")[1]
    arguments = ("audit_key", "rotate", "--old", old, "--new", new, "--reason", "yearly")
    with pytest.raises(CommandError, match="worker"):
        call_command(*arguments)
    settings.PROCESS = "worker"
    with _as_login("hitl_worker"):
        call_command(*arguments)
        with pytest.raises(CommandError):
            call_command("audit_key", "rotate", "--old", old, "--new", old, "--reason", "x")
    said = Entry.objects.order_by("-pk")[0].data
    assert said["action"] == "operator:log_key:rotated"
    assert said["data"] == {"old": old, "new": new, "reason": "yearly"}


def test_reopening_names_the_last_trusted_head(
    house: House, settings: Settings, tmp_path: Path
) -> None:
    house.write(1)
    house.integrate()
    seen = tmp_path / "seen"
    seen.write_text(house.head.read() or "")
    new = signing.generate("portal.example/audit-2")[1]
    same = signing.generate("portal.example/audit")[1]
    settings.PROCESS = "worker"
    with _as_login("hitl_worker"):
        given = ("--seen", str(seen), "--out", str(tmp_path / "start"), "--reason", "stolen")
        call_command("audit_reopen", "--vkey", new, *given)
        with pytest.raises(CommandError, match="another one"):
            call_command("audit_reopen", "--vkey", same, *given)
    said = Entry.objects.order_by("-pk")[0].data
    assert said["action"] == "operator:log:reopened"
    assert said["data"]["previous"] == seen.read_text()


# ---- erasure ------------------------------------------------------------------------------------


def hidden(house: House) -> str:
    house.write(
        1, action="person:user:created", object="person:y", private={"email": "ada@example.org"}
    )
    house.integrate()
    return bytes(Secret.objects.get().commitment).hex()


def test_an_erasure_by_two_people_removes_the_value_and_keeps_the_leaf(
    house: House, settings: Settings
) -> None:
    commitment = hidden(house)
    before = house.checkpoint()
    settings.PROCESS = "eraser"
    with _as_login("hitl_eraser"):
        call_command(
            "audit_erase", commitment, "--ground", "GDPR 17", "--by", "Ada", "--second", "Bob"
        )
    assert not Secret.objects.exists()
    said = Entry.objects.order_by("-pk")[0].data
    assert (said["action"], said["data"]["commitments"]) == ("operator:secret:erased", [commitment])
    house.integrate()
    from audit import fsck
    from tests.domain import record

    found = fsck.verify(record.POLICY, seen=before)
    assert (found.opened, found.erased) == (0, 1)


@pytest.mark.parametrize(
    ("by", "second", "ground"),
    [
        ("Ada", "Ada", "x"), ("Ada", " ada ", "x"), ("Ada", "ＡＤＡ", "x"), ("", "Bob", "x"),
        ("Ada", "  ", "x"), ("Ada", "Bob", " "), ("A da", "Ad a", "x"),
    ],
)  # fmt: skip
def test_one_person_or_no_ground_erases_nothing(
    house: House, by: str, second: str, ground: str
) -> None:
    commitment = hidden(house)
    with pytest.raises(EraseRefused):
        erase([commitment], actor="operator:t", ground=ground, by=by, second=second)
    assert Secret.objects.exists()


def test_erasing_an_unknown_commitment_is_refused_and_removes_nothing(house: House) -> None:
    commitment = hidden(house)
    with _as_login("hitl_eraser"):
        for wanted in ([commitment, "ab" * 32], ["no hex"]):
            with pytest.raises(EraseRefused), transaction.atomic():
                erase(wanted, actor="operator:t", ground="x", by="Ada", second="Bob")
    assert Secret.objects.exists()
