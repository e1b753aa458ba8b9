"""A76, A77: attacks of the web login on accounts, groups and rights, past the services."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import Group, Permission
from guardian.models import GroupObjectPermission, UserObjectPermission

from remediation import models as m
from remediation.domain.act import Act
from remediation.services.people import accounts, object_rights
from remediation.services.people.accounts import PersonFacts
from remediation.services.people.stepup import Warrant
from remediation.services.review import sign
from tests import stepup
from tests.database.attack import Attack, attack, sql
from tests.database.world import World
from tests.factories import OPERATORS, WEB, Person, acting, entry
from tests.factories.people import ordered

ATTACKS: list[Attack] = []
# Every guard of power, by its table.
GUARDS = (
    ("remediation_user", "power"),
    ("remediation_user", "power_changed"),
    ("auth_group", "power"),
    ("auth_group", "power_changed"),
    ("remediation_user_groups", "power"),
    ("remediation_user_user_permissions", "power"),
    ("auth_group_permissions", "power"),
    ("guardian_userobjectpermission", "power"),
    ("guardian_groupobjectpermission", "power"),
)
UNGUARDED = tuple(f"ALTER TABLE public.{table} DISABLE TRIGGER {name}" for table, name in GUARDS)
STEP_UP_OFF = "ALTER TABLE remediation.step_up DISABLE TRIGGER step_up"


def signed(someone: Person, action: str, act: Act, object: str = "") -> None:
    """Do what a service does before it writes: the signed entry, its use, its name."""
    allowed = Warrant(act, stepup.checked(someone, act))
    allowed.use(entry(action, someone.actor, object or act.object, **allowed.data))


def joining(user: m.User, *groups: str) -> Act:
    before = PersonFacts.of(user)
    return accounts.changing(
        user, PersonFacts(before.email, active=before.active, groups=before.groups | {*groups})
    )


def join(user: m.User, group: str) -> None:
    user.groups.add(Group.objects.get(name=group))


def hold(user: m.User, model: str = "service") -> None:
    """Write the right to review the first service, or what has its key in another table."""
    permission = Permission.objects.get(codename="review_service", content_type__model=model)
    service = m.Service.objects.order_by("pk")[0]
    row = UserObjectPermission(
        user=user,
        permission=permission,
        content_type=permission.content_type,
        object_pk=str(service.pk),
    )
    # Past guardian's own check.
    UserObjectPermission.objects.bulk_create([row])


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_somebody_joins_the_approvers(w: World) -> None:
    with acting(WEB):
        join(w.carol.user, "security")


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_a_role_goes_so_that_nobody_can_approve(w: World) -> None:
    with acting(WEB):
        w.sue.user.groups.clear()


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_an_entry_that_nobody_signed(w: World) -> None:
    act = joining(w.carol.user, "security")
    with acting(WEB):
        made = entry("person:user:changed", w.dave.actor, w.carol.actor, input=act.body().decode())
        sql("SELECT set_config('remediation.power_entry', %s, true)", str(made))
        join(w.carol.user, "security")


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_what_was_signed_for_another_group(w: World) -> None:
    with acting(WEB):
        signed(w.dave, "person:user:changed", joining(w.carol.user, "lead"))
        join(w.carol.user, "security")


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_what_was_signed_for_another_account(w: World) -> None:
    with acting(WEB):
        signed(w.dave, "person:user:changed", joining(w.carol.user, "security"))
        join(w.gone.user, "lead")


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_a_signature_for_another_act_beside_a_forged_input(w: World) -> None:
    """The entry holds a real signature, of an act that says nothing of people."""
    checked = stepup.checked(w.dave, sign.observing(w.two.pk, 1))
    act = joining(w.carol.user, "security")
    with acting(WEB):
        made = entry(
            "person:user:changed",
            w.dave.actor,
            w.carol.actor,
            input=act.body().decode(),
            step_up=checked.data,
        )
        Warrant(act, checked).use(made)
        join(w.carol.user, "security")


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_a_forged_input_beside_the_signature_of_another_input(w: World) -> None:
    checked = stepup.checked(w.dave, joining(w.carol.user, "lead"))
    act = joining(w.carol.user, "security")
    with acting(WEB):
        made = entry(
            "person:user:changed",
            w.dave.actor,
            w.carol.actor,
            input=act.body().decode(),
            step_up=checked.data,
        )
        Warrant(act, checked).use(made)
        join(w.carol.user, "security")


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_an_account_is_switched_on(w: World) -> None:
    with acting(WEB):
        m.User.objects.filter(pk=w.gone.user.pk).update(is_active=True)


@attack(ATTACKS, OPERATORS, "power_unsigned", *UNGUARDED)
def _a76_an_order_to_join_makes_a_superuser(w: World) -> None:
    with acting(OPERATORS):
        ordered("operator:user:changed", joining(w.carol.user, "lead"))
        m.User.objects.filter(pk=w.carol.user.pk).update(is_superuser=True)


@attack(ATTACKS, OPERATORS, "power_unsigned", *UNGUARDED)
def _a76_an_operator_leaves_no_entry(w: World) -> None:
    with acting(OPERATORS):
        join(w.carol.user, "security")


@attack(ATTACKS, WEB, "entry_author", "ALTER TABLE audit.entry DISABLE TRIGGER writer")
def _a76_an_order_in_the_name_of_an_operator(w: World) -> None:
    """With the web login's password alone: no signature has to be forged for it."""
    with acting(WEB):
        ordered("operator:user:changed", joining(w.carol.user, "security"))
        join(w.carol.user, "security")


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_mail_for_somebody_goes_elsewhere(w: World) -> None:
    with acting(WEB):
        m.User.objects.filter(pk=w.carol.user.pk).update(email="eve@example.org")


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_an_account_appears(_: World) -> None:
    with acting(WEB):
        m.User(username="mallory").save(force_insert=True)


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_a_group_of_a_team_becomes_the_approvers(_: World) -> None:
    with acting(WEB):
        Group.objects.filter(name="security").update(name="nobody")


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_somebody_may_review_a_service(w: World) -> None:
    with acting(WEB):
        hold(w.carol.user)


