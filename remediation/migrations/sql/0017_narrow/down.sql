DROP TRIGGER narrowed ON public.remediation_proposal;
DROP FUNCTION remediation.narrowed_v1();
DROP TRIGGER guard ON public.remediation_narrowing;
DROP FUNCTION remediation.narrowing_v1();
ALTER TABLE public.remediation_narrowing DROP CONSTRAINT narrowing_size;
DROP TRIGGER append_only ON public.remediation_narrowing;
DROP TRIGGER a_fact ON public.remediation_narrowing;
DROP TRIGGER guard_narrowed ON public.remediation_review;
DROP FUNCTION remediation.review_narrowed_v1();

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
END $$;

CREATE OR REPLACE FUNCTION remediation.quorum_v1(proposal uuid, round integer) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE needed integer;
BEGIN
  IF EXISTS (SELECT 1 FROM public.remediation_review r
              WHERE r.proposal_id = $1 AND r.round = $2 AND r.decision <> 'approve') THEN
    PERFORM remediation.refuse_v1('quorum_disputed', 'somebody rejected or returned in this round');
  END IF;
  SELECT jsonb_array_length(a.slots) INTO needed FROM public.remediation_assessment a
   WHERE a.proposal_id = $1 AND a.round = $2 AND a.decide_by > clock_timestamp();
  IF needed IS NULL OR needed < 1 OR EXISTS (
       SELECT 1 FROM public.remediation_assessment a, jsonb_array_elements_text(a.slots) AS e(name)
        WHERE a.proposal_id = $1 AND a.round = $2
          AND remediation.open_slots_v1($1, $2, e.name) <> 0)
     OR needed <> (SELECT count(DISTINCT r.person) FROM public.remediation_review r
                    WHERE r.proposal_id = $1 AND r.round = $2 AND r.decision = 'approve') THEN
    PERFORM remediation.refuse_v1('quorum_not_met', 'the reviews of this round do not fill the slots in time');
  END IF;
END $$;

CREATE OR REPLACE FUNCTION remediation.open_slots_v1(proposal uuid, round integer, slot text) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT ((SELECT count(*) FROM public.remediation_assessment a, jsonb_array_elements_text(a.slots) AS e(name)
            WHERE a.proposal_id = $1 AND a.round = $2 AND e.name = $3)
        - (SELECT count(DISTINCT r.person) FROM public.remediation_review r
            WHERE r.proposal_id = $1 AND r.round = $2 AND r.slot = $3 AND r.decision = 'approve'))::integer
$$;

DROP FUNCTION remediation.counted_v1(uuid, integer);
