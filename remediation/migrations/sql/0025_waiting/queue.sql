-- The urgency of a row of the queue, as a text that sorts: state, risk, deadline, then the time of
-- detection. Never arrival alone, or an agent could push an incident down (A34). A run that stopped in the
-- middle stands first until a person has settled it ('settled'). One that waits for a person ('asks') stands
-- beside what waits for a decision. What has ended stands behind all that is open, the newest first.
CREATE OR REPLACE FUNCTION remediation.urgency_v1(
  state text, risk text, due timestamptz, detected timestamptz, moved timestamptz, id uuid)
RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN $1 NOT IN ('stopped', 'in_review', 'asks', 'submitted', 'approved', 'executing', 'waiting', 'unknown')
    THEN '9' || (9999999999999999 - remediation.digits_v1($5)::bigint)::text || $6
    ELSE CASE $1 WHEN 'stopped' THEN '0' WHEN 'in_review' THEN '1' WHEN 'asks' THEN '1'
                 WHEN 'submitted' THEN '2' ELSE '3' END
      || coalesce(array_position(ARRAY['critical', 'high', 'medium', 'low'], $2) - 1, 4)::text
      || remediation.digits_v1($3) || remediation.digits_v1($4) || $6 END
$$;

-- Returns the row of a proposal, computed from the current facts.
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
         array_to_tsvector(remediation.words_v1(concat_ws(' ', i.title, t.every, n.names, g.name)))
    FROM public.remediation_proposal p
    JOIN public.remediation_incident i ON i.id = p.incident_id
    JOIN public.remediation_agent g ON g.id = p.agent_id
    LEFT JOIN public.remediation_assessment a ON a.proposal_id = p.id AND a.round = p.round
    CROSS JOIN LATERAL (
      SELECT min(l.locator) FILTER (WHERE l.step = 0) AS first, string_agg(l.locator, ' ') AS every
        FROM public.remediation_proposaltarget l WHERE l.proposal_id = p.id) AS t
    -- People search for a name as it is; where the locator escapes it, the plan has it.
    CROSS JOIN LATERAL (
      SELECT CASE WHEN strpos(t.every, '%') > 0 THEN (
               SELECT string_agg(f.value, ' ')
                 FROM jsonb_array_elements(convert_from(p.plan, 'UTF8')::jsonb -> 'steps') AS s(step)
                CROSS JOIN LATERAL jsonb_each_text(s.step -> 'target') AS f) END AS names) AS n
    CROSS JOIN LATERAL (
      SELECT max(m.recorded_at) AS at FROM public.remediation_transition m WHERE m.proposal_id = p.id) AS m
    CROSS JOIN LATERAL (
      SELECT CASE p.state WHEN 'submitted' THEN p.recorded_at + interval '24 hours'
                          WHEN 'in_review' THEN a.decide_by
                          WHEN 'approved' THEN remediation.run_deadline_v1(p.id)
                          WHEN 'waiting' THEN remediation.wait_deadline_v1(remediation.wait_of_v1(p.id)) END AS due)
      AS c
    CROSS JOIN LATERAL (
      SELECT remediation.urgency_v1(CASE WHEN p.state = 'stopped' AND remediation.settled_v1(p.id)
                                         THEN 'settled'
                                         WHEN p.state = 'waiting' AND remediation.asks_v1(remediation.wait_of_v1(p.id))
                                         THEN 'asks' ELSE p.state END, a.risk, c.due, i.detected_at, coalesce(m.at, p.recorded_at), p.id)
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

CREATE OR REPLACE FUNCTION remediation.queue_settled_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.queue_v1(h.proposal_id) FROM public.remediation_halt h
    JOIN public.remediation_proposal p ON p.id = h.proposal_id AND p.state IN ('stopped', 'waiting')
   WHERE h.id = NEW.halt_id;
  RETURN NULL;
END $$;

-- A look can be the one since which a run waits for a person, and so is a deadline that passed.
CREATE OR REPLACE FUNCTION remediation.queue_wait_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.queue_v1(x.proposal_id) FROM public.remediation_wait w
    JOIN public.remediation_execution x ON x.id = w.execution_id WHERE w.id = NEW.wait_id;
  RETURN NULL;
END $$;

CREATE TRIGGER queue AFTER INSERT ON public.remediation_waitlook
  FOR EACH ROW EXECUTE FUNCTION remediation.queue_wait_v1();
CREATE TRIGGER queue AFTER INSERT ON public.remediation_waitoverdue
  FOR EACH ROW EXECUTE FUNCTION remediation.queue_wait_v1();
ALTER TABLE public.remediation_waitlook ENABLE ALWAYS TRIGGER queue;
ALTER TABLE public.remediation_waitoverdue ENABLE ALWAYS TRIGGER queue;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
