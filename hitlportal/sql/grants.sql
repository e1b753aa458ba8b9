-- The allow-list of every process login, reads too, in one file; run as hitl_owner after migrate.
-- First everything is taken, so that what this file does not name does not exist.
DO $$
DECLARE r text; s text;
BEGIN
  FOREACH r IN ARRAY ARRAY['PUBLIC', 'hitl_web', 'hitl_worker', 'hitl_sequencer', 'hitl_auditor', 'hitl_eraser',
                           'hitl_operator'] LOOP
    FOREACH s IN ARRAY ARRAY['public', 'audit', 'remediation'] LOOP
      EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %s', s, r);
      EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA %I FROM %s', s, r);
      IF s <> 'public' THEN
        EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %I FROM %s', s, r);
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %s', s, r);
      END IF;
    END LOOP;
  END LOOP;
END $$;
GRANT USAGE ON SCHEMA public TO hitl_web, hitl_worker, hitl_sequencer, hitl_auditor, hitl_eraser, hitl_operator;
GRANT USAGE ON SCHEMA audit TO hitl_web, hitl_worker, hitl_sequencer, hitl_auditor, hitl_eraser, hitl_operator;
GRANT USAGE ON SCHEMA remediation TO hitl_web, hitl_worker, hitl_auditor, hitl_operator;

-- The record: append bytes, nothing else; txid and id are not for the writer to choose.
GRANT INSERT (body), SELECT (id) ON audit.entry TO hitl_web, hitl_worker, hitl_eraser, hitl_operator;
-- The guard of entries reads, as its caller, who may write what; only the owner writes it.
GRANT SELECT ON audit.author
  TO hitl_web, hitl_worker, hitl_sequencer, hitl_auditor, hitl_eraser, hitl_operator;
-- The worker proves what it relies on, and compares the bytes that it proved.
GRANT SELECT (body) ON audit.entry TO hitl_worker;
GRANT SELECT ON audit.entry TO hitl_sequencer, hitl_auditor;
GRANT SELECT ON audit.trail TO hitl_auditor;
-- The tree: one writer, who alone has the key; it cannot write an entry.
GRANT SELECT ON audit.leaf, audit.node, audit.checkpoint, audit.cosignature, audit.search
  TO hitl_worker, hitl_auditor, hitl_sequencer;
GRANT INSERT ON audit.leaf, audit.node, audit.checkpoint, audit.cosignature, audit.search
  TO hitl_sequencer;
GRANT EXECUTE ON FUNCTION
  audit.instant_v1(text), audit.words_v1(text), audit.said_v1(bytea)
  TO hitl_sequencer, hitl_worker, hitl_auditor;
GRANT EXECUTE ON FUNCTION audit.search_v1(bigint, integer) TO hitl_sequencer;
-- Commitments: who writes an entry may open one; only the eraser takes it back.
GRANT INSERT ON audit.secret TO hitl_web, hitl_worker, hitl_operator;
GRANT EXECUTE ON FUNCTION audit.hmac_v1(bytea, bytea) TO hitl_web, hitl_worker, hitl_operator;
GRANT SELECT ON audit.secret TO hitl_auditor, hitl_worker;
GRANT SELECT (commitment), DELETE ON audit.secret TO hitl_eraser;
-- Bytes of evidence go the same way; their guard asks for the erasure on record.
GRANT SELECT (sha256), DELETE ON public.remediation_evidenceblob TO hitl_eraser;
GRANT SELECT (sha256, incident_id) ON public.remediation_evidence TO hitl_eraser;
GRANT SELECT ON public.remediation_evidenceerasure TO hitl_eraser;

-- Guard functions that run as the caller, and what services ask.
GRANT EXECUTE ON FUNCTION
  remediation.refuse_v1(text, text), remediation.digest_v1(text, bytea),
  remediation.edge_v1(text, text, text), remediation.incident_edge_v1(text, text, text),
  remediation.lock_proposal_v1(uuid), remediation.lock_incident_v1(uuid),
  remediation.incident_excluded_v1(uuid, uuid), remediation.look_holds_v1(uuid, bigint),
  remediation.viewers_v1(uuid, uuid),
  remediation.excluded_v1(uuid), remediation.token_revoked_v1(uuid),
  remediation.frozen_v1(), remediation.run_deadline_v1(uuid), remediation.wait_deadline_v1(bigint),
  remediation.taken_v1(uuid, integer),
  remediation.open_slots_v1(uuid, integer, text), remediation.look_asked_v1(uuid, integer),
  remediation.scope_v1(text[], integer, integer)
  TO hitl_web, hitl_worker;