def setting(w: World, right: str, *, held: bool) -> Act:
    place = object_rights.Place("service", m.Service.objects.order_by("pk")[0].name)
    return object_rights.setting(place, right, held=held, person=w.carol.id)


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_the_right_that_was_signed_was_to_be_taken(w: World) -> None:
    with acting(WEB):
        signed(w.dave, "person:right:changed", setting(w, "review_service", held=False))
        hold(w.carol.user)


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_another_right_than_the_signed_one(w: World) -> None:
    with acting(WEB):
        signed(w.dave, "person:right:changed", setting(w, "view_service", held=True))
        hold(w.carol.user)


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_a_right_on_another_place_than_the_signed_one(w: World) -> None:
    """The key of the service is that of a team, too; the right is written for the team."""
    with acting(WEB):
        signed(w.dave, "person:right:changed", setting(w, "review_service", held=True))
        hold(w.carol.user, "ownerteam")


@attack(ATTACKS, WEB, "power_unsigned", *UNGUARDED)
def _a76_a_right_of_django(w: World) -> None:
    with acting(WEB):
        w.carol.user.user_permissions.add(Permission.objects.order_by("pk")[0])


@attack(ATTACKS, WEB, "power_own", *UNGUARDED)
def _a77_somebody_signs_a_group_for_himself(w: World) -> None:
    with acting(WEB):
        signed(w.carol, "person:user:changed", joining(w.carol.user, "security"))
        join(w.carol.user, "security")


@attack(ATTACKS, WEB, "power_own", *UNGUARDED)
def _a77_somebody_signs_a_right_for_a_group_of_his(w: World) -> None:
    permission = Permission.objects.get(codename="review_service", content_type__model="service")
    service = m.Service.objects.order_by("pk")[0]
    place = object_rights.Place("service", service.name)
    act = object_rights.setting(place, "review_service", held=True, group="security")
    with acting(WEB):
        signed(w.sue, "person:right:changed", act)
        GroupObjectPermission.objects.create(
            group=Group.objects.get(name="security"),
            permission=permission,
            content_type=permission.content_type,
            object_pk=str(service.pk),
        )


@attack(ATTACKS, WEB, "step_up_entry", STEP_UP_OFF)
def _a76_an_old_signature_is_used_as_if_it_were_new(w: World) -> None:
    """Nobody used it, so its nonce is free: only the time that was signed ends it."""
    act = sign.observing(w.two.pk, 1)
    checked = stepup.checked(w.sue, act)
    stated = checked.proof.statement
    with acting(WEB):
        made = entry("person:observation:asked", w.sue.actor, act.object, step_up=checked.data)
        sql(
            "INSERT INTO remediation.step_up (nonce, entry, person, act, object, expires_at)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            *(stated.nonce, made, w.sue.id, act.name.value, act.object),
            (stated.expires - timedelta(seconds=30)).isoformat(),
        )
