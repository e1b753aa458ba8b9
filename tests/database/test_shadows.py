"""A43: a temporary table that shadows what a guard reads.

TEMPORARY is revoked; here the owner grants it, and the guards still hold, because
they name every object with its schema. The control unqualifies one name in the guards, and the
same attack succeeds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from django.db import connection, transaction

from tests.database.attack import DENIED, Attack, refused, sql
from tests.database.attacks import ATTACKS
from tests.database.logins import ALIASES, connect, database, superuser
from tests.database.world import World
from tests.every import every

pytestmark = pytest.mark.django_db(databases=ALIASES)

BY_NAME: dict[str, Attack] = {attack.name: attack for attack in ATTACKS}
# No guards: one informs its caller, with the caller's rights; the others write the lists' places
# (tests/database/test_queue.py).
LISTS = ("queue_now_v1", "queue_v1", "queue_services_v1", "queue_targets_v1", "queue_by_service_v1",
         "queue_ahead_v1", "incident_now_v1",
         "list_incident_v1", "asks_v1")  # fmt: skip
# They append and refuse nothing; tests/database/test_people_entries.py has their shadow.
APPEND = ("administered_v1", "people_entry_v1", "holder_v1", "object_name_v1")
NO_GUARDS = ("scope_v1", *LISTS, *APPEND)


@dataclass(frozen=True)
class Shadow:
    """An attack that copies of these tables or views, changed by `forge`, would let through."""

    attack: str
    names: tuple[str, ...]
    forge: str = "SELECT 1"


def emptied(*names: str) -> str:
    return "; ".join(f"DELETE FROM pg_temp.{name.partition('.')[2]}" for name in names)


# An entry of the attack's transaction.
ENTRY_OF_NOW = (
    "INSERT INTO audit.entry (body) VALUES (convert_to('"
    '{{"action":"database:x","actor":"database:x","at":"","data":{{}},"object":"","v":1}}'
    "', 'UTF8')); "
)
PUBLIC = "public.remediation_"
PROVENANCE = tuple(
    PUBLIC + name
    for name in (
        *("assessmentservice", "dependency", "dependencyversion"),
        *("identity", "identityversion", "serviceversion"),
    )
)
SHADOWS = [
    Shadow(
        "approved_without_a_review",
        ("public.remediation_review",),
        "INSERT INTO pg_temp.remediation_review (proposal_id, round, person, slot, decision)"
        " VALUES ('{w.in_review.pk}', 1, gen_random_uuid(), 'any', 'approve')",
    ),
    Shadow(
        "approved_without_a_review",
        ("public.remediation_narrowing", "public.remediation_assessment"),
        "INSERT INTO pg_temp.remediation_narrowing (proposal_id, person, slot)"
        " VALUES ('{w.in_review.pk}', gen_random_uuid(), 'any');"
        "UPDATE pg_temp.remediation_assessment SET narrowing_counts = true",
    ),
    Shadow(
        "a30_approved_after_the_deadline",
        ("public.remediation_assessment",),
        "UPDATE pg_temp.remediation_assessment SET decide_by = decide_by + interval '2 days'",
    ),
    Shadow(
        "an_observation_outside_review",
        ("public.remediation_proposal",),
        "UPDATE pg_temp.remediation_proposal SET state = 'in_review', round = 1",
    ),
    Shadow(
        "a30_a_step_begun_after_the_deadline",
        ("public.remediation_transition",),
        "UPDATE pg_temp.remediation_transition SET recorded_at = now()",
    ),
    Shadow(
        "a_proposal_without_its_targets",
        ("public.remediation_proposaltarget",),
        "INSERT INTO pg_temp.remediation_proposaltarget (proposal_id, step, locator)"
        " VALUES ('{w.targetless.pk}', 0, 'x')",
    ),
    Shadow(
        "a_run_with_an_old_token",
        ("public.remediation_execution",),
        "INSERT INTO pg_temp.remediation_execution (proposal_id, holder, tokens)"
        " SELECT '{w.approved.pk}', l.holder, jsonb_build_object(l.target, l.token)"
        "   FROM public.remediation_lease l JOIN public.remediation_proposaltarget t"
        "     ON t.locator = l.target WHERE t.proposal_id = '{w.approved.pk}'",
    ),
    Shadow(
        "it_goes_on_without_a_signature",
        ("public.remediation_wait",),
        "UPDATE pg_temp.remediation_wait SET person = false",
    ),
    Shadow(
        "it_goes_on_although_nobody_was_seen_to_move",
        ("public.remediation_waitlook",),
        "INSERT INTO pg_temp.remediation_waitlook (wait_id, unmet) VALUES ({w.looking.pk}, '[]')",
    ),
    Shadow(
        "it_goes_on_without_the_evidence_of_the_gate",
        ("public.remediation_resumption",),
        ENTRY_OF_NOW + "INSERT INTO pg_temp.remediation_resumption (wait_id, entry)"
        " SELECT {w.looking.pk}, max(id) FROM audit.entry",
    ),
    Shadow(
        "a42_a_step_after_the_lease",
        ("public.remediation_lease",),
        "UPDATE pg_temp.remediation_lease SET until = now() + interval '1 hour'",
    ),
    Shadow(
        "verified_before_applied",
        ("public.remediation_steprecord",),
        "INSERT INTO pg_temp.remediation_steprecord (execution_id, step, phase)"
        " VALUES ({w.executing.pk}, 0, 'applied')",
    ),
    Shadow("a32_a_run_begins_while_frozen", ("public.remediation_freeze",)),
    Shadow(
        "a_step_of_a_halted_run",
        ("public.remediation_halt",),
        emptied("public.remediation_halt"),
    ),
    Shadow(
        "a_step_of_a_run_whose_halt_holds",
        ("public.remediation_haltverdict",),
        "UPDATE pg_temp.remediation_haltverdict SET refusal = 'signature'",
    ),
    Shadow(
        "halted_by_a_statement_of_an_hour_ago",
        ("public.remediation_haltsession",),
        "UPDATE pg_temp.remediation_haltsession SET expires_at = now() + interval '1 hour'",
    ),
    Shadow(
        "an_expired_session",
        ("public.remediation_reviewsession",),
        "UPDATE pg_temp.remediation_reviewsession SET expires_at = now() + interval '1 hour'",
    ),
    Shadow(
        "a_diagnosis_of_another_incident",
        ("public.remediation_diagnosis",),
        "UPDATE pg_temp.remediation_diagnosis SET incident_id = '{w.in_review.incident_id}'",
    ),
    Shadow(
        "a11_who_made_the_token_decides",
        ("public.remediation_agenttoken",),
        emptied("public.remediation_agenttoken"),
    ),
    Shadow("the_token_is_revoked", ("public.remediation_agenttokenrevocation",)),
    Shadow(
        "a11_the_owner_of_the_agent_decides",
        ("public.remediation_agentversion",),
        emptied("public.remediation_agentversion"),
    ),
    Shadow("a45_who_loosened_the_inventory_decides", PROVENANCE, emptied(*PROVENANCE)),
    Shadow(
        "an_auditor_decides",
        ("remediation.entitlement",),
        "UPDATE pg_temp.entitlement SET role = 'security'",
    ),
    Shadow(
        "taken_without_a_look_at_who_has_it",
        ("public.remediation_incidentassignment",),
        emptied("public.remediation_incidentassignment"),
    ),
    Shadow(
        "a_comment_of_somebody_who_may_not_see_it",
        ("public.remediation_incidententry",),
        "UPDATE pg_temp.remediation_incidententry SET touched = '{{0}}'",
    ),
    Shadow(
        "a_comment_on_a_proposal_by_somebody_who_may_not_see_it",
        ("public.remediation_queueentry",),
        "UPDATE pg_temp.remediation_queueentry SET touched = '{{0}}'",
    ),
    Shadow(
        "a_question_to_somebody_who_may_not_see_it",
        ("remediation.service_right",),
        "INSERT INTO pg_temp.service_right (person, service_id, codename)"
        " SELECT e.person, s.id, 'view_service'"
        "   FROM remediation.entitlement e, public.remediation_service s",
    ),
    Shadow(
        "a12_an_owner_of_another_service_decides_for_a_team",
        ("public.remediation_service",),
        "UPDATE pg_temp.remediation_service SET name = ("
        "SELECT convert_from(a.ruling, 'UTF8')::jsonb #>> '{{owners,0,services,0}}'"
        "  FROM public.remediation_assessment a WHERE a.proposal_id = '{w.owned.pk}')",
    ),
    Shadow(
        "an_alternative_joins_the_choice_of_an_earlier_report",
        ("public.remediation_choice",),
        ENTRY_OF_NOW
        + "UPDATE pg_temp.remediation_choice SET entry = (SELECT max(id) FROM audit.entry)",
    ),
    Shadow(
        "an_answer_with_the_entry_of_another_incident",
        ("public.remediation_liverequest",),
        "UPDATE pg_temp.remediation_liverequest SET incident_id = '{w.contained.pk}'",
    ),
    Shadow(
        "somebody_who_was_not_asked_answers",
        ("public.remediation_outcomequestion",),
        "UPDATE pg_temp.remediation_outcomequestion SET person = '{w.bob.id}'",
    ),
    Shadow(
        "a77_who_administered_people_decides",
        ("remediation.administrator",),
        emptied("remediation.administrator"),
    ),
    Shadow(
        "an_equal_look_that_nobody_asked_for",
        ("public.remediation_observationrequest",),
        "INSERT INTO pg_temp.remediation_observationrequest (proposal_id, round, entry)"
        " VALUES ('{w.in_review.pk}', 1, 1)",
    ),
    Shadow(
        "a_review_of_what_was_seen_eleven_minutes_ago",
        ("public.remediation_seenagain",),
        "INSERT INTO pg_temp.remediation_seenagain (proposal_id, round, recorded_at)"
        " VALUES ('{w.stale.pk}', 1, now())",
    ),
    Shadow(
        "a76_an_observation_that_no_passkey_signed",
        ("remediation.step_up",),
        "INSERT INTO pg_temp.step_up (entry, person, act, object)"
        " SELECT e.id, '{w.sue.id}', 'observe_again', 'proposal:{w.two.pk}'"
        "   FROM generate_series(1, 100000) AS e (id)",
    ),
    Shadow(
        "a76_what_was_signed_for_another_group",
        ("public.auth_group",),
        "UPDATE pg_temp.auth_group SET name = 'lead' WHERE name = 'security'",
    ),
    Shadow(
        "a76_another_right_than_the_signed_one",
        ("public.auth_permission",),
        "UPDATE pg_temp.auth_permission SET codename = 'view_service'"
        " WHERE codename = 'review_service'",
    ),
    Shadow(
        "a76_a_right_on_another_place_than_the_signed_one",
        ("public.django_content_type",),
        "UPDATE pg_temp.django_content_type SET model = 'service' WHERE model = 'ownerteam'",
    ),
    Shadow("a16_the_agent_is_suspended", ("remediation.agent_now",)),
    Shadow(
        "an_open_incident_leaves_containment",
        ("public.remediation_incidenttransition",),
        "DELETE FROM pg_temp.remediation_incidenttransition WHERE to_state <> 'contained'; "
        "UPDATE pg_temp.remediation_incidenttransition"
        " SET incident_id = '{w.in_review.incident_id}'",
    ),
    Shadow(
        "a68_confirmed_by_an_old_look",
        ("public.remediation_incidentlook",),
        "UPDATE pg_temp.remediation_incidentlook SET recorded_at = now()",
    ),
    Shadow(
        "a_look_for_a_step_on_another_identity",
        ("public.remediation_incident",),
        "UPDATE pg_temp.remediation_incident SET locator = ("
        "SELECT t.locator FROM public.remediation_proposaltarget t"
        " WHERE t.proposal_id = '{w.executing.proposal_id}' AND t.step = 1)",
    ),
    Shadow(
        "an_old_code_is_used",
        ("public.remediation_invitation",),
        "UPDATE pg_temp.remediation_invitation SET expires_at = now() + interval '1 hour'",
    ),
    Shadow(
        "web_walks_an_edge_of_the_worker",
        ("remediation.edge",),
        "INSERT INTO pg_temp.edge VALUES ('proposal', 'approved', 'refused', 'hitl_web')",
    ),
    Shadow(
        "a_target_that_the_plan_does_not_name",
        ("remediation.target_kind",),
        "UPDATE pg_temp.target_kind SET locator = 'test.target:innocent'",
    ),
    Shadow(
        "bytes_go_without_an_erasure",
        ("public.remediation_evidenceerasure",),
        ENTRY_OF_NOW + "INSERT INTO pg_temp.remediation_evidenceerasure (sha256, entry)"
        " SELECT b.sha256, (SELECT max(id) FROM audit.entry)"
        "   FROM public.remediation_evidenceblob b",
    ),
    Shadow(
        "with_an_entry_of_yesterday",
        ("audit.entry",),
        "UPDATE pg_temp.entry SET txid = pg_current_xact_id()",
    ),
]


def cast(shadow: Shadow, w: World) -> Attack:
    """Create the shadows in this transaction; return the attack."""
    attack = BY_NAME[shadow.attack]
    sql(f'GRANT TEMPORARY ON DATABASE "{database()}" TO {attack.login}')
    for name in shadow.names:
        copy = name.partition(".")[2]
        sql(f"CREATE TEMPORARY TABLE {copy} AS SELECT * FROM {name}")
        sql(f"GRANT ALL ON pg_temp.{copy} TO PUBLIC")
    for statement in shadow.forge.split("; "):
        sql(statement.format(w=w))
    # The attack's statements use the real tables; only the guards could see the shadows.
    sql("SET LOCAL search_path = public, pg_temp")
    return attack


def unqualify(names: tuple[str, ...]) -> None:
    """Control: the guards name these tables without their schema."""
    sql("SET LOCAL check_function_bodies = off")
    for definition in guards():
        text = definition
        for name in names:
            text = re.sub(rf"{re.escape(name)}\b", name.partition(".")[2], text)
        if text != definition:
            sql(text)


def guards() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_functiondef(oid) FROM pg_proc"
            " WHERE pronamespace = 'remediation'::regnamespace AND proname <> ALL(%s)",
            [list(NO_GUARDS)],
        )
        return [row[0] for row in cursor.fetchall()]


def test_there_is_a_shadow_for_everything_that_a_guard_reads() -> None:
    read = set()
    for definition in guards():
        for name in re.findall(
            r"(?:FROM|JOIN)\s+((?:public|audit|remediation)\.[a-z_0-9]+)\b(?!\()", definition
        ):
            read.add(name)
    # Functions in FROM are not shadowed: temporary ones are never found by their bare name.
    read = {name for name in read if not name.endswith("_v1")}
    assert read == {name for shadow in SHADOWS for name in shadow.names}


def test_no_guard_names_a_relation_without_its_schema() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v')"
            "   AND relnamespace::regnamespace::text IN ('public', 'audit', 'remediation')"
        )
        relations = "|".join(row[0] for row in cursor.fetchall())
    bare = re.compile(rf"(?:FROM|JOIN|INTO|UPDATE|ONLY)\s+(?:{relations})\b", re.IGNORECASE)
    for definition in guards():
        assert not bare.search(definition), definition


@every("shadow", SHADOWS, ids=lambda s: f"{s.attack}-{s.names[0]}", undo=True)
def test_a43_a_temporary_table_shadows_nothing(shadow: Shadow, world: World) -> None:
    attack = cast(shadow, world)
    with refused(attack.refusal), transaction.atomic():
        attack.run(world)


@every("shadow", SHADOWS, ids=lambda s: f"{s.attack}-{s.names[0]}", undo=True)
def test_the_control_with_an_unqualified_name_lets_the_attack_through(
    shadow: Shadow, world: World
) -> None:
    attack = cast(shadow, world)
    unqualify(shadow.names)
    attack.run(world)


@pytest.mark.parametrize("login", ["hitl_web", "hitl_worker"])
def test_a43_no_temporary_table_can_be_made_at_all(login: str) -> None:
    with connect(login, autocommit=True) as it, refused(DENIED):
        it.execute("CREATE TEMPORARY TABLE remediation_review ()")


FORGED = """
CREATE TEMPORARY TABLE remediation_review (LIKE public.remediation_review);
INSERT INTO pg_temp.remediation_review SELECT * FROM public.remediation_review LIMIT 1;
UPDATE pg_temp.remediation_review SET proposal_id = '{proposal}', round = 1, slot = 'any',
       decision = 'approve';