-- What somebody looks for in the queue, as a question to its index.
GRANT EXECUTE ON FUNCTION remediation.asked_v1(text), remediation.words_v1(text)
  TO hitl_web, hitl_auditor;
-- Which alternatives the worker has to end after people declined all.
GRANT EXECUTE ON FUNCTION remediation.declined_v1(uuid, integer) TO hitl_worker;
-- How long a run has waited, for the evidence of the gate.
GRANT EXECUTE ON FUNCTION remediation.waited_v1(uuid) TO hitl_worker;
-- Under which token a person plans.
GRANT EXECUTE ON FUNCTION remediation.diagnosis_token_v1(uuid, uuid) TO hitl_web;
-- Where in the queue to look for whoever sees some services only.
GRANT EXECUTE ON FUNCTION remediation.queue_ahead_v1(bigint[], text, text, integer) TO hitl_web;

-- Facts that web and worker read, and auditors with them.
GRANT SELECT ON
  public.remediation_service, public.remediation_serviceversion,
  public.remediation_identity, public.remediation_identityversion,
  public.remediation_dependency, public.remediation_dependencyversion,
  public.remediation_agent, public.remediation_agentversion,
  public.remediation_incident, public.remediation_incidenttransition,
  public.remediation_incidentlook, public.remediation_incidentlookrequest,
  public.remediation_incidentnotice, public.remediation_incidentassignment,
  public.remediation_incidentcomment,
  public.remediation_liverequest, public.remediation_liveobservation, public.remediation_secretcheck,
  public.remediation_outcomequestion, public.remediation_outcomeanswer,
  public.remediation_incidentreport, public.remediation_evidence, public.remediation_evidenceblob,
  public.remediation_diagnosis, public.remediation_choice,
  public.remediation_proposal, public.remediation_proposaltarget,
  public.remediation_transition, public.remediation_outboxmessage,
  public.remediation_observationrequest, public.remediation_seenagain, public.remediation_refusal, public.remediation_notice,
  public.remediation_assessment, public.remediation_assessmentservice,
  public.remediation_review, public.remediation_narrowing, public.remediation_execution, public.remediation_steprecord,
  public.remediation_lateresult,
  public.remediation_wait, public.remediation_waitlook, public.remediation_waitoverdue,
  public.remediation_resumption,
  public.remediation_freeze, public.remediation_halt, public.remediation_haltverdict,
  public.remediation_lease, public.django_migrations,
  public.remediation_passkeyenrolment, public.remediation_approverkey, public.remediation_ownerteam,
  public.remediation_environmentname, remediation.agent_now,
  public.remediation_evidencescan, public.remediation_evidenceerasure,
  public.remediation_telling, public.remediation_delivery,
  public.remediation_noticechannel, public.remediation_noticechoice
  TO hitl_web, hitl_worker, hitl_auditor;
-- What guards read of the declarations in code; `check --deploy` compares. Only the owner writes it.
GRANT SELECT ON remediation.edge, remediation.target_kind TO hitl_web, hitl_worker, hitl_auditor;
-- Places in the lists: written by triggers alone.
GRANT SELECT ON
  public.remediation_queueentry, public.remediation_queueservice, public.remediation_incidententry
  TO hitl_web, hitl_auditor;
-- The worker finds the open incidents that need a plan.
GRANT SELECT ON public.remediation_incidententry TO hitl_worker;
GRANT SELECT ON remediation.entitlement, remediation.service_right, remediation.account
  TO hitl_web, hitl_worker;
-- Who administered people in the last 7 days; only a trigger writes what it reads.
GRANT SELECT ON remediation.administrator TO hitl_web;
-- An act that a person signed; the time is for the database to choose.
GRANT INSERT (nonce, entry, person, act, object, expires_at) ON remediation.step_up TO hitl_web;
GRANT SELECT ON remediation.mailbox TO hitl_worker;

-- Web: people, sessions of review, agents' tokens and answers.
GRANT SELECT ON
  public.remediation_user, public.remediation_user_groups, public.remediation_user_user_permissions,
  public.auth_group, public.auth_group_permissions, public.auth_permission,
  public.django_content_type, public.django_admin_log,
  public.guardian_userobjectpermission, public.guardian_groupobjectpermission,
  public.account_emailaddress, public.account_emailconfirmation, public.mfa_authenticator,
  public.remediation_agenttoken, public.remediation_agenttokenrevocation,
  public.remediation_invitation, public.remediation_invitationuse,
  public.remediation_reviewsession, public.remediation_haltsession,
  public.remediation_idempotencyrecord,
  public.remediation_savedview
  TO hitl_web;
