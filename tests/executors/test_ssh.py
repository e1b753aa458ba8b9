"""Keys of an account at a real sshd: what is cut, what stays, and which rights that takes."""

from __future__ import annotations

import base64
import fcntl
import os
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_ssh_private_key,
)

from audit.tlog.canonical import Json
from remediation.domain import plan as plans
from remediation.domain.errors import BadInput, TargetUnobservable
from remediation.domain.observation import Observation
from remediation.executors import ssh_host
from remediation.executors.base import Candidate, Deadline, Settled
from remediation.executors.errors import NotApplied, OutcomeUnknown, RollbackFailed
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_secret_in_force,
    run_tighten,
    run_traces,
    run_verify,
)
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from tests.executors.contract import clearance, make_plan
from tests.executors.ssh import ACCOUNT, HOST, Pair, SshPlace, SshWorld, program

REMOVE, RESTORE = "ssh.authorized_key.remove", "ssh.authorized_key.restore"


@pytest.fixture
def world(tmp_path: Path, ssh_place: SshPlace) -> SshWorld:
    ssh_place.configure()
    return SshWorld(REMOVE, tmp_path, ssh_place)


def run(world: SshWorld, action: str = REMOVE, **parameters: bool) -> None:
    """Observe, check, apply and verify, as a run does."""
    plan, targets = make_plan(action, world.target, {**parameters}), world.targets()
    seen = run_observe(plan.steps[0], targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    run_verify(clearance(plan), plan.body, 0, targets)


def until(seen: Any) -> None:
    give_up = time.monotonic() + 10
    while not seen():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def alive(client: Any) -> bool:
    """Return whether an open connection still takes a new command."""
    try:
        _, out, _ = client.exec_command("echo yes", timeout=5)
        return bool(out.read() == b"yes\n")
    except Exception:
        return False


def test_only_the_keys_lines_go_and_they_come_back_as_they_were(world: SshWorld) -> None:
    world.place.files[0].chmod(0o640)
    os.setxattr(world.place.files[0], "user.note", b"kept")
    before = world.place.files[0].stat()
    run(world)
    rest = world.place.files[0].read_bytes()
    assert rest == world.before.replace(f"{world.pair.line} ci@build\n".encode(), b"")
    assert world.place.lets_in(world.other) and not world.place.lets_in(world.pair)
    run(world, RESTORE)
    after = world.place.files[0].stat()
    assert world.place.files[0].read_bytes() == world.before
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert os.getxattr(world.place.files[0], "user.note") == b"kept"
    assert world.place.lets_in(world.pair)
    assert sorted(path.name for path in world.place.directory.glob("authorized_keys*")) == [
        "authorized_keys",
        "authorized_keys2",
    ]


def _renamed(blob: str, name: str) -> str:
    """Return the bytes of a key with another name of its type in them."""
    raw = base64.b64decode(blob)
    named = paramiko.Message()
    named.add_string(name)
    return base64.b64encode(named.asbytes() + raw[4 + int.from_bytes(raw[:4], "big") :]).decode()


def odd_files(world: SshWorld) -> dict[str, tuple[bytes, bytes, bool]]:
    """Return files, what of each stays, and whether sshd lets the key in for it."""
    key, other = world.pair.line, f"{world.other.line} other\n"
    kind, blob = key.split()
    long = "x" * 300_000
    gone: dict[str, tuple[str, str, bool]] = {
        "a comment": (f"{key} a b  c\n", "", True),
        "blanks": (f" \t{kind} \t {blob}\n", "", True),
        "options": (f'command="echo \\"hi\\" #",no-pty {key}\n', "", True),
        "an address": (f'from="127.0.0.1,::1" {key}\n', "", True),
        "an address elsewhere": (f'from="10.1.1.1" {key}\n', "", False),
        "no last newline": (f"# a\n{key}", "# a\n", True),
        "crlf": (f"# a\r\n{key}\r\n{other}", f"# a\r\n{other}", True),
        "old mac": (f"{key} a\r{world.other.line}\n", "", True),
        "twice": (f"{key}\n{other}{key} again\n", other, True),
        "long": (f"# {long}\n{key} {long}\n{other}", f"# {long}\n{other}", True),
        "nul": (f"{key}\0junk\n{other}", other, True),
        "a mark": (f"\ufeff{key}\n{other}", other, False),
        "a bad option": (f"nonsense {key}\n", "", False),
        "a short name inside": (f"{kind} {_renamed(blob, 'eD25519')}\n", "", True),
    }
    stays = {
        "authority": f"cert-authority {key}\n",
        "authority in capitals": f'CERT-AUTHORITY,principals="a" {key}\n',
        "commented out": f"#{key}\n",
        "another type": f"ssh-rsa {blob}\n",
        "quoted": f'command="{key}" {world.other.line}\n',
        "an open quote": f'command="{key}\n',
        "cut": f"{key[:-3]}\n",
        "no words": "\n \t\n\r\n",
    }
    found = {name: (a.encode(), b.encode(), c) for name, (a, b, c) in gone.items()}
    return found | {name: (text.encode(), text.encode(), False) for name, text in stays.items()}


def test_lines_are_read_as_sshd_reads_them(world: SshWorld) -> None:
    """The real sshd judges each file, before and after; the rest stays byte for byte."""
    place = world.place
    for name, (raw, rest, lets_in) in odd_files(world).items():
        place.files[0].write_bytes(raw)
        assert place.lets_in(world.pair) is lets_in, name
        said = place.ask("operate", world.request("remove"))
        assert said.get("refused") == ("no_such_key" if raw == rest else None), name
        assert place.files[0].read_bytes() == rest, name
        if raw != rest:
            assert not place.lets_in(world.pair), name
            place.ask("operate", world.request("restore"))
        assert place.files[0].read_bytes() == raw, name


def test_a_longer_number_and_other_names_of_its_type_do_not_hide_a_key(world: SshWorld) -> None:
    """sshd drops leading zeros of an RSA key's numbers, takes names of its signatures for it, and
    logs the fingerprint without all that."""
    rsa = paramiko.RSAKey.generate(2048)
    long = paramiko.Message()
    long.add_string("RSA")
    numbers = rsa.key.public_key().public_numbers()
    for number in (numbers.e, numbers.n):
        size = number.bit_length() // 8 + 3
        long.add_string(number.to_bytes(size, "big"))
    world.place.files[0].write_text(f"rsa-sha2-512 {base64.b64encode(long.asbytes()).decode()}\n")
    client = paramiko.SSHClient()
    client.load_system_host_keys(str(world.place.directory / "known_hosts"))
    client.connect(
        "127.0.0.1", world.place.port, ACCOUNT, pkey=rsa, allow_agent=False, look_for_keys=False
    )
    client.close()
    request = {**world.request("remove"), "fingerprint": rsa.fingerprint}
    assert rsa.fingerprint in world.place.log.read_text()
    assert world.place.ask("operate", request)["changed"] == [str(world.place.files[0])]
    assert world.place.files[0].read_bytes() == b""


def test_links_and_files_that_others_can_write_are_refused(world: SshWorld) -> None:
    place, path, raw = world.place, world.place.files[0], world.before
    away, inner = place.directory / "away", place.directory / "inner"

    def link() -> None:
        path.rename(away)
        path.symlink_to(away)

    def loose(mode: int, of: Path) -> Any:
        return lambda: of.chmod(mode)

    cases = {
        "link_or_unreadable": [link],
        "others_can_write": [loose(0o620, path), loose(0o602, path), loose(0o770, place.directory)],
        "not_one_regular_file": [lambda: away.hardlink_to(path), lambda: _made(os.mkfifo, path)],
        "too_large": [lambda: path.write_bytes(b"#" * 1_100_000)],
    }
    for why, each in cases.items():
        for make in each:
            make()
            said = place.ask("operate", world.request("remove"))
            assert (said["refused"], said["changed"]) == (why, []), why
            place.directory.chmod(0o700)
            for left in (path, away):
                left.unlink(missing_ok=True)
            path.write_bytes(raw)
            path.chmod(0o600)
    _made(os.mkdir, path)
    assert place.ask("operate", world.request("remove"))["refused"] == "not_one_regular_file"
    path.rmdir()
    path.write_bytes(raw)
    inner.symlink_to(place.directory)
    place.configure(accounts={ACCOUNT: [str(inner / path.name)]})
    request = {**world.request("remove"), "files": [str(inner / path.name)]}
    assert place.ask("operate", request)["refused"] == "link_or_unreadable"
    inner.unlink()
    assert path.read_bytes() == raw


def _made(make: Any, path: Path) -> None:
    path.unlink()
    make(path)


def test_with_one_right_less_nothing_is_changed(world: SshWorld, tmp_path: Path) -> None:
    """What the host's own list does not name, the operator's login cannot do there."""
    place, plan, before = world.place, world.plan(), world.look()
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    cases: dict[str, dict[str, object]] = {
        "list does not name the account": {"accounts": {"another": ["/a"]}},
        "names other files": {"accounts": {ACCOUNT: [str(place.files[0])]}},
        "cannot write its directory": {"state": str(loose)},
        "log of sshd": {"logs": [str(tmp_path / "no.log")]},
        "is not named": {"logs": []},
    }
    for why, changes in cases.items():
        place.configure(**changes)
        with pytest.raises(NotApplied, match=why):
            run_apply(clearance(plan), plan.body, 0, world.targets())
        assert world.look() == before, why
    place.configure(accounts={"no-such-account": [str(path) for path in place.files]})
    with pytest.raises(NotApplied):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    place.configure()
    # The observer's login runs the same program, which then changes nothing.
    for what in ("remove", "restore", "end", "", "read; id"):
        assert place.ask("observe", world.request(what))["refused"] == "not_allowed"
    assert world.look() == before
    run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.look() != before


def test_the_operators_login_runs_this_program_and_nothing_else(world: SshWorld) -> None:
    client = world.place.connect(world.place.operate)
    try:
        hostile = ["/bin/sh -c 'echo hacked'", "read $(echo hacked)", ""]
        for command in hostile:
            channel = client.get_transport().open_session()
            channel.exec_command(command)
            channel.sendall(b'{"do": "$(echo hacked)", "account": "`echo hacked`"}')
            channel.shutdown_write()
            said = channel.makefile().read()
            assert said == b'{"refused": "account_not_listed", "file": "", "changed": []}'
        for wrong in (b"", b"[]", b"{", b"\xff", b"[" * 70_000):
            channel = client.get_transport().open_session()
            channel.exec_command("x")
            channel.sendall(wrong)
            channel.shutdown_write()
            assert b"account_not_listed" in channel.makefile().read()
        with pytest.raises(paramiko.ChannelException):
            client.get_transport().open_channel("direct-tcpip", ("127.0.0.1", 1), ("", 0))
        with pytest.raises(paramiko.SSHException):
            client.get_transport().open_session().get_pty()
    finally:
        client.close()


def test_sessions_of_the_key_end_where_the_plan_says_so_and_no_others(world: SshWorld) -> None:
    place, plan, targets = world.place, make_plan(REMOVE, world.target, {}), world.targets()
    mine, other = place.connect(world.pair), place.connect(world.other)
    mine.exec_command("sleep 31.4159")
    run_apply(clearance(plan), plan.body, 0, targets)
    # A key is asked for at sign-in only: what is open takes new commands without it.
    assert not place.lets_in(world.pair) and alive(mine)
    seen = run_observe(plan.steps[0], targets)
    assert (seen.state["status"], seen.shown["sessions"]) == ("removed", 1)
    assert [p.without_access for p in executor_of(plan.steps[0]).points(plan.steps[0], seen)] == [
        False
    ]
    assert run_traces(plan.steps[0], targets) == {}

    ends = make_plan(REMOVE, world.target, {"end_sessions": True})
    step = ends.steps[0]
    [told] = run_traces(step, targets)["sessions"]  # type: ignore[misc,union-attr]
    assert isinstance(told, dict) and told["address"] == "127.0.0.1"
    assert "sleep" in str(told["command"]) and "31.4159" not in str(told)
    assert str(told["since"])[:2] == "20"
    assert executor_of(step).left_open(step, seen) == ("1 open sessions of the key",)
    assert run_tighten(clearance(ends), ends.body, 0, targets).detail["ended"] == 1
    assert not alive(mine) and alive(other)
    run_verify(clearance(ends), ends.body, 0, targets)
    seen = run_observe(step, targets)
    assert [p.without_access for p in executor_of(step).points(step, seen)] == [True]
    # What the docs say: a command without a terminal outlives its session.
    assert subprocess.run(["pkill", "-f", "sleep 31.4159"], check=False).returncode == 0
    mine.close()
    other.close()


def test_a_session_that_no_log_names_is_said_to_be_of_an_unknown_key(world: SshWorld) -> None:
    place, targets = world.place, world.targets()
    held = place.connect(world.pair)
    place.configure(logs=[])
    seen = run_observe(world.step, targets)
    assert seen.shown["sessions"] is None and seen.shown["unknown_sessions"] is None
    rotated = place.write("rotated.log", "")
    ports = [place.port, place.own_port]
    place.configure(logs=[str(rotated)], ports=ports)
    place.ask("operate", world.request("remove"))
    seen = run_observe(world.step, targets)
    # The worker's own call of this moment is no session of the account.
    assert (seen.shown["sessions"], seen.shown["unknown_sessions"]) == (0, 1)
    assert [p.without_access for p in executor_of(world.step).points(world.step, seen)] == [None]
    plan = make_plan(REMOVE, world.target, {"end_unknown": True})
    run_apply(clearance(plan), plan.body, 0, targets)
    assert not alive(held)
    run_verify(clearance(plan), plan.body, 0, targets)
    held.close()


def test_lines_of_the_log_that_others_wrote_do_not_count(world: SshWorld) -> None:
    """A name in the middle of a line of sshd cannot look like a sign-in; a whole line is one."""
    held, place = world.place.connect(world.pair), world.place
    [line] = [one for one in place.log.read_text().splitlines() if world.pair.fingerprint in one]
    when = "2026-12-02T02:17:00.123456+00:00"
    takes = [line, f"{when} host sshd[12]: {line}", f"Dec  2 02:17:00 h sshd-session[1]: {line}"]
    leaves = [
        f"Invalid user {line} from 10.0.0.9 port 2",
        f"{when} host sshd[12]: Failed none for invalid user x sshd[1]: {line}",
        f"{when} host su[12]: {line}",
        line.replace(" port ", " port 1"),
    ]
    for text, sessions in [*((one, 1) for one in takes), *((one, 0) for one in leaves)]:
        place.configure(logs=[str(place.write("other.log", f"x\n{text}\ny"))])
        said = place.ask("observe", world.request("read"))
        assert len(said["sessions"]) == sessions, text
        assert said["last_use"] == (text.partition(" h")[0] if text in takes[1:] else "")
    held.close()


def test_a_leaked_private_key_is_compared_without_a_sign_in(world: SshWorld) -> None:
    log, targets = world.place.log, world.targets()
    before = log.read_text().count("Accepted")
    private = load_ssh_private_key(world.pair.private.encode(), None)

    def pem(encryption: Any, form: Any = PrivateFormat.OpenSSH) -> str:
        return private.private_bytes(Encoding.PEM, form, encryption).decode()

    given = [
        Candidate((world.pair.private,), "private_key"),
        Candidate(("x", pem(NoEncryption(), PrivateFormat.PKCS8)), "private_key"),
        Candidate((Pair().private,), "private_key"),
        Candidate(("a password",), "generic"),
        Candidate((pem(BestAvailableEncryption(b"passphrase")),), "private_key"),
        Candidate((world.pair.private[:200],), "private_key"),
    ]
    found = run_secret_in_force(world.step, targets, given)
    assert found.answers == (True, True, False, False, None, None) and found.why
    world.place.ask("operate", world.request("remove"))
    found = run_secret_in_force(world.step, targets, given[:1])
    assert (found.answers, found.why) == ((False,), "")
    # Two calls of the observer, and nobody else.
    assert log.read_text().count("Accepted") == before + 2
    assert world.pair.fingerprint not in log.read_text()


def test_what_else_lets_in_is_said_and_certificates_stay(world: SshWorld) -> None:
    place = world.place
    authority = Pair()
    place.write("authorities", f"{authority.line}\n")
    place.write("ca.key", authority.private)
    place.write("leaf.pub", world.pair.line)
    argv = ["ssh-keygen", "-q", "-s", "ca.key", "-I", "leaf", "-n", ACCOUNT, "leaf.pub"]
    subprocess.run(argv, cwd=place.directory, check=True)
    place.files[1].write_text(f'cert-authority,environment="TOKEN=abc" {world.pair.line}\n')
    run(world)
    seen = run_observe(world.step, world.targets())
    assert seen.shown["authority"] == 1
    assert seen.shown["other_ways"] == [
        f"trustedusercakeys {place.directory}/authorities",
    ]
    key = world.pair.key
    key.load_certificate(str(place.directory / "leaf-cert.pub"))
    client = paramiko.SSHClient()
    client.load_system_host_keys(str(place.directory / "known_hosts"))
    client.connect(
        "127.0.0.1", place.port, ACCOUNT, pkey=key, allow_agent=False, look_for_keys=False
    )
    # A session by a certificate of the same key pair is one of the key.
    assert run_observe(world.step, world.targets()).shown["sessions"] == 1
    client.close()
    place.write("authorities", "")
    place.configure(sshd=[])
    assert run_observe(world.step, world.targets()).shown["other_ways"] is None


def test_names_of_options_are_shown_and_their_values_are_not(world: SshWorld) -> None:
    line = f'command="run --password=hunter2hunter2",environment="TOKEN=hunter2" {world.pair.line}'
    world.place.files[0].write_text(f"{line}\n")
    seen = run_observe(world.step, world.targets())
    assert seen.shown["options"] == ["command", "environment"]
    assert "hunter2" not in repr(seen.to_json())


def test_other_lines_than_approved_are_left_alone(world: SshWorld) -> None:
    plan, targets, path = world.plan(), world.targets(), world.place.files[0]
    seen = run_observe(plan.steps[0], targets)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    path.write_bytes(world.before.replace(b"ci@build", b"from=elsewhere"))
    changed = path.read_bytes()
    assert run_observe(plan.steps[0], targets).state["lines"] != seen.state["lines"]
    with pytest.raises(NotApplied, match="people approved"):
        run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    assert path.read_bytes() == changed
    # A change of somebody else's line is no change of the key.
    path.write_bytes(world.before + b"# new\n")
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    assert path.read_bytes().endswith(b"# end\n# new\n")


def test_a_change_between_reading_and_replacing_is_not_lost(world: SshWorld) -> None:
    path, kept = world.place.files[0], world.before + b"# meanwhile\n"
    file = program().KeyFile(str(path), os.geteuid())
    path.write_bytes(kept)
    with pytest.raises(program().Refused, match="changed_meanwhile"):
        file.replace(b"lost")
    assert path.read_bytes() == kept
    assert not [*world.place.directory.glob("*.hitl-*")]


def test_what_the_account_puts_at_the_name_meanwhile_gives_no_rights_and_does_not_hang(
    world: SshWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root must not make a program of itself in the account's directory, nor wait on a pipe."""
    path, given = world.place.files[0], list[object]()
    monkeypatch.setattr(os, "fchmod", lambda _, mode: given.append(mode))
    monkeypatch.setattr(os, "fchown", lambda *of: given.append(of[1:]))
    for make in (lambda: os.mkfifo(path), lambda: path.touch(0o700)):
        file = program().KeyFile(str(path), os.geteuid())
        path.unlink()
        make()
        path.chmod(0o4755)
        waited = threading.Event()

        def let_go(of: str = str(path), waited: threading.Event = waited) -> None:
            waited.set()
            os.close(os.open(of, os.O_RDWR | os.O_NONBLOCK))

        opens = threading.Timer(120, let_go)
        opens.start()
        with pytest.raises(program().Refused, match="changed_meanwhile"):
            file.replace(b"lost")
        opens.cancel()
        assert (given, waited.is_set()) == ([], False)
        assert not [*world.place.directory.glob("*.hitl-*")]
        path.unlink()
        path.write_bytes(world.before)
        path.chmod(0o600)
    monkeypatch.undo()
    path.chmod(0o4640)
    world.place.ask("operate", world.request("remove"))
    assert path.stat().st_mode & 0o7777 == 0o640


def test_a_host_that_answers_drop_by_drop_does_not_hold_the_worker(
    world: SshWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, hitl = Pair(), world.place.directory / "hitl"
    before = hitl.read_text()
    loop = "for i in $(seq 12000); do echo; sleep .05; done"
    hitl.write_text(f'{before}restrict,command="{loop}" {slow.line}\n')
    (world.directory / "operate.key").write_text(slow.private)
    toml = world.toml().replace(world.place.operate.fingerprint, slow.fingerprint)
    (world.directory / "slow.toml").write_text(toml)
    targets = Targets.load(world.directory / "slow.toml", portal_system_identifier=None)
    monkeypatch.setattr(ssh_host, "ANSWER_SECONDS", 0.5)
    plan, began = world.plan(), time.monotonic()
    try:
        with pytest.raises(OutcomeUnknown):
            run_apply(clearance(plan), plan.body, 0, targets)
        assert time.monotonic() - began < 300, "half of what the answer takes"
    finally:
        hitl.write_text(before)


def test_a_key_counts_as_without_access_only_where_everything_was_looked_at(
    world: SshWorld,
) -> None:
    run(world)
    seen, executor = run_observe(world.step, world.targets()), executor_of(world.step)
    given = [Candidate((world.pair.private,), "private_key")]

    def without(**shown: Json) -> bool | None:
        [point] = executor.points(world.step, replace(seen, shown={**seen.shown, **shown}))
        return point.without_access

    assert without() is True and without(other_ways=["trustedusercakeys /a"]) is True
    # Who has the key of an authority signs a certificate with it.
    assert without(authority=1) is False and without(sessions=1) is False
    for other in (None, ["file /a (not looked at)"], ["authorizedkeyscommand /bin/keys"]):
        assert without(other_ways=other) is None, other
    assert without(sessions=None) is None and without(unknown_sessions=1) is None
    ends = make_plan(REMOVE, world.target, {"end_sessions": True}).steps[0]
    unknown = replace(seen, shown={**seen.shown, "sessions": None})
    assert executor.left_open(ends, unknown) == (
        "its sessions are not known: the host names no log",
    )
    world.place.files[1].write_text(f"cert-authority {world.pair.line}\n")
    assert run_secret_in_force(world.step, world.targets(), given).answers == (True,)


def test_a_call_that_was_cut_off_between_two_files_is_not_called_not_applied(
    world: SshWorld,
) -> None:
    executor, here = executor_of(world.step), [str(path) for path in world.place.files]

    def seen(status: str, *files: str) -> Observation:
        shown: dict[str, Json] = {
            "files": {
                p: {"status": one, "lines": ["a"]} for p, one in zip(here, files, strict=True)
            }
        }
        return Observation(True, {"status": status, "lines": "a"}, shown, simulated=False)

    def settled(before: Observation, now: Observation) -> Settled | None:
        return executor.settled_from(world.step, now, executor.snapshot(before), {})

    both, one = seen("present", "present", "present"), seen("mixed", "removed", "present")
    none = seen("removed", "removed", "removed")
    assert settled(both, both) is Settled.NOT_APPLIED and settled(both, none) is Settled.APPLIED
    assert settled(both, one) is None and settled(one, one) is Settled.NOT_APPLIED
    assert executor.settled(one) is None


def test_a_lost_answer_is_unknown_and_reading_settles_it(
    world: SshWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, targets = make_plan(REMOVE, world.target, {}), world.targets()
    monkeypatch.setattr(ssh_host, "ANSWER_SECONDS", 0.4)
    with (world.place.state / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the program waits for it
        with pytest.raises(OutcomeUnknown):
            run_apply(clearance(plan), plan.body, 0, targets)
    monkeypatch.undo()
    executor = executor_of(plan.steps[0])
    until(lambda: executor.settled(run_observe(plan.steps[0], targets)) is Settled.APPLIED)
    assert world.changes() == 1


def test_each_file_is_led_back_to_what_it_was(world: SshWorld) -> None:
    """A key that stands in two files, and was taken out of one of them before."""
    first, second = world.place.files
    world.place.ask("operate", world.request("remove"))
    second.write_text(f"{world.pair.line} second\n")
    plan, targets = make_plan(REMOVE, world.target, {}), world.targets()
    seen = run_observe(plan.steps[0], targets)
    assert seen.state["status"] == "mixed"
    left = first.read_bytes()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    run_verify(clearance(plan), plan.body, 0, targets)
    assert second.read_bytes() == b""
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert second.read_text() == f"{world.pair.line} second\n"
    assert first.read_bytes() == left
    back = make_plan(RESTORE, world.target, {})
    run_apply(clearance(back), back.body, 0, targets)
    assert first.read_bytes() == world.before
    run_rollback(clearance(back, rollback=True), back.body, 0, targets, snapshot)
    assert first.read_bytes() == left and second.read_bytes()


def test_a_line_comes_back_into_a_file_that_changed(world: SshWorld) -> None:
    path, request = world.place.files[0], world.request
    line = f"{world.pair.line} ci@build\n".encode()
    end = world.before.partition(line)[2]
    start = world.before.partition(line)[0]
    edits = {
        b"# new\n" + start + end: b"# new\n" + start + line + end,
        end: end + line,  # the line before it is gone
        b"# end": b"# end\n" + line,
        start + start + end: start + start + end + line,  # twice: nobody knows which
        start + line + end: start + line + end,  # somebody put it back
    }
    for edited, restored in edits.items():
        path.write_bytes(world.before)
        world.place.ask("operate", request("remove"))
        path.write_bytes(edited)
        world.place.ask("operate", request("restore"))
        assert path.read_bytes() == restored
    path.write_bytes(world.before)
    world.place.ask("operate", request("remove"))
    path.unlink()
    plan = make_plan(RESTORE, world.target, {})
    with pytest.raises(NotApplied, match="is gone"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    with pytest.raises(RollbackFailed):
        undone, snapshot = world.plan(), {"status": "present", "files": {}}
        run_rollback(clearance(undone, rollback=True), undone.body, 0, world.targets(), snapshot)
    assert not path.exists()


def test_another_host_key_is_not_taken(world: SshWorld) -> None:
    place = world.place
    place.know(Pair())
    try:
        with pytest.raises(TargetUnobservable, match="BadHostKeyException"):
            run_observe(world.step, world.targets())
        with pytest.raises(NotApplied):
            run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
        place.write("known_hosts", "")
        with pytest.raises(TargetUnobservable, match="SSHException"):
            run_observe(world.step, world.targets())
        assert world.changes() == 0
    finally:
        place.know(place.host_key)


def test_the_workers_own_keys_are_its_own_and_a_wrong_one_is_not_used(world: SshWorld) -> None:
    own = {**world.target, "fingerprint": world.place.operate.fingerprint}
    targets = world.targets()
    assert targets.is_own(make_plan(REMOVE, own, {}).steps[0].target)
    assert not targets.is_own(world.step.target)
    (world.directory / "observe.key").write_text(Pair().private)
    with pytest.raises(TargetUnobservable, match="another key"):
        run_observe(world.step, targets)
    (world.directory / "observe.key").write_text("no key")
    with pytest.raises(TargetUnobservable, match="no private key"):
        run_observe(world.step, targets)


def test_no_time_left_changes_nothing(world: SshWorld) -> None:
    plan, before = world.plan(), world.look()
    with pytest.raises(NotApplied, match="no time"):
        executor_of(plan.steps[0]).apply(
            clearance(plan), plan.steps[0], world.targets(), Deadline.within(1)
        )
    assert (world.look(), world.changes()) == (before, 0)


def test_odd_names_are_targets_or_are_refused() -> None:
    print_of = "SHA256:" + "+/" * 21 + "A"
    target = {"kind": "ssh.authorized_key", "host": HOST, "fingerprint": print_of}
    for account in ("svc.deploy", "DOMAIN\\svc", "a@b", "$(id)", "-rf", "näme", "a%2Fb", "x" * 64):
        [step] = make_plan(REMOVE, {**target, "account": account}, {}).steps
        assert plans.parse_target(step.target.to_json()).fields["account"] == account
        assert "/" not in step.target.locator.partition("/")[2].partition("/")[2]
    for wrong in ("a/b", "a b", "a:b", "a\n", "x" * 65, ""):
        with pytest.raises(BadInput):
            make_plan(REMOVE, {**target, "account": wrong}, {})
    for wrong in ("MD5:aa", print_of[:-1] + "B", print_of + "=", print_of.lower(), print_of[7:]):
        with pytest.raises(BadInput):
            make_plan(REMOVE, {**target, "account": "a", "fingerprint": wrong}, {})


def test_a_section_that_cannot_be_used_is_refused(world: SshWorld, tmp_path: Path) -> None:
    good, path = world.toml(), tmp_path / "targets.toml"
    account, port = f'"{ACCOUNT}" = ', world.place.own_port
    cases = {
        "is not the name of a host": (HOST, "Bad Name"),
        "is not host:port": (f"127.0.0.1:{port}", "127.0.0.1"),
        "by whole paths": (account, f'"{ACCOUNT}" = ["~/.ssh/authorized_keys"]\n"b" = '),
        "name their files": (account, '"b" = ["/a/../b"]\n"c" = '),
        "observe_fingerprint": ('observe_fingerprint = "SHA256', 'observe_fingerprint = "MD5'),
        "operate_user must": ("operate_user", "operate_name"),
        "unknown operate_key": ("operate_key_file", 'operate_key = "x"\noperate_key_file'),
    }
    for why, (old, new) in cases.items():
        path.write_text(good.replace(old, new))
        with pytest.raises(TargetsFileInvalid, match=why):
            Targets.load(path, portal_system_identifier=None)
