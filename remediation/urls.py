"""The portal's addresses. Names carry no namespace, so that a mail can name them."""

from __future__ import annotations

from django.urls import path

from remediation.views import (
    artefact,
    correct,
    execution,
    history,
    incident_history,
    incidents,
    invite,
    passkeys,
    presence,
    queue,
    record,
    review,
    reviews,
    saved,
)

urlpatterns = [
    path("", queue.home, name="home"),
    path("queue/", queue.show, name="queue"),
    path("queue/views/save", saved.save, name="view_save"),
    path("queue/views/remove", saved.remove, name="view_remove"),
    path("proposals/<uuid:proposal_id>/", review.show, name="review"),
    path("proposals/<uuid:proposal_id>/history/", history.show, name="proposal_history"),
    path("proposals/<uuid:proposal_id>/changes/", reviews.changes, name="proposal_changes"),
    path(
        "proposals/<uuid:proposal_id>/reviews/<int:number>/", reviews.show, name="proposal_review"
    ),
    path("proposals/<uuid:proposal_id>/execution/", execution.show, name="execution"),
    path(
        "proposals/<uuid:proposal_id>/execution/progress/",
        execution.progress,
        name="execution_progress",
    ),
    path("proposals/<uuid:proposal_id>/execution/halt/", execution.halt_start, name="halt"),
    path("proposals/<uuid:proposal_id>/execution/halt/sign", execution.halt_sign, name="halt_sign"),
    path("proposals/<uuid:proposal_id>/execution/undo/", execution.undo, name="propose_undo"),
    path("proposals/<uuid:proposal_id>/standing/", review.rail, name="review_rail"),
    path("proposals/<uuid:proposal_id>/looking", presence.look, name="looking"),
    path("proposals/<uuid:proposal_id>/observe/", review.observe, name="observe"),
    path("proposals/<uuid:proposal_id>/correct/", correct.correct, name="correct"),
    path(
        "proposals/<uuid:proposal_id>/report-agent/",
        review.report_agent,
        name="report_agent",
    ),
    path("proposals/<uuid:proposal_id>/review/start", review.start, name="review_start"),
    path("proposals/<uuid:proposal_id>/review/sign", review.sign, name="review_sign"),
    path("proposals/<uuid:proposal_id>/evidence/<slug:sha256>/", artefact.show, name="evidence"),
    path(
        "proposals/<uuid:proposal_id>/evidence/<slug:sha256>/reveal/",
        artefact.reveal,
        name="evidence_reveal",
    ),
    path("incidents/", incidents.index, name="incidents"),
    path("incidents/<uuid:incident_id>/", incidents.show, name="incident"),
    path("incidents/<uuid:incident_id>/history/", incident_history.show, name="incident_history"),
    path("incidents/<uuid:incident_id>/close/", incidents.close, name="incident_close"),
    path("audit/incidents/", incidents.audit_index, name="audit_incidents"),
    path("audit/incidents/<uuid:incident_id>/", record.timeline, name="incident_record"),
    path("audit/incidents/<uuid:incident_id>/bundle", record.download, name="incident_bundle"),
    path("invite/", invite.show, name="invite"),
    path("invite/start", invite.start, name="invite_start"),
    path("invite/finish", invite.finish, name="invite_finish"),
    path("passkeys/", passkeys.index, name="passkeys"),
    path("passkeys/add/start", passkeys.add_start, name="passkey_add_start"),
    path("passkeys/add", passkeys.add, name="passkey_add"),
    path("passkeys/<int:pk>/remove/start", passkeys.remove_start, name="passkey_remove_start"),
    path("passkeys/<int:pk>/remove", passkeys.remove, name="passkey_remove"),
]