GRANT INSERT ON
  public.django_admin_log,
  public.remediation_user, public.remediation_user_groups, public.remediation_user_user_permissions,
  public.auth_group, public.auth_group_permissions,
  public.guardian_userobjectpermission, public.guardian_groupobjectpermission,
  public.account_emailaddress, public.mfa_authenticator
  TO hitl_web;
-- The closed list of what may change or go: sign-in, groups, guardian rows.
GRANT UPDATE ON
  public.remediation_user, public.auth_group, public.account_emailaddress, public.mfa_authenticator
  TO hitl_web;
GRANT DELETE ON
  public.remediation_user_groups, public.remediation_user_user_permissions,
  public.auth_group_permissions, public.guardian_userobjectpermission,
  public.guardian_groupobjectpermission, public.account_emailaddress, public.mfa_authenticator
  TO hitl_web;

-- Operators' commands about people: person, invite, rights. No running process has this login.
GRANT EXECUTE ON FUNCTION remediation.refuse_v1(text, text) TO hitl_operator;
GRANT SELECT ON
  public.remediation_user, public.remediation_user_groups, public.auth_group, public.auth_permission,
  public.django_content_type, public.guardian_userobjectpermission, public.guardian_groupobjectpermission,
  public.mfa_authenticator, public.remediation_invitation, public.remediation_service,
  public.remediation_serviceversion, public.remediation_ownerteam, public.remediation_environmentname
  TO hitl_operator;
GRANT INSERT ON
  public.remediation_user, public.remediation_user_groups, public.auth_group,
  public.guardian_userobjectpermission, public.guardian_groupobjectpermission
  TO hitl_operator;
GRANT UPDATE ON public.remediation_user TO hitl_operator;
GRANT DELETE ON
  public.remediation_user_groups, public.guardian_userobjectpermission,
  public.guardian_groupobjectpermission, public.mfa_authenticator
  TO hitl_operator;

-- The lease is the worker's one UPDATE.
GRANT INSERT, UPDATE ON public.remediation_lease TO hitl_worker;

-- Facts: every column but the number of the row. Rules ask for the newest row, so nobody may
-- write one that is newest for ever, or older than it is.
DO $$
DECLARE g record; columns text;
BEGIN
  FOR g IN SELECT login, unnest(tables) AS name FROM (VALUES
    ('hitl_web', ARRAY[
      'service', 'serviceversion', 'identity', 'identityversion', 'dependency',
      'dependencyversion', 'agent', 'agentversion', 'agenttoken', 'agenttokenrevocation',
      'invitation', 'invitationuse', 'incident', 'incidenttransition', 'incidentreport',
      'evidence', 'evidenceblob', 'diagnosis', 'choice', 'proposal', 'proposaltarget', 'transition',
      'observationrequest', 'refusal', 'reviewsession', 'review', 'narrowing', 'idempotencyrecord',
      'passkeyenrolment', 'haltsession', 'halt', 'evidencescan', 'savedview',
      'incidentlookrequest', 'incidentassignment', 'incidentcomment', 'ownerteam', 'environmentname',
      'telling', 'noticechoice', 'liverequest', 'outcomeanswer']),
    ('hitl_eraser', ARRAY['evidenceerasure']),
    ('hitl_operator', ARRAY['invitation', 'ownerteam', 'environmentname']),
    ('hitl_worker', ARRAY[
      'assessment', 'assessmentservice', 'seenagain', 'transition', 'incidenttransition', 'refusal', 'notice',
      'execution', 'steprecord', 'lateresult', 'haltverdict', 'freeze', 'incidentlook',
      'incidentnotice', 'telling', 'delivery', 'noticechannel', 'liveobservation', 'secretcheck',
      'outcomequestion', 'approverkey', 'wait', 'waitlook', 'waitoverdue', 'resumption'])) AS l(login, tables)
  LOOP
    SELECT string_agg(quote_ident(a.attname), ', ') INTO columns FROM pg_attribute a
     WHERE a.attrelid = ('public.remediation_' || g.name)::regclass
       AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity = '';
    EXECUTE format('GRANT INSERT (%s) ON public.%I TO %I', columns, 'remediation_' || g.name, g.login);
  END LOOP;
END $$;