GRANT ALL ON pg_temp.remediation_review TO PUBLIC;
"""
APPROVED = """
WITH e AS (
  INSERT INTO audit.entry (body) VALUES (convert_to(format(
    '{{"action":"person:proposal:approved","actor":"person:x","at":"",'
    '"data":{{"from":"in_review","to":"approved"}},"object":"proposal:%s","v":1}}',
    '{proposal}'), 'UTF8')) RETURNING id)
SELECT id FROM e
"""


def test_a43_a_forged_quorum_with_the_real_login(world: World) -> None:
    """The whole attack as web itself, with TEMPORARY granted by the superuser."""
    proposal = str(world.in_review.pk)
    name = database()
    with superuser(autocommit=True) as root:
        root.execute(f'GRANT TEMPORARY ON DATABASE "{name}" TO hitl_web')
        try:
            with connect("hitl_web") as it:
                it.execute(FORGED.format(proposal=proposal))
                entry = it.execute(APPROVED.format(proposal=proposal)).fetchone()
                assert entry is not None
                with refused("quorum_not_met"):
                    it.execute(
                        "INSERT INTO public.remediation_transition"
                        " (proposal_id, from_state, to_state, round, actor, reason, entry,"
                        "  recorded_at)"
                        " VALUES (%s, 'in_review', 'approved', 1, 'person:x', '', %s, now())",
                        [proposal, entry[0]],
                    )
                it.rollback()
        finally:
            root.execute(f'REVOKE TEMPORARY ON DATABASE "{name}" FROM hitl_web')
