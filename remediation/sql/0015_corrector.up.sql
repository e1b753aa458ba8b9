-- Who corrected a diagnosis decides on nothing that rests on it, also not on undoing it.
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
  -- Whatever led to it: a proposal that rests on a person's diagnosis is not theirs to decide.
  SELECT d.editor::text, 'corrected the diagnosis'
    FROM public.remediation_proposal x JOIN public.remediation_diagnosis d ON d.id = x.diagnosis_id
   WHERE x.id = $1 AND d.editor IS NOT NULL;
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
