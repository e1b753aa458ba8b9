DROP FUNCTION remediation.excluded_v1(uuid);
DROP FUNCTION remediation.loosened_by_v1(text, bigint);
-- Versions after which policy may ask for less than before: what says less than the version before,
-- and what takes an unknown away (unknown is the strictest there is): a first version, a first
-- owner team, the end of a retirement, an edge to an identity that perhaps had none.
CREATE VIEW remediation.loosening AS
  SELECT 'service'::text AS kind, v.service_id AS object_id, v.author, v.recorded_at
    FROM public.remediation_serviceversion v
    LEFT JOIN LATERAL (SELECT x.* FROM public.remediation_serviceversion x
                        WHERE x.service_id = v.service_id AND x.id < v.id
                        ORDER BY x.id DESC LIMIT 1) AS o ON true
   WHERE o.id IS NULL
      OR array_position(ARRAY['development','staging','production'], v.environment::text)
           < array_position(ARRAY['development','staging','production'], o.environment::text)
      OR array_position(ARRAY['low','medium','high','critical'], v.criticality::text)
           < array_position(ARRAY['low','medium','high','critical'], o.criticality::text)
      OR v.payment_path < o.payment_path OR v.external_partner < o.external_partner
      OR v.retired <> o.retired OR (o.owner_team = '' AND v.owner_team <> '')
  UNION ALL
  SELECT 'identity', v.identity_id, v.author, v.recorded_at
    FROM public.remediation_identityversion v
    LEFT JOIN LATERAL (SELECT x.* FROM public.remediation_identityversion x
                        WHERE x.identity_id = v.identity_id AND x.id < v.id
                        ORDER BY x.id DESC LIMIT 1) AS o ON true
   WHERE o.id IS NULL OR v.retired <> o.retired
      OR array_position(ARRAY['development','staging','production'], v.environment::text)
           < array_position(ARRAY['development','staging','production'], o.environment::text)
  UNION ALL
  -- A removed edge hides its source from its target: it counts at both ends.
  SELECT e.kind, e.object_id, v.author, v.recorded_at
    FROM public.remediation_dependencyversion v
    JOIN public.remediation_dependency d ON d.id = v.dependency_id
    LEFT JOIN LATERAL (SELECT x.present FROM public.remediation_dependencyversion x
                        WHERE x.dependency_id = v.dependency_id AND x.id < v.id
                        ORDER BY x.id DESC LIMIT 1) AS o ON true
   CROSS JOIN LATERAL (VALUES ('service', d.source_id, false), ('service', d.service_id, false),
                              ('identity', d.identity_id, v.present)) AS e(kind, object_id, added)
   WHERE e.object_id IS NOT NULL AND v.present IS DISTINCT FROM o.present
     AND (e.added OR (NOT v.present AND o.present));

-- People who may not decide this proposal, with the reason (separation of duties, promise 4).
CREATE FUNCTION remediation.excluded_v1(proposal uuid)
RETURNS TABLE (person text, why text) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
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
  ), target AS (
    SELECT i.id AS identity_id
      FROM p JOIN public.remediation_proposaltarget t ON t.proposal_id = p.id
      JOIN public.remediation_identity i ON i.locator = t.locator
  ), edge AS NOT MATERIALIZED (
    -- Edges that were there at some time in the last 7 days, of retired services too: an edge or
    -- a service that was taken away leads to who took it away.
    SELECT d.source_id, d.service_id, d.identity_id FROM public.remediation_dependency d
     WHERE EXISTS (
             SELECT 1 FROM public.remediation_dependencyversion x
              WHERE x.dependency_id = d.id AND x.present AND NOT EXISTS (
                      SELECT 1 FROM public.remediation_dependencyversion l
                       WHERE l.dependency_id = x.dependency_id AND l.id > x.id
                         AND l.recorded_at <= clock_timestamp() - interval '7 days'))
  ), reach (service_id) AS (
    SELECT e.source_id FROM target g JOIN edge e ON e.identity_id = g.identity_id
    UNION
    SELECT e.source_id FROM reach r JOIN edge e ON e.service_id = r.service_id
  ), touched AS (
    SELECT 'service'::text AS kind, r.service_id AS object_id FROM reach r
    UNION
    SELECT 'service', s.service_id
      FROM p JOIN public.remediation_assessment a ON a.proposal_id = p.id
      JOIN public.remediation_assessmentservice s ON s.assessment_id = a.id
    UNION
    SELECT 'identity', g.identity_id FROM target g
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
  SELECT substr(l.author, 8), 'loosened the inventory in the last 7 days'
    FROM remediation.loosening l
    JOIN touched t ON t.kind = l.kind AND t.object_id = l.object_id
   WHERE l.author LIKE 'person:%' AND l.recorded_at > clock_timestamp() - interval '7 days';
END $$;
REVOKE EXECUTE ON FUNCTION remediation.excluded_v1(uuid) FROM PUBLIC;
