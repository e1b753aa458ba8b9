CREATE OR REPLACE FUNCTION remediation.excluded_v1(proposal uuid)
RETURNS TABLE (person text, why text) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE services bigint[] := '{}'; identities bigint[];
BEGIN
  -- plpgsql keeps the plan. Before PostgreSQL 18 a function in SQL is planned anew at each call, which
  -- takes ten times as long as reading.
  RETURN QUERY
  WITH RECURSIVE p AS (
    SELECT pr.id, pr.agent_id, pr.editor, pr.supersedes_id, tk.recorded_at AS born
      FROM public.remediation_proposal pr
      JOIN public.remediation_agenttoken tk ON tk.id = pr.token_id WHERE pr.id = $1
  ), edited AS (
    -- Also of the plans that this one supersedes: an agent may send an edited plan again as its own.
    SELECT p.id, p.editor, p.supersedes_id FROM p
    UNION
    SELECT x.id, x.editor, x.supersedes_id
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
  -- Narrowing a plan can only take effects away, so it is no edit. The gate verifies that it was narrowed.
  SELECT e.editor::text, 'edited the plan' FROM edited e WHERE e.editor IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM public.remediation_narrowing n
                      WHERE n.proposal_id = e.id AND n.person = e.editor AND n.narrows_id = e.supersedes_id)
  UNION
  -- A person does not decide a proposal that rests on that person's diagnosis, even if somebody
  -- corrected it once more or the agent sent the same text again.
  SELECT d.editor::text, 'corrected the diagnosis'
    FROM remediation.words_of_v1($1) AS w (diagnosis_id)
    JOIN public.remediation_diagnosis d ON d.id = w.diagnosis_id
   WHERE d.editor IS NOT NULL;
  identities := ARRAY(
    SELECT i.id FROM public.remediation_proposaltarget t
      JOIN public.remediation_identity i ON i.locator = t.locator WHERE t.proposal_id = $1);
  -- If nobody changed a service or removed an edge in 7 days, there is no need to follow the edges.
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
  -- Where many teams own critical services, a lead decides in their place. Then an edge or a stricter
  -- attribute loosens, too: it may have made them many.
  IF EXISTS (SELECT 1 FROM public.remediation_proposal x
               JOIN public.remediation_assessment a ON a.proposal_id = x.id AND a.round = x.round
              WHERE x.id = $1 AND a.slots ? 'lead') THEN
    services := ARRAY(
      SELECT r.id FROM remediation.reached_v1(identities) AS r (id)
      UNION
      SELECT s.service_id
        FROM public.remediation_assessment a
        JOIN public.remediation_assessmentservice s ON s.assessment_id = a.id
       WHERE a.proposal_id = $1);
    RETURN QUERY
    SELECT substr(v.author, 8), 'loosened the inventory in the last 7 days'
      FROM public.remediation_serviceversion v
     WHERE v.author LIKE 'person:%' AND v.recorded_at > now() - interval '7 days'
       AND v.service_id = ANY (services)
    UNION
    SELECT substr(v.author, 8), 'loosened the inventory in the last 7 days'
      FROM public.remediation_dependency d
      JOIN public.remediation_dependencyversion v ON v.dependency_id = d.id
     WHERE v.author LIKE 'person:%' AND v.recorded_at > now() - interval '7 days'
       AND d.source_id = ANY (services);
  END IF;
END $$;
DROP VIEW remediation.administrator;
DROP TRIGGER keeps_name ON public.auth_group;
DROP FUNCTION remediation.user_admin_v1();
DROP TRIGGER administered ON public.remediation_user_groups;
DROP FUNCTION remediation.administered_v1();
DROP TABLE remediation.administered;
