"""Accounts of a real OpenLDAP: what a lock stops, what it does not, and which rights that takes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from remediation.domain.errors import BadInput, TargetUnobservable
from remediation.domain.observation import Observation
from remediation.domain.plan import parse_target
from remediation.executors import ldap_calls
from remediation.executors.base import Candidate, Deadline
from remediation.executors.errors import NotApplied, OutcomeUnknown, VerifyFailed
from remediation.executors.ldap_password import Budget, compare
from remediation.executors.ldap_server import Directories
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_secret_in_force,
    run_verify,
    would_refuse,
)
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from tests.executors import ldap
from tests.executors.contract import clearance, make_plan
from tests.executors.ldap import BASE, LOCK, LOCKED_AT, LdapPlace, LdapWorld
from tests.executors.slapd import SUFFIX, LDAPException, ldap3

DO, UNDO = "ldap.account.lock", "ldap.account.unlock"


@pytest.fixture
def world(tmp_path: Path, ldap_place: LdapPlace) -> Iterator[LdapWorld]:
    made = LdapWorld(DO, tmp_path, ldap_place)
    yield made
    ldap_place.allow()
    ldap_place.policy("TRUE")
    ldap_place.default_policy(ldap.POLICY)
    made.close()


def run(world: LdapWorld, action: str = DO, targets: Targets | None = None) -> None:
    """Observe, check, apply and verify, as a run does."""
    plan, targets = make_plan(action, world.target, {}), targets or world.targets()
    given = clearance(plan)
    snapshot = run_prepare(given, plan.body, 0, targets, run_observe(plan.steps[0], targets))
    run_apply(given, plan.body, 0, targets, snapshot)
    run_verify(given, plan.body, 0, targets)


def seen(world: LdapWorld) -> Observation:
    return run_observe(world.step, world.targets())


def without_access(world: LdapWorld) -> list[bool | None]:
    return [each.without_access for each in executor_of(world.step).points(world.step, seen(world))]


def signs_in(world: LdapWorld) -> bool:
    try:
        world.connect().unbind()
    except LDAPException:
        return False
    return True


# -- what a lock stops, and what it does not ------------------------------------------------------


def test_a_lock_stops_sign_ins_and_no_open_connection_and_the_page_says_so(
    world: LdapWorld,
) -> None:
    assert signs_in(world)
    run(world)
    assert not signs_in(world) and world.held.compare(world.entry, "uid", world.name)
    found = seen(world)
    assert (found.state["status"], found.state["enforced"]) == ("locked", "yes")
    assert (found.shown["connections"], found.shown["addresses"]) == (1, ["127.0.0.1"])
    assert without_access(world) == [False]
    world.held.unbind()
    assert without_access(world) == [True]
    run(world, UNDO)
    assert signs_in(world) and world.locked_at() == ""


def test_a_sign_in_without_a_password_passes_the_lock(world: LdapWorld) -> None:
    """As `cannot` says: SASL EXTERNAL, measured."""
    place, socket = world.place, f"uid=svc_socket,{BASE}"
    run_on = {**world.target, "account": "svc_socket"}
    plan, targets = make_plan(DO, run_on, {}), world.targets()
    run_apply(clearance(plan), plan.body, 0, targets)
    run_verify(clearance(plan), plan.body, 0, targets)
    held = place.server.by_socket()
    assert held.extend.standard.who_am_i() == f"dn:{socket}"
    assert run_observe(plan.steps[0], targets).shown["connections"] == 1
    held.unbind()
    place.set(socket, LOCKED_AT)


def test_a_change_of_the_password_takes_the_lock_away(world: LdapWorld) -> None:
    """As `cannot` says, by an open connection of the account itself; the portal then sees it."""
    run(world)
    world.held.modify(world.entry, {"userPassword": [(ldap3.MODIFY_REPLACE, ["another"])]})
    assert seen(world).state["status"] == "open"
    plan = world.plan()
    with pytest.raises(VerifyFailed, match="the account is open"):
        executor_of(world.step).verify(
            clearance(plan), world.step, world.targets(), Deadline.within(0)
        )


def test_a_lock_without_effect_is_refused_in_words_and_not_written(world: LdapWorld) -> None:
    """Each way in which the server takes a lock and lets the account in (measured here first)."""
    place, plan = world.place, world.plan()
    for make, why in (
        (place.default_policy, "no password policy counts"),
        (lambda: place.policy("FALSE"), "does not have pwdLockout TRUE"),
        (lambda: place.default_policy(f"ou=policies,{SUFFIX}"), "does not have pwdLockout TRUE"),
        (lambda: place.set(world.entry, "pwdPolicySubentry", f"cn=gone,ou=policies,{SUFFIX}"),
         "is not there, or the observer may not read it"),
    ):  # fmt: skip
        make()
        place.set(world.entry, LOCKED_AT, LOCK)
        assert signs_in(world), why
        place.set(world.entry, LOCKED_AT)
        found = seen(world)
        assert found.state["enforced"] != "yes" and without_access(world) == [False]
        assert why in would_refuse(world.step, found)
        before = world.changes()
        with pytest.raises(NotApplied, match=why):
            run_apply(clearance(plan), plan.body, 0, world.targets())
        assert (world.locked_at(), world.changes()) == ("", before)
        place.policy("TRUE")
        place.default_policy(ldap.POLICY)
        place.set(world.entry, "pwdPolicySubentry")
    run(world)


def test_a_lock_that_lost_its_effect_is_not_confirmed_and_is_drift(world: LdapWorld) -> None:
    before = seen(world).state
    run(world)
    world.place.policy("FALSE")
    plan = world.plan()
    with pytest.raises(VerifyFailed, match="no effect"):
        executor_of(world.step).verify(
            clearance(plan), world.step, world.targets(), Deadline.within(0)
        )
    assert seen(world).state["enforced"] != before["enforced"]


# -- a lock by failed sign-ins --------------------------------------------------------------------


def fail_often(world: LdapWorld) -> str:
    for _ in range(3):
        with pytest.raises(LDAPException):
            world.place.server.connect(world.entry, "wrong")
    locked_at = world.locked_at()
    assert locked_at not in ("", LOCK)
    return locked_at


def test_unlocking_leaves_a_lock_by_failed_sign_ins_and_says_so(world: LdapWorld) -> None:
    locked_at = fail_often(world)
    found = seen(world)
    assert (found.state["status"], found.shown["failed_lock"]) == ("open", locked_at)
    assert found.shown["failed_binds"] == 3
    plan = make_plan(UNDO, world.target, {})
    assert "failed sign-ins" in would_refuse(plan.steps[0], found)
    with pytest.raises(NotApplied, match="failed sign-ins"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.locked_at() == locked_at


def test_locking_replaces_it_and_rolling_back_puts_it_back(world: LdapWorld) -> None:
    locked_at = fail_often(world)
    plan, targets = world.plan(), world.targets()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen(world))
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    assert world.locked_at() == LOCK
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert world.locked_at() == locked_at


def test_rolling_back_keeps_what_somebody_else_did_since(world: LdapWorld) -> None:
    """A lock that was there before the run stays; another value is not touched."""
    plan, targets = world.plan(), world.targets()
    world.place.set(world.entry, LOCKED_AT, LOCK)
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen(world))
    run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, snapshot)
    assert (world.locked_at(), world.changes()) == (LOCK, 1)


def test_failed_sign_ins_between_reading_and_locking_do_not_keep_it_open(
    world: LdapWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, targets, read, times = world.plan(), world.targets(), ldap_calls._value, list[str]()

    def overtaken(*given: object) -> str:
        found = read(*given)
        if not times:
            times.append(fail_often(world))
        return found

    with monkeypatch.context() as patched:
        patched.setattr(ldap_calls, "_value", overtaken)
        run_apply(clearance(plan), plan.body, 0, targets)
    assert world.locked_at() == LOCK


# -- names ----------------------------------------------------------------------------------------


def test_odd_and_hostile_names_are_targets_like_others(world: LdapWorld) -> None:
    for name in (
        "näme", "a/b", "a,b=c", "a+uid=b", "#x", 'q"q', "<x>;y", "back\\slash", "*", "(uid=*)",
        "a)(uid=*", "=", "-", "x" * 100, "two words", "\\2a", "%2C", f"{world.name},{BASE}",
    ):  # fmt: skip
        entry = world.place.add(name, "p")
        try:
            plan = make_plan(DO, {**world.target, "account": name}, {})
            run_apply(clearance(plan), plan.body, 0, world.targets())
            run_verify(clearance(plan), plan.body, 0, world.targets())
            assert world.place.entry(entry)[LOCKED_AT] == [LOCK.encode()], name
            assert world.locked_at() == "", name
        finally:
            world.place.admin.delete(entry)


def test_names_that_reach_elsewhere_are_nobodys(world: LdapWorld) -> None:
    for name in (f"x,uid={world.name}", f"{world.name},ou=services", f"{world.name}\\", "*"):
        plan = make_plan(DO, {**world.target, "account": name}, {})
        assert not run_observe(plan.steps[0], world.targets()).exists, name
        with pytest.raises(NotApplied, match="does not exist"):
            run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.changes() == 0


def test_one_account_has_one_name(world: LdapWorld) -> None:
    """What the directory takes for the same name is refused, with the right one."""
    for name in (world.name.upper(), world.name.replace("s", "ſ"), f"ｓ{world.name[1:]}"):
        plan = make_plan(DO, {**world.target, "account": name}, {})
        with pytest.raises(TargetUnobservable, match=f"writes this account '{world.name}'"):
            run_observe(plan.steps[0], world.targets())
        with pytest.raises(NotApplied, match="name it so"):
            run_apply(clearance(plan), plan.body, 0, world.targets())
    for name in (f" {world.name}", f"{world.name} ", "a  b", "a\tb", "a\x01b", ""):
        with pytest.raises(BadInput):
            make_plan(DO, {**world.target, "account": name}, {})
    assert world.changes() == 0


def test_an_account_made_anew_is_another_one(world: LdapWorld) -> None:
    plan, targets = world.plan(), world.targets()
    snapshot = run_prepare(clearance(plan), plan.body, 0, targets, seen(world))
    world.place.admin.delete(world.entry)
    world.place.add(world.name, world.password)
    assert seen(world).state != snapshot
    with pytest.raises(NotApplied, match="not the one that was decided about"):
        run_apply(clearance(plan), plan.body, 0, targets, snapshot)
    assert world.locked_at() == ""


def test_the_portals_own_accounts_and_the_root_are_not_to_be_locked(world: LdapWorld) -> None:
    text = world.toml().replace(f'"{BASE}"', f'"ou=portal, {SUFFIX.upper()}"')
    text = text.replace('_attribute = "uid"', '_attribute = "commonName"').replace(
        'root_dn = "cn=admin,', 'root_dn = "CN=Root, ou=portal,'
    )
    path = world.directory / "own.toml"
    path.write_text(text)
    targets = Targets.load(path, portal_system_identifier=None)
    for name in ("hitl-observe", "HITL-Operate", "root", "ｒoot"):
        assert targets.is_own(parse_target({**world.target, "account": name})), name
    assert not targets.is_own(parse_target({**world.target, "account": "hitl"}))


# -- secrets --------------------------------------------------------------------------------------


def test_a_leaked_password_is_compared_without_a_sign_in(world: LdapWorld) -> None:
    given = [Candidate((world.password,), "generic"), Candidate(("another",), "generic")]
    before = world.look()
    found = run_secret_in_force(world.step, world.targets(), given)
    assert (found.answers, found.why) == ((True, False), "")
    assert world.look() == before, "no failed sign-in is in the entry"
    world.place.allow(choice=False)
    found = run_secret_in_force(world.step, world.targets(), given)
    assert found.answers == (None, None) and "sees no userPassword" in found.why
    assert world.password not in repr(seen(world).to_json())


# -- rights ---------------------------------------------------------------------------------------


def test_with_one_right_less_of_the_operator_nothing_is_changed(world: LdapWorld) -> None:
    login, plan = 'by dn.exact="cn=hitl-operate,ou=portal,dc=example"', world.plan()
    for less, instead in (
        (f"{login} write", f"{login} read"),
        (f"{login} write", f"{login} =w"),
        (f"{login} read", f"{login} search"),
        ("entry,objectClass,entryUUID", "entry,objectClass"),
    ):
        world.place.allow(without=less, instead=instead)
        with pytest.raises(NotApplied):
            run_apply(clearance(plan), plan.body, 0, world.targets())
        assert world.locked_at() == "", less
    world.place.allow()
    run(world)


def test_with_one_right_less_of_the_observer_the_lock_is_not_made(world: LdapWorld) -> None:
    """What may not be read never looks as if it were absent."""
    login, plan = 'by dn.exact="cn=hitl-observe,ou=portal,dc=example"', world.plan()
    gone = make_plan(DO, world.gone, {})
    for less, instead, why in (
        (f"write {login} read by * break", "write by * break", f"may not read {LOCKED_AT}"),
        ("pwdPolicySubentry,", "", "may not read pwdPolicySubentry"),
        (",pwdLockout", "", "may not read it"),
        (",olcPPolicyDefault", "", "no password policy counts"),
        (",olcSuffix", "", "may not read cn=config"),
        ('"cn=config" attrs=entry', '"cn=config" attrs=cn', "may not read cn=config"),
    ):
        world.place.allow(without=less, instead=instead)
        with pytest.raises(NotApplied, match=why):
            run_apply(clearance(plan), plan.body, 0, world.targets())
        assert world.changes() == 0, less
    world.place.allow(without=f'dn.base="{BASE}"', instead=f'dn.base="ou=policies,{SUFFIX}"')
    with pytest.raises(TargetUnobservable, match="does not see"):
        run_observe(gone.steps[0], world.targets())
    world.place.allow(without="entryDN,", instead="")
    run(world)


def test_what_the_monitor_does_not_show_is_not_known(world: LdapWorld) -> None:
    world.place.allow(without="monitorConnectionAuthzDN,", instead="")
    run(world)
    found = seen(world)
    assert found.shown["connections"] is None and without_access(world) == [None]


def test_the_last_sign_in_and_ssh_keys_are_shown(world: LdapWorld) -> None:
    found = seen(world).shown
    assert str(found["last_bind"]).startswith("20") and found["ssh_keys"] == 0
    classes = {"objectClass": [(ldap3.MODIFY_ADD, ["ldapPublicKey"])]}
    world.place.admin.modify(world.entry, classes)
    world.place.set(world.entry, "sshPublicKey", "ssh-ed25519 A", "ssh-ed25519 B")
    assert seen(world).shown["ssh_keys"] == 2
    world.place.allow(choice=False)
    assert seen(world).shown["ssh_keys"] is None


# -- servers --------------------------------------------------------------------------------------


def test_tls_is_verified_and_a_password_goes_nowhere_in_clear(world: LdapWorld) -> None:
    server = world.place.server
    good = world.directory / "ca.pem"
    good.write_text(server.certificate.read_text())
    (world.directory / "other.pem").write_text(
        Path("/etc/ssl/certs/ca-certificates.crt").read_text()
    )

    def targets(url: str, ca: str) -> Targets:
        path = world.directory / "tls.toml"
        text = world.toml().replace(f'"{server.url}"\n', f'"{url}"\nca_file = "{ca}"\n')
        path.write_text(text)
        return Targets.load(path, portal_system_identifier=None)

    for url in (server.tls_url, server.url):  # LDAPS, and StartTLS
        assert run_observe(world.step, targets(url, "ca.pem")).exists
        for ca in ("other.pem", "missing.pem"):
            with pytest.raises(TargetUnobservable):
                run_observe(world.step, targets(url, ca))
        with pytest.raises(TargetUnobservable):  # the certificate has another name
            run_observe(world.step, targets(url.replace("127.0.0.1", "localhost"), "ca.pem"))
    run(world, targets=targets(server.tls_url, "ca.pem"))


def test_each_replica_is_read_and_its_own_policy_decides(world: LdapWorld) -> None:
    with ldap.running(world.place) as other:
        toml = world.toml().replace("base =", f'replicas = ["{other.server.url}"]\nbase =', 1)
        (world.directory / "two.toml").write_text(toml)
        targets = Targets.load(world.directory / "two.toml", portal_system_identifier=None)
        other.default_policy()
        found = run_observe(world.step, targets)
        assert found.state["enforced"] == "no" and other.server.url in would_refuse(
            world.step, found
        )
        other.default_policy(ldap.POLICY)
        run(world, targets=targets)
        found = run_observe(world.step, targets)
        points = executor_of(world.step).points(world.step, found)
        assert {point.without_access for point in points} == {True, False}  # held at the provider
        with pytest.raises(LDAPException):
            other.server.connect(world.entry, world.password)
        # A replica passes changes on: it is not the provider, and a referral is not followed.
        swapped = toml.replace(f'replicas = ["{other.server.url}"]\n', "").replace(
            world.place.server.url, other.server.url
        )
        (world.directory / "two.toml").write_text(swapped)
        plan = make_plan(UNDO, world.target, {})
        with pytest.raises(NotApplied, match="referral"):
            run_apply(
                clearance(plan), plan.body, 0,
                Targets.load(world.directory / "two.toml", portal_system_identifier=None),
            )  # fmt: skip
    assert world.locked_at() == LOCK


def test_a_lost_answer_is_not_known_and_nothing_is_sent_twice(
    world: LdapWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, send = world.plan(), ldap3.Connection.modify

    def lost(connection: object, *given: object, **more: object) -> None:
        send(connection, *given, **more)
        raise ldap3.core.exceptions.LDAPSocketReceiveError(world.password)

    with monkeypatch.context() as patched, pytest.raises(OutcomeUnknown) as caught:
        patched.setattr(ldap3.Connection, "modify", lost)
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.password not in str(caught.value) and world.changes() == 1
    settled = executor_of(world.step).settled(seen(world))
    assert settled is not None and settled.value == "applied"


def test_a_wrong_login_and_an_empty_one_are_said(world: LdapWorld) -> None:
    observe, plan = world.place.passwords["observe"], world.plan()
    text = world.toml().replace(observe, "wrong-password")
    (world.directory / "bad.toml").write_text(text)
    targets = Targets.load(world.directory / "bad.toml", portal_system_identifier=None)
    with pytest.raises(TargetUnobservable, match="invalidCredentials") as caught:
        run_observe(world.step, targets)
    assert "wrong-password" not in str(caught.value)
    (world.directory / "operate.password").write_text("\n")  # a bind as nobody would succeed
    with pytest.raises(NotApplied, match="empty"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.changes() == 0


def test_no_time_left_changes_nothing(world: LdapWorld) -> None:
    plan = world.plan()
    with pytest.raises(NotApplied, match="no time"):
        executor_of(plan.steps[0]).apply(
            clearance(plan), plan.steps[0], world.targets(), Deadline.within(1)
        )
    assert world.changes() == 0


def test_a_section_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    good = (
        'provider = "ldap://127.0.0.1:389"\nbase = "ou=s,dc=e"\nname_attribute = "uid"\n'
        'root_dn = "cn=a,dc=e"\nobserve_dn = "cn=o,dc=e"\nobserve_password = "p"\n'
        'operate_dn = "cn=p,dc=e"\noperate_password_file = "f"\n'
    )
    path = tmp_path / "targets.toml"

    def load(text: str) -> Targets:
        path.write_text(text)
        return Targets.load(path, portal_system_identifier=None)

    assert load(f"[ldap.a]\n{good}").of(Directories) is not None
    for old, new, why in (
        ("127.0.0.1:389", "10.0.0.5:389", "needs ca_file"),
        ("ldap://", "ldaps://", "needs ca_file"),
        ("ldap://", "http://", "is not ldap://"),
        (":389", ":99999", "is not ldap://"),
        (":389", ':389"\nreplicas = ["ldap://127.0.0.1:389"]\nx="', "a server twice"),
        ("ou=s,dc=e", "ou=s\\\\2C,dc=e", "without escapes"),
        ("cn=a,dc=e", "cn=a+cn=b,dc=e", "without escapes"),
        ("cn=a,dc=e", "admin", "without escapes"),
        ('"uid"', '"uid=x,"', "not the name of an attribute"),
    ):
        with pytest.raises(TargetsFileInvalid, match=why):
            load(f"[ldap.a]\n{good.replace(old, new, 1)}")
    again = good.replace("ou=s,dc=e", "OU = S , dc=E").replace(":389", ":636")
    with pytest.raises(TargetsFileInvalid, match="same accounts"):
        load(f"[ldap.a]\n{good}[ldap.b]\n{again}")


def test_each_form_of_a_held_password_is_compared_or_not_known() -> None:
    def b64(raw: bytes) -> bytes:
        return base64.b64encode(raw)

    ab64 = b64(hashlib.pbkdf2_hmac("sha256", b"pw", b"salt", 10)).replace(b"+", b".").rstrip(b"=")
    for held in (
        b"pw",
        b"{SSHA}" + b64(hashlib.sha1(b"pwsalt").digest() + b"salt"),
        b"{ssha512}" + b64(hashlib.sha512(b"pwsalt").digest() + b"salt"),
        b"{SHA256}" + b64(hashlib.sha256(b"pw").digest()),
        b"{PBKDF2-SHA256}10$c2FsdA$" + ab64,
    ):
        assert compare(("x", "pw"), [held], Budget()) is True, held
        assert compare(("other",), [held], Budget()) is False, held
    for held in (
        b"{CRYPT}$6$x", b"{ARGON2}$a", b"{SASL}a@B", b"{SSHA}!", b"{SSHA}YQ==",
        b"{PBKDF2-SHA256}99999999$c2FsdA$" + ab64, b"{PBKDF2}1$a", b"{X}",
    ):  # fmt: skip
        assert compare(("pw",), [held], Budget()) is None, held
    assert compare((), [b"pw"], Budget()) is None
    assert compare(("pw",), [b"{CRYPT}x", b"pw"], Budget()) is True


def test_comparing_ends_however_many_rounds_an_entry_asks_for() -> None:
    held, budget = b"{PBKDF2-SHA512}400000$c2FsdA$" + b"A" * 86, Budget(rounds=1_000_000)
    answers = [compare((f"secret {n}",), [held], budget) for n in range(5)]
    assert answers == [False, False, None, None, None]
