"""The portal's addresses. Names carry no namespace, so that a mail can name them."""

from __future__ import annotations

from django.urls import path

from remediation.views.account import invite
from remediation.views.account import own as settings_page
from remediation.views.account import views as account
from remediation.views.agents import views as agents
from remediation.views.evidence import views as evidence
from remediation.views.help import views as help
from remediation.views.history import views as history
from remediation.views.incidents import discussing, live, outcomes
from remediation.views.incidents import views as incidents
from remediation.views.inventory import views as inventory
from remediation.views.narrow import views as narrow
from remediation.views.people import views as people
from remediation.views.plan import views as plan
from remediation.views.queue import duplicates, saved_views, taking
from remediation.views.queue import views as queue
from remediation.views.review import correct, presence
from remediation.views.review import views as review
from remediation.views.run import views as run
from remediation.views.who import views as who

urlpatterns = [
    path("", queue.home, name="home"),
    path("queue/", queue.show, name="queue"),
    path("queue/next/", queue.following, name="queue_next"),
    path("queue/take", taking.take, name="queue_take"),
    path("queue/duplicates/<uuid:proposal_id>/", duplicates.show, name="queue_duplicates"),
    path("queue/views/save", saved_views.save, name="view_save"),
    path("queue/views/remove", saved_views.remove, name="view_remove"),
    path("proposals/<uuid:proposal_id>/", review.show, name="review"),
    path("proposals/<uuid:proposal_id>/history/", history.show, name="proposal_history"),
    path("proposals/<uuid:proposal_id>/changes/", history.changes, name="proposal_changes"),
    path(
        "proposals/<uuid:proposal_id>/reviews/<int:number>/", history.review, name="proposal_review"
    ),
    path("proposals/<uuid:proposal_id>/execution/", run.show, name="execution"),
    path(
        "proposals/<uuid:proposal_id>/execution/progress/",
        run.progress,
        name="execution_progress",
    ),
    path("proposals/<uuid:proposal_id>/execution/halt/", run.halt_start, name="halt"),
    path("proposals/<uuid:proposal_id>/execution/halt/sign", run.halt_sign, name="halt_sign"),
    path(
        "proposals/<uuid:proposal_id>/execution/rest/",
        run.rest,
        name="propose_rest",
    ),
    path(
        "proposals/<uuid:proposal_id>/execution/reverse/",
        run.propose_reversal,
        name="propose_reversal",
    ),
    path("proposals/<uuid:proposal_id>/standing/", review.rail, name="review_rail"),
    path("proposals/<uuid:proposal_id>/looking", presence.look, name="looking"),
    path("proposals/<uuid:proposal_id>/observe/", review.observe, name="observe"),
    path("proposals/<uuid:proposal_id>/correct/", correct.correct, name="correct"),
    path("proposals/<uuid:proposal_id>/narrow/", narrow.show, name="narrow"),
    path("proposals/<uuid:proposal_id>/narrow/start", narrow.start, name="narrow_start"),
    path("proposals/<uuid:proposal_id>/narrow/sign", narrow.sign, name="narrow_sign"),
    path(
        "proposals/<uuid:proposal_id>/report-agent/",
        review.report_agent,
        name="report_agent",
    ),
    path("proposals/<uuid:proposal_id>/review/start", review.start, name="review_start"),
    path("proposals/<uuid:proposal_id>/review/sign", review.sign, name="review_sign"),
    path("proposals/<uuid:proposal_id>/evidence/<slug:sha256>/", evidence.show, name="evidence"),
    path(
        "proposals/<uuid:proposal_id>/evidence/<slug:sha256>/reveal/",
        evidence.reveal,
        name="evidence_reveal",
    ),
    path("proposals/<uuid:proposal_id>/live/", live.proposal_state, name="proposal_live"),
    path("proposals/<uuid:proposal_id>/live/read", live.proposal_read, name="proposal_live_read"),
    path("incidents/<uuid:incident_id>/live/", live.incident_state, name="incident_live"),
    path("incidents/<uuid:incident_id>/live/read", live.incident_read, name="incident_live_read"),
    path("incidents/", incidents.index, name="incidents"),
    path("incidents/<uuid:incident_id>/", incidents.show, name="incident"),
    path("incidents/<uuid:incident_id>/plan/", plan.plan, name="plan"),
    path("incidents/<uuid:incident_id>/history/", incidents.history, name="incident_history"),
    path("incidents/<uuid:incident_id>/comment/", discussing.comment, name="incident_comment"),
    path("incidents/<uuid:incident_id>/assign/", discussing.assign, name="incident_assign"),
    path(
        "incidents/<uuid:incident_id>/evidence/<slug:sha256>/",
        discussing.artefact,
        name="incident_artefact",
    ),
    path("incidents/<uuid:incident_id>/look/", incidents.look, name="incident_look"),
    path("incidents/<uuid:incident_id>/confirm/", incidents.confirm, name="incident_confirm"),
    path("incidents/<uuid:incident_id>/outcome/", outcomes.answer, name="incident_outcome"),
    path("incidents/<uuid:incident_id>/close/", incidents.close, name="incident_close"),
    path("audit/incidents/", incidents.audit_index, name="audit_incidents"),
    path("audit/incidents/<uuid:incident_id>/", incidents.record, name="incident_record"),
    path("audit/incidents/<uuid:incident_id>/bundle", incidents.download, name="incident_bundle"),
    path("who/", who.index, name="who"),
    path("who/people/<uuid:person>/", who.of_person, name="who_person"),
    path("who/services/<int:service_id>/", who.of_service, name="who_service"),
    path("proposals/<uuid:proposal_id>/who/", who.of_proposal, name="who_proposal"),
    path("help/", help.show, name="help"),
    path("help/dismiss", help.dismiss, name="help_dismiss"),
    path("people/", people.index, name="people"),
    path("people/<int:user_id>/invite/", people.invite, name="person_invite"),
    path("agents/", agents.index, name="agents"),
    path("inventory/", inventory.services, name="inventory"),
    path("inventory/identities/", inventory.identities, name="inventory_identities"),
    path("invite/", invite.show, name="invite"),
    path("invite/start", invite.start, name="invite_start"),
    path("invite/finish", invite.finish, name="invite_finish"),
    path("settings/", settings_page.show, name="settings"),
    path("settings/notices", settings_page.notices, name="settings_notices"),
    path("settings/theme", settings_page.theme, name="settings_theme"),
    path("settings/sessions", settings_page.end_sessions, name="settings_sessions"),
    path("passkeys/", account.index, name="passkeys"),
    path("passkeys/add/start", account.add_start, name="passkey_add_start"),
    path("passkeys/add", account.add, name="passkey_add"),
    path("passkeys/<int:pk>/remove/start", account.remove_start, name="passkey_remove_start"),
    path("passkeys/<int:pk>/remove", account.remove, name="passkey_remove"),
]
