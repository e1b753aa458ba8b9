CREATE OR REPLACE FUNCTION remediation.queue_now_v1(proposal uuid) RETURNS SETOF public.remediation_queueentry
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  RETURN QUERY
  SELECT p.id, p.incident_id, p.agent_id, x.place::varchar(80), p.state, coalesce(a.risk, '')::varchar(20),
         -- The first member of a plan's canonical bytes. Quotes inside a text are escaped there, so no text
         -- of the plan can look like it.
         coalesce(substring(encode(p.plan, 'escape') FROM '^\{"environment":"([a-z]{1,20})"'), '')::varchar(20),
         coalesce(t.first, '')::varchar(300), c.due, coalesce(s.touched, '{0}'), coalesce(s.direct, '{}'),
         coalesce(o.slots, '{}'), coalesce(r.people, '{}'),
         array_to_tsvector(remediation.words_v1(concat_ws(' ', i.title, t.every, g.name)))
    FROM public.remediation_proposal p
    JOIN public.remediation_incident i ON i.id = p.incident_id
    JOIN public.remediation_agent g ON g.id = p.agent_id
    LEFT JOIN public.remediation_assessment a ON a.proposal_id = p.id AND a.round = p.round
    CROSS JOIN LATERAL (
      SELECT min(l.locator) FILTER (WHERE l.step = 0) AS first, string_agg(l.locator, ' ') AS every
        FROM public.remediation_proposaltarget l WHERE l.proposal_id = p.id) AS t
    CROSS JOIN LATERAL (
      SELECT max(m.recorded_at) AS at FROM public.remediation_transition m WHERE m.proposal_id = p.id) AS m
    CROSS JOIN LATERAL (
      SELECT CASE p.state WHEN 'submitted' THEN p.recorded_at + interval '24 hours'
                          WHEN 'in_review' THEN a.decide_by
                          WHEN 'approved' THEN remediation.run_deadline_v1(p.id) END AS due) AS c
    CROSS JOIN LATERAL (
      SELECT remediation.urgency_v1(CASE WHEN p.state = 'stopped' AND remediation.settled_v1(p.id)
                                         THEN 'settled' ELSE p.state END, a.risk, c.due, i.detected_at, coalesce(m.at, p.recorded_at), p.id)
             AS place) AS x
    CROSS JOIN LATERAL (
      SELECT array_agg(DISTINCT v.service_id ORDER BY v.service_id) AS touched,
             array_agg(DISTINCT v.service_id ORDER BY v.service_id)
               FILTER (WHERE v.depth = 1 AND v.assessment_id = a.id) AS direct
        FROM public.remediation_assessment y
        JOIN public.remediation_assessmentservice v ON v.assessment_id = y.id
       WHERE y.proposal_id = p.id) AS s
    CROSS JOIN LATERAL (
      SELECT array_agg(DISTINCT e.name ORDER BY e.name) AS slots
        FROM jsonb_array_elements_text(a.slots) AS e(name)
       WHERE p.state = 'in_review' AND remediation.open_slots_v1(p.id, p.round, e.name) > 0) AS o
    CROSS JOIN LATERAL (
      SELECT array_agg(w.person ORDER BY w.person) AS people
        FROM public.remediation_review w WHERE w.proposal_id = p.id AND w.round = p.round) AS r
   WHERE p.id = $1;
END $$;

CREATE OR REPLACE FUNCTION remediation.locator_v1(target jsonb) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN bool_and(p.value IS NOT NULL) THEN string_agg(p.value, '' ORDER BY p.place) END
    FROM (SELECT m.place, CASE WHEN m.part[1] IS NULL THEN m.part[2] ELSE $1 ->> m.part[1] END AS value
            FROM remediation.target_kind k
           CROSS JOIN LATERAL regexp_matches(k.locator, '\{([a-z0-9_]+)\}|([^{}]+)', 'g')
                 WITH ORDINALITY AS m(part, place)
           WHERE k.kind = $1 ->> 'kind') AS p
$$;

DROP FUNCTION remediation.escaped_v1(text);
ALTER TABLE remediation.target_kind DROP COLUMN escaped;
