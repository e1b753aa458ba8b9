-- Proposals first..last, beside a template that the portal itself made (its bytes with another
-- name in them). Two on each target; of a hundred targets twenty are in review, three not
-- assessed, three approved, the others have ended within three years, some of them today.
CREATE TEMPORARY TABLE made AS
SELECT x.*, x.ended - interval '1 hour' AS detected FROM (
SELECT n, k,
       ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id,
       ('00000000-0000-4001-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS incident,
       't' || k AS name, 'test.target:t' || k AS locator,
       CASE WHEN k % 100 < 20 THEN 'in_review' WHEN k % 100 < 23 THEN 'submitted'
            WHEN k % 100 < 26 THEN 'approved'
            ELSE (ARRAY['succeeded', 'rejected', 'expired', 'withdrawn'])[1 + k % 4] END AS state,
       (ARRAY['critical', 'high', 'high', 'medium', 'medium', 'medium', 'low', 'low', 'low', 'low'])
         [1 + k % 10] AS risk,
       (ARRAY['production', 'staging', 'development'])[1 + k % 3] AS environment,
       -- Every second one in review asks for a role that alice does not hold.
       CASE WHEN k % 2 = 0 THEN '["security"]' ELSE '["service_owner"]' END::jsonb AS slots,
       (SELECT a.id FROM bench_agent a WHERE a.nr = k / 5 % 20) AS agent,
       (SELECT a.token FROM bench_agent a WHERE a.nr = k / 5 % 20) AS token,
       (SELECT s.id FROM bench_service s WHERE s.nr = k / 100 % 200) AS direct,
       (SELECT s.id FROM bench_service s WHERE s.nr = (k / 100 + 7) % 200) AS far,
       now() + interval '1 hour' + (hashint8(n + 1) & 1048575) * interval '1 second' AS due,
       CASE WHEN k % 1000 < 60 THEN now() - (hashint8(n) & 65535) * interval '1 second'
            ELSE now() - interval '2 days' - (hashint8(n) & 67108863) * interval '1 second' END AS ended
  FROM (SELECT n, n / 2 AS k FROM generate_series({first}::bigint, {last}::bigint) AS n) AS numbers) AS x;
ANALYZE made;

INSERT INTO public.remediation_incident
       (id, entry, recorded_at, kind, title, locator, external_id, detected_at, agent_id, earlier_id)
SELECT m.incident, t.entry, m.detected, t.kind, 'Key misused from host' || m.n % 5000, m.locator, '',
       m.detected, m.agent, NULL
  FROM made m, public.remediation_incident t WHERE t.id = '{incident}';
INSERT INTO public.remediation_incidentreport (entry, recorded_at, incident_id, agent_id)
SELECT 1, m.detected, m.incident, m.agent FROM made m;
-- Of those that ended nine in ten were closed by a person.
INSERT INTO public.remediation_incidenttransition
       (entry, recorded_at, incident_id, from_state, to_state, outcome, reason, actor,
        proposal_id, look_id)
SELECT 1, m.ended, m.incident, 'open', 'closed', 'handled_outside', 'It is dealt with.', 'person:x',
       NULL, NULL
  FROM made m WHERE m.state NOT IN ('in_review', 'submitted', 'approved') AND m.n % 10 <> 0;
INSERT INTO public.remediation_evidence (entry, recorded_at, incident_id, sha256, size, source,
       media_type, collected_at, attacker_writable, agent_id)
SELECT 1, m.detected, m.incident, t.sha256, t.size, t.source, t.media_type, t.collected_at, true, m.agent
  FROM made m, public.remediation_evidence t WHERE t.incident_id = '{incident}';
CREATE TEMPORARY TABLE template AS
SELECT convert_from(p.plan, 'UTF8') AS plan, convert_from(d.body, 'UTF8') AS diagnosis,
       convert_from(a.pin, 'UTF8') AS pin, a.observation, a.scope, a.checks, a.facts, a.ruling,
       a.scope_digest, a.checks_digest, a.ruling_digest
  FROM public.remediation_proposal p JOIN public.remediation_diagnosis d ON d.id = p.diagnosis_id
  JOIN public.remediation_assessment a ON a.proposal_id = p.id WHERE p.id = '{proposal}';
INSERT INTO public.remediation_diagnosis (entry, recorded_at, incident_id, version, body, digest, agent_id,
       editor)
SELECT 1, m.detected, m.incident, 1, b.body, remediation.digest_v1('diagnosis', b.body), m.agent, NULL
  FROM made m, template t, LATERAL (SELECT convert_to(replace(t.diagnosis, 'template', m.name), 'UTF8') AS body) b;
INSERT INTO public.remediation_proposal (id, entry, recorded_at, incident_id, diagnosis_id, plan, plan_digest,
       rationale, agent_id, token_id, editor, planner, choice_id, alternative, supersedes_id, reverses_id,
       state, round)
SELECT m.id, 1, m.detected, m.incident, d.id, b.body, remediation.digest_v1('plan', b.body), '', m.agent,
       m.token, NULL, NULL, NULL, NULL, NULL, NULL, m.state, CASE WHEN m.state = 'submitted' THEN 0 ELSE 1 END
  FROM made m JOIN public.remediation_diagnosis d ON d.incident_id = m.incident, template t,
       LATERAL (SELECT convert_to(replace(replace(t.plan, 'template', m.name),
                  '"environment":"staging"', '"environment":"' || m.environment || '"'), 'UTF8') AS body) b;
INSERT INTO public.remediation_proposaltarget (proposal_id, step, locator)
SELECT m.id, 0, m.locator FROM made m;
INSERT INTO public.remediation_assessment (entry, recorded_at, proposal_id, round, observation, pin, scope,
       checks, facts, ruling, pin_digest, scope_digest, checks_digest, ruling_digest, slots, risk, decide_by,
       run_within_s, narrowing_counts)
SELECT 1, now(), m.id, 1, t.observation, b.pin, t.scope, t.checks, t.facts, t.ruling,
       remediation.digest_v1('pin', b.pin), t.scope_digest, t.checks_digest, t.ruling_digest, m.slots, m.risk,
       m.due, 3600, false
  FROM made m, template t, LATERAL (SELECT convert_to(replace(t.pin, 'template', m.name), 'UTF8') AS pin) b
 WHERE m.state <> 'submitted';
INSERT INTO public.remediation_assessmentservice (assessment_id, service_id, depth)
SELECT a.id, s.id, s.depth FROM made m JOIN public.remediation_assessment a ON a.proposal_id = m.id,
       LATERAL (VALUES (m.direct, 1), (m.far, 2)) AS s(id, depth);
INSERT INTO public.remediation_transition (entry, recorded_at, proposal_id, from_state, to_state, round, actor, reason)
SELECT 1, m.detected, m.id, 'submitted', 'in_review', 1, 'worker:x', '' FROM made m WHERE m.state <> 'submitted';
INSERT INTO public.remediation_transition (entry, recorded_at, proposal_id, from_state, to_state, round, actor, reason)
SELECT 1, CASE m.state WHEN 'approved' THEN now() ELSE m.ended END, m.id, 'in_review', m.state, 1, 'worker:x', ''
  FROM made m WHERE m.state NOT IN ('submitted', 'in_review');
INSERT INTO public.remediation_reviewsession (id, entry, recorded_at, proposal_id, round, person, nonce, statement, expires_at)
SELECT m.id, 1, m.ended, m.id, 1, gen_random_uuid(), m.id::text, '\x7b7d', m.ended FROM made m
 WHERE m.state NOT IN ('submitted', 'in_review') OR (m.state = 'in_review' AND m.n % 20 = 0);
INSERT INTO public.remediation_review (entry, recorded_at, session_id, proposal_id, round, person, slot, decision,
       statement, credential_id, authenticator_data, client_data_json, signature, cose_key)
SELECT 1, s.recorded_at, s.id, s.proposal_id, 1, s.person, 'any', 'approve', '\x7b7d', '\x00', '\x00', '\x00', '\x00', '\x00'
  FROM public.remediation_reviewsession s JOIN made m ON m.id = s.proposal_id;

INSERT INTO public.remediation_queueentry (proposal_id, incident_id, agent_id, place, state, risk, environment,
       target, due, touched, direct, open_slots, decided, words)
SELECT m.id, m.incident, m.agent, remediation.urgency_v1(m.state, x.risk, x.due, m.detected, x.moved, m.id), m.state, x.risk,
       m.environment, m.locator, x.due, x.touched, x.direct,
       CASE WHEN m.state = 'in_review' THEN ARRAY(SELECT jsonb_array_elements_text(m.slots)) ELSE '{{}}' END,
       CASE WHEN r.person IS NULL THEN '{{}}' ELSE ARRAY[r.person] END,
       array_to_tsvector(remediation.words_v1(i.title || ' ' || m.locator || ' ' || g.name))
  FROM made m JOIN public.remediation_incident i ON i.id = m.incident
  JOIN public.remediation_agent g ON g.id = m.agent LEFT JOIN public.remediation_review r ON r.proposal_id = m.id,
       LATERAL (SELECT CASE m.state WHEN 'submitted' THEN '' ELSE m.risk END AS risk,
                       CASE m.state WHEN 'submitted' THEN m.detected + interval '24 hours' WHEN 'in_review' THEN m.due
                                    WHEN 'approved' THEN now() + interval '1 hour' END AS due,
                       CASE WHEN m.state = 'approved' THEN now() WHEN m.state IN ('in_review', 'submitted') THEN m.detected ELSE m.ended END AS moved,
                       CASE m.state WHEN 'submitted' THEN '{{0}}' ELSE ARRAY[least(m.direct, m.far), greatest(m.direct, m.far)] END AS touched,
                       CASE m.state WHEN 'submitted' THEN '{{}}' ELSE ARRAY[m.direct] END AS direct) AS x;
INSERT INTO public.remediation_queueservice (service, place)
SELECT t.id, q.place FROM made m JOIN public.remediation_queueentry q ON q.proposal_id = m.id,
       unnest(q.touched) AS t(id);
INSERT INTO public.remediation_incidententry (incident_id, state, detected_at, touched)
SELECT m.incident, coalesce(c.to_state, 'open'), m.detected, q.touched
  FROM made m JOIN public.remediation_queueentry q ON q.proposal_id = m.id
  LEFT JOIN public.remediation_incidenttransition c ON c.incident_id = m.incident;
DROP TABLE made, template;
