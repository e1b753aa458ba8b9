-- What a reviewer says by correcting a scope widens it and answers nothing: only an edge of the
-- inventory says that the users of an identity are known (0004, 0011 are as they were otherwise).
ALTER TABLE public.remediation_dependencyversion
  ADD COLUMN by_reviewer boolean NOT NULL DEFAULT false;

CREATE OR REPLACE FUNCTION remediation.scope_v1(locators text[], max_depth integer, most integer)
RETURNS TABLE (
  place bigint, environment text, owner_team text, retired boolean, young boolean, unused boolean,
  service_id bigint, service text, depth integer, service_environment text, criticality text,
  payment_path boolean, external_partner boolean, service_owner text, unowned boolean,
  service_retired boolean, bare boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH RECURSIVE target AS (
    SELECT t.place, i.id AS identity_id, v.environment, v.owner_team, v.retired, v.young,
           NOT EXISTS (
             SELECT 1 FROM public.remediation_dependency d
              WHERE d.identity_id = i.id
                AND EXISTS (SELECT 1 FROM public.remediation_dependencyversion x
                             WHERE x.dependency_id = d.id
                               AND x.recorded_at <= now() - interval '24 hours')
                AND NOT EXISTS (
                      SELECT 1 FROM public.remediation_dependencyversion x
                       WHERE x.dependency_id = d.id AND (NOT x.present OR x.by_reviewer)
                         AND NOT EXISTS (
                               SELECT 1 FROM public.remediation_dependencyversion l
                                WHERE l.dependency_id = x.dependency_id AND l.id > x.id
                                  AND l.recorded_at <= now() - interval '24 hours'))
                AND NOT EXISTS (
                      SELECT 1 FROM public.remediation_serviceversion x
                       WHERE x.service_id = d.source_id AND x.retired AND NOT EXISTS (
                               SELECT 1 FROM public.remediation_serviceversion l
                                WHERE l.service_id = x.service_id AND l.id > x.id
                                  AND l.recorded_at <= now() - interval '24 hours'))) AS unused
      FROM unnest(locators) WITH ORDINALITY AS t (locator, place)
      LEFT JOIN public.remediation_identity i ON i.locator = t.locator
     CROSS JOIN LATERAL (
       SELECT (ARRAY['development','staging','production'])[max(array_position(
                ARRAY['development','staging','production'], x.environment::text))] AS environment,
              (array_agg(x.owner_team ORDER BY x.id DESC))[1] AS owner_team,
              bool_or(x.retired) AS retired,
              NOT EXISTS (SELECT 1 FROM public.remediation_identityversion o
                           WHERE o.identity_id = i.id
                             AND o.recorded_at <= now() - interval '24 hours') AS young
         FROM public.remediation_identityversion x
        WHERE x.identity_id = i.id AND NOT EXISTS (
                SELECT 1 FROM public.remediation_identityversion l
                 WHERE l.identity_id = x.identity_id AND l.id > x.id
                   AND l.recorded_at <= now() - interval '24 hours')) AS v
  ), reach (place, depth, found, seen) AS (
    SELECT t.place, 1, n.found, n.found
      FROM target t CROSS JOIN LATERAL (SELECT ARRAY(
             SELECT c.id FROM (
               SELECT DISTINCT d.source_id AS id FROM public.remediation_dependency d
                WHERE d.identity_id = t.identity_id
                  AND CASE WHEN (SELECT x.present FROM public.remediation_dependencyversion x
                                  WHERE x.dependency_id = d.id ORDER BY x.id DESC LIMIT 1) THEN true
                      ELSE EXISTS (
                        SELECT 1 FROM public.remediation_dependencyversion x
                         WHERE x.dependency_id = d.id AND x.present AND NOT EXISTS (
                               SELECT 1 FROM public.remediation_dependencyversion l
                                WHERE l.dependency_id = x.dependency_id AND l.id > x.id
                                  AND l.recorded_at <= now() - interval '24 hours')) END
               OFFSET 0) AS c
              WHERE NOT EXISTS (SELECT 1 FROM public.remediation_serviceversion x
                                 WHERE x.service_id = c.id AND x.retired)
                 OR EXISTS (
                      SELECT 1 FROM public.remediation_serviceversion x
                       WHERE x.service_id = c.id AND NOT x.retired AND NOT EXISTS (
                               SELECT 1 FROM public.remediation_serviceversion l
                                WHERE l.service_id = x.service_id AND l.id > x.id
                                  AND l.recorded_at <= now() - interval '24 hours'))
             ) AS found OFFSET 0) AS n
    UNION ALL
    SELECT r.place, r.depth + 1, n.found, r.seen || n.found
      FROM reach r CROSS JOIN LATERAL (SELECT ARRAY(
             SELECT c.id FROM (
               SELECT DISTINCT d.source_id AS id FROM public.remediation_dependency d
                WHERE d.service_id = ANY (r.found)
                  AND NOT EXISTS (SELECT 1 FROM unnest(r.seen) AS u (id) WHERE u.id = d.source_id)
                  AND CASE WHEN (SELECT x.present FROM public.remediation_dependencyversion x
                                  WHERE x.dependency_id = d.id ORDER BY x.id DESC LIMIT 1) THEN true
                      ELSE EXISTS (
                        SELECT 1 FROM public.remediation_dependencyversion x
                         WHERE x.dependency_id = d.id AND x.present AND NOT EXISTS (
                               SELECT 1 FROM public.remediation_dependencyversion l
                                WHERE l.dependency_id = x.dependency_id AND l.id > x.id
                                  AND l.recorded_at <= now() - interval '24 hours')) END
               OFFSET 0) AS c
              WHERE NOT EXISTS (SELECT 1 FROM public.remediation_serviceversion x
                                 WHERE x.service_id = c.id AND x.retired)
                 OR EXISTS (
                      SELECT 1 FROM public.remediation_serviceversion x
                       WHERE x.service_id = c.id AND NOT x.retired AND NOT EXISTS (
                               SELECT 1 FROM public.remediation_serviceversion l
                                WHERE l.service_id = x.service_id AND l.id > x.id
                                  AND l.recorded_at <= now() - interval '24 hours'))
             ) AS found OFFSET 0) AS n
     WHERE n.found <> '{}' AND r.depth <= max_depth AND cardinality(r.seen) < most
  ), nearest AS (
    SELECT r.place, s.id AS service_id, r.depth FROM reach r CROSS JOIN unnest(r.found) AS s (id)
     ORDER BY r.depth, s.id, r.place LIMIT most
  )
  SELECT t.place, t.environment, coalesce(t.owner_team, '')::text, coalesce(t.retired, false), t.young,
         t.unused,
         s.id, s.name::text, n.depth, coalesce(v.environment, w.environment, 'production')::text,
         coalesce(v.criticality, w.criticality, 'critical')::text,
         coalesce(v.payment_path, w.payment_path, true),
         coalesce(v.external_partner, w.external_partner, true), coalesce(w.owner_team, '')::text,
         coalesce(v.unowned, w.owner_team = '', true), coalesce(v.retired, w.retired, false),
         s.recorded_at <= now() - interval '24 hours'
             AND NOT coalesce(v.settled, w.recorded_at <= now() - interval '24 hours', false)
           OR w.id IS NULL
    FROM target t
    LEFT JOIN nearest n ON n.place = t.place
    LEFT JOIN public.remediation_service s ON s.id = n.service_id
    LEFT JOIN LATERAL (SELECT x.* FROM public.remediation_serviceversion x
                        WHERE x.service_id = s.id ORDER BY x.id DESC LIMIT 1) AS w ON true
    LEFT JOIN LATERAL (
      SELECT (ARRAY['development','staging','production'])[max(array_position(
               ARRAY['development','staging','production'], x.environment::text))] AS environment,
             (ARRAY['low','medium','high','critical'])[max(array_position(
               ARRAY['low','medium','high','critical'], x.criticality::text))] AS criticality,
             bool_or(x.payment_path) AS payment_path,
             bool_or(x.external_partner) AS external_partner,
             bool_or(x.owner_team = '') AS unowned, bool_or(x.retired) AS retired,
             bool_or(x.recorded_at <= now() - interval '24 hours') AS settled
        FROM public.remediation_serviceversion x
       WHERE w.recorded_at > now() - interval '24 hours' AND x.service_id = s.id AND NOT EXISTS (
               SELECT 1 FROM public.remediation_serviceversion l
                WHERE l.service_id = x.service_id AND l.id > x.id
                  AND l.recorded_at <= now() - interval '24 hours')) AS v ON true
   ORDER BY t.place, n.depth, s.name, s.id;
END $$;

CREATE OR REPLACE FUNCTION remediation.loosened_v2(services bigint[], identities bigint[]) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off AS $$
BEGIN
  RETURN QUERY
  SELECT v.author::text
    FROM unnest(services) AS s (id)
    JOIN LATERAL (SELECT x.* FROM public.remediation_serviceversion x
                   WHERE x.service_id = s.id AND x.recorded_at > now() - interval '7 days'
                  OFFSET 0) AS v ON true
    LEFT JOIN LATERAL (SELECT x.* FROM public.remediation_serviceversion x
                        WHERE x.service_id = v.service_id AND x.id < v.id
                        ORDER BY x.id DESC LIMIT 1) AS o ON true
   WHERE o.id IS NULL
      OR array_position(ARRAY['development','staging','production'], v.environment::text)
           < array_position(ARRAY['development','staging','production'], o.environment::text)
      OR array_position(ARRAY['low','medium','high','critical'], v.criticality::text)
           < array_position(ARRAY['low','medium','high','critical'], o.criticality::text)
      OR v.payment_path < o.payment_path OR v.external_partner < o.external_partner
      OR v.retired <> o.retired OR (o.owner_team = '' AND v.owner_team <> '');
  -- Edges taken away are few: from them to the services, at either end.
  RETURN QUERY
  WITH gone AS MATERIALIZED (
    SELECT v.author, d.source_id, d.service_id
      FROM public.remediation_dependencyversion v
      JOIN public.remediation_dependency d ON d.id = v.dependency_id
      JOIN LATERAL (SELECT x.present FROM public.remediation_dependencyversion x
                     WHERE x.dependency_id = v.dependency_id AND x.id < v.id
                     ORDER BY x.id DESC LIMIT 1) AS o ON o.present
     WHERE NOT v.present AND v.author LIKE 'person:%' AND v.recorded_at > now() - interval '7 days'
  )
  SELECT g.author::text FROM gone g WHERE g.source_id IN (SELECT unnest(services))
  UNION
  SELECT g.author::text FROM gone g WHERE g.service_id IN (SELECT unnest(services));
  RETURN QUERY
  SELECT v.author::text
    FROM public.remediation_identityversion v
    LEFT JOIN LATERAL (SELECT x.* FROM public.remediation_identityversion x
                        WHERE x.identity_id = v.identity_id AND x.id < v.id
                        ORDER BY x.id DESC LIMIT 1) AS o ON true
   WHERE v.identity_id = ANY (identities) AND v.recorded_at > now() - interval '7 days'
     AND (o.id IS NULL OR v.retired <> o.retired
      OR array_position(ARRAY['development','staging','production'], v.environment::text)
           < array_position(ARRAY['development','staging','production'], o.environment::text));
  RETURN QUERY
  SELECT v.author::text
    FROM public.remediation_dependency d
    JOIN LATERAL (SELECT x.* FROM public.remediation_dependencyversion x
                   WHERE x.dependency_id = d.id AND x.recorded_at > now() - interval '7 days'
                  OFFSET 0) AS v ON true
    LEFT JOIN LATERAL (SELECT x.present, x.by_reviewer
                         FROM public.remediation_dependencyversion x
                        WHERE x.dependency_id = v.dependency_id AND x.id < v.id
                        ORDER BY x.id DESC LIMIT 1) AS o ON true
   WHERE d.identity_id = ANY (identities)
     AND (v.present IS DISTINCT FROM o.present AND (v.present OR o.present)
          -- Who confirms what a reviewer said takes the unknown away.
          OR v.present AND o.by_reviewer AND NOT v.by_reviewer);
END $$;

-- The diagnoses whose words a proposal's diagnosis may hold: itself, those that say the same about the
-- incident, and those that led to one of them by correcting.
CREATE FUNCTION remediation.words_of_v1(proposal uuid) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  -- Most incidents know no corrected diagnosis.
  IF NOT EXISTS (
    SELECT 1 FROM public.remediation_proposal p
      JOIN public.remediation_diagnosis d ON d.incident_id = p.incident_id AND d.editor IS NOT NULL
     WHERE p.id = $1) THEN
    RETURN;
  END IF;
  RETURN QUERY
  WITH RECURSIVE led (diagnosis_id) AS (
    SELECT p.diagnosis_id FROM public.remediation_proposal p WHERE p.id = $1
    UNION
    SELECT n.id
      FROM led l JOIN public.remediation_diagnosis d ON d.id = l.diagnosis_id
      CROSS JOIN LATERAL (
        SELECT s.id FROM public.remediation_diagnosis s
         WHERE s.incident_id = d.incident_id AND s.digest = d.digest
        UNION ALL
        -- A correction is the diagnosis of a proposal that replaces one resting on the old words.
        SELECT o.diagnosis_id
          FROM public.remediation_proposal c
          JOIN public.remediation_proposal o ON o.id = c.supersedes_id
         WHERE c.diagnosis_id = d.id AND d.editor IS NOT NULL) AS n (id)
  )
  SELECT l.diagnosis_id FROM led l;
END $$;
REVOKE EXECUTE ON FUNCTION remediation.words_of_v1(uuid) FROM PUBLIC;

-- People who may not decide this proposal, with the reason (separation of duties, promise 4).
CREATE OR REPLACE FUNCTION remediation.excluded_v1(proposal uuid)
RETURNS TABLE (person text, why text) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE services bigint[] := '{}'; identities bigint[];
BEGIN
  -- plpgsql keeps the plan; before 18 a function in SQL would be planned anew at each call, which
  -- takes ten times as long as reading.
  RETURN QUERY
  WITH RECURSIVE p AS (
    SELECT pr.id, pr.agent_id, pr.editor, pr.supersedes_id, tk.recorded_at AS born
      FROM public.remediation_proposal pr
      JOIN public.remediation_agenttoken tk ON tk.id = pr.token_id WHERE pr.id = $1
  ), edited AS (
    -- Of the plans before this one too: an agent may send an edited plan again as its own.
    SELECT p.editor, p.supersedes_id FROM p
    UNION
    SELECT x.editor, x.supersedes_id
      FROM edited e JOIN public.remediation_proposal x ON x.id = e.supersedes_id
  ), owners AS (
    SELECT v.owner, lead(v.recorded_at, 1, 'infinity') OVER (ORDER BY v.id) AS until
      FROM public.remediation_agentversion v, p WHERE v.agent_id = p.agent_id
  ), tokens AS (
    SELECT t.created_by, r.revoked_by
      FROM p JOIN public.remediation_agenttoken t ON t.agent_id = p.agent_id
      LEFT JOIN public.remediation_agenttokenrevocation r ON r.token_id = t.id
     WHERE coalesce(r.recorded_at, 'infinity') >= p.born AND t.expires_at >= p.born
  )
  SELECT o.owner::text, 'owner of the agent' FROM owners o, p WHERE o.until > p.born
  UNION
  SELECT k.created_by::text, 'made a token of the agent' FROM tokens k
  UNION
  SELECT substr(k.revoked_by, 8), 'rotated a token of the agent' FROM tokens k
   WHERE k.revoked_by LIKE 'person:%'
  UNION
  SELECT e.editor::text, 'edited the plan' FROM edited e WHERE e.editor IS NOT NULL
  UNION
  -- Whatever led to it: a proposal that rests on a person's words is not theirs to decide, also
  -- where somebody corrected them once more, or the agent said the same again.
  SELECT d.editor::text, 'corrected the diagnosis'
    FROM remediation.words_of_v1($1) AS w (diagnosis_id)
    JOIN public.remediation_diagnosis d ON d.id = w.diagnosis_id
   WHERE d.editor IS NOT NULL;
  identities := ARRAY(
    SELECT i.id FROM public.remediation_proposaltarget t
      JOIN public.remediation_identity i ON i.locator = t.locator WHERE t.proposal_id = $1);
  -- Nothing is followed where nobody could have loosened a service or taken away an edge.
  IF EXISTS (SELECT 1 FROM public.remediation_serviceversion v
              WHERE v.author LIKE 'person:%' AND v.recorded_at > now() - interval '7 days')
     OR EXISTS (SELECT 1 FROM public.remediation_dependencyversion v
                 WHERE NOT v.present AND v.author LIKE 'person:%'
                   AND v.recorded_at > now() - interval '7 days') THEN
    services := ARRAY(
      SELECT r.id FROM remediation.reached_v1(identities) AS r (id)
      UNION
      SELECT s.service_id
        FROM public.remediation_assessment a
        JOIN public.remediation_assessmentservice s ON s.assessment_id = a.id
       WHERE a.proposal_id = $1);
  END IF;
  RETURN QUERY
  SELECT DISTINCT substr(l.author, 8), 'loosened the inventory in the last 7 days'
    FROM remediation.loosened_v2(services, identities) AS l (author)
   WHERE l.author LIKE 'person:%';
END $$;

-- Nobody approves what a suspended agent proposed; of the undoing of a run the person who proposed
-- it has to stand, whatever became of the agent (0017). The service and the gate ask too; this asks
-- whoever writes the row.
CREATE FUNCTION remediation.review_agent_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE p record;
BEGIN
  SELECT x.agent_id, x.editor, x.reverses_id INTO p
    FROM public.remediation_proposal x WHERE x.id = NEW.proposal_id;
  IF p.reverses_id IS NULL THEN
    IF (SELECT a.enabled FROM remediation.agent_now a WHERE a.agent_id = p.agent_id) IS NOT TRUE THEN
      PERFORM remediation.refuse_v1('agent_disabled', 'the agent is suspended');
    END IF;
  ELSIF NOT EXISTS (SELECT 1 FROM remediation.entitlement e
                     WHERE e.person = p.editor AND e.active
                       AND e.role IN ('lead', 'security', 'service_owner')) THEN
    PERFORM remediation.refuse_v1('proposer_lost', 'who proposed to undo it is gone or holds no role');
  END IF;
  RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION remediation.review_agent_v1() FROM PUBLIC;
CREATE TRIGGER guard_agent BEFORE INSERT ON public.remediation_review
  FOR EACH ROW WHEN (NEW.decision = 'approve') EXECUTE FUNCTION remediation.review_agent_v1();
ALTER TABLE public.remediation_review ENABLE ALWAYS TRIGGER guard_agent;
