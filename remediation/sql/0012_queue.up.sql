-- Places in the lists that people work through: what follows from facts, kept by triggers alone.
-- Nothing here decides. No login has INSERT, UPDATE or DELETE on these tables, and their owner
-- changes them only from inside a trigger.

CREATE INDEX queue_touched ON public.remediation_queueentry USING gin (touched);
CREATE INDEX queue_words ON public.remediation_queueentry USING gin (words);
CREATE INDEX incident_touched ON public.remediation_incidententry USING gin (touched);

-- Words by which a row is found. Only ASCII separates them, so that any language's words stay
-- whole whatever the locale, and no word holds a character that a question could be built with.
CREATE FUNCTION remediation.words_v1(said text) RETURNS text[] LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(array_agg(DISTINCT w), '{}')
    FROM regexp_split_to_table(lower($1) COLLATE "C", '[\s!-/:-@\[-`{-~]+') AS w WHERE w <> ''
$$;
-- A question: every word begins some word of the row. No word at all asks for nothing.
CREATE FUNCTION remediation.asked_v1(said text) RETURNS tsquery LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(string_agg(format('''%s'':*', w), ' & '), '')::tsquery
    FROM unnest(remediation.words_v1($1)) AS w
$$;

-- Microseconds in 16 digits; what never comes is later than all.
CREATE FUNCTION remediation.digits_v1(at timestamptz) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN $1 IS NULL THEN '9999999999999999' ELSE lpad((extract(epoch FROM
           least(greatest($1, '1970-01-01 UTC'), '2200-01-01 UTC')) * 1000000)::bigint::text, 16, '0') END
$$;

-- Never by arrival alone (attacks.md A34): risk, then the clock, then since when it is known.
-- What has ended stands behind all that is open, the newest first.
CREATE FUNCTION remediation.place_v1(
  state text, risk text, due timestamptz, detected timestamptz, moved timestamptz, id uuid)
RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN $1 NOT IN ('in_review', 'submitted', 'approved', 'executing', 'unknown')
    THEN '9' || (9999999999999999 - remediation.digits_v1($5)::bigint)::text || $6
    ELSE CASE $1 WHEN 'in_review' THEN '1' WHEN 'submitted' THEN '2' ELSE '3' END
      || coalesce(array_position(ARRAY['critical', 'high', 'medium', 'low'], $2) - 1, 4)::text
      || remediation.digits_v1($3) || remediation.digits_v1($4) || $6 END
$$;

-- The row as the facts say it now.
CREATE FUNCTION remediation.queue_now_v1(proposal uuid) RETURNS SETOF public.remediation_queueentry
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  RETURN QUERY
  SELECT p.id, p.incident_id, p.agent_id, x.place::varchar(80), p.state, coalesce(a.risk, '')::varchar(20),
         -- The first member of a plan's canonical bytes; in a text of theirs its quotes are escaped.
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
      SELECT remediation.place_v1(p.state, a.risk, c.due, i.detected_at, coalesce(m.at, p.recorded_at), p.id)
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
       WHERE p.state = 'in_review' AND remediation.open_seats_v1(p.id, p.round, e.name) > 0) AS o
    CROSS JOIN LATERAL (
      SELECT array_agg(w.person ORDER BY w.person) AS people
        FROM public.remediation_review w WHERE w.proposal_id = p.id AND w.round = p.round) AS r
   WHERE p.id = $1;
END $$;

CREATE FUNCTION remediation.incident_now_v1(incident uuid) RETURNS SETOF public.remediation_incidententry
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  RETURN QUERY
  SELECT i.id,
         coalesce((SELECT m.to_state FROM public.remediation_incidenttransition m
                    WHERE m.incident_id = i.id ORDER BY m.id DESC LIMIT 1), 'open')::varchar(20),
         i.detected_at,
         coalesce((SELECT array_agg(DISTINCT v.id ORDER BY v.id)
                     FROM public.remediation_queueentry q, unnest(q.touched) AS v(id)
                    WHERE q.incident_id = i.id), '{0}')
    FROM public.remediation_incident i WHERE i.id = $1;
END $$;

CREATE FUNCTION remediation.list_incident_v1(incident uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- Two proposals of one incident at once: the second reads what the first wrote.
  PERFORM 1 FROM public.remediation_incidententry l WHERE l.incident_id = $1 FOR NO KEY UPDATE;
  INSERT INTO public.remediation_incidententry SELECT n.* FROM remediation.incident_now_v1($1) AS n
  ON CONFLICT (incident_id) DO UPDATE SET state = excluded.state, touched = excluded.touched;
END $$;

CREATE FUNCTION remediation.queue_v1(proposal uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE was bigint[]; row_now public.remediation_queueentry;
BEGIN
  SELECT q.touched INTO was FROM public.remediation_queueentry q WHERE q.proposal_id = $1;
  INSERT INTO public.remediation_queueentry SELECT n.* FROM remediation.queue_now_v1($1) AS n
  ON CONFLICT (proposal_id) DO UPDATE SET
    place = excluded.place, state = excluded.state, risk = excluded.risk, target = excluded.target,
    due = excluded.due, touched = excluded.touched, direct = excluded.direct,
    open_slots = excluded.open_slots, decided = excluded.decided, words = excluded.words
  RETURNING * INTO row_now;
  IF was IS DISTINCT FROM row_now.touched THEN
    PERFORM remediation.list_incident_v1(row_now.incident_id);
  END IF;
END $$;

-- What is on record already.
INSERT INTO public.remediation_queueentry
  SELECT n.* FROM public.remediation_proposal p, LATERAL remediation.queue_now_v1(p.id) AS n;
INSERT INTO public.remediation_incidententry
  SELECT n.* FROM public.remediation_incident i, LATERAL remediation.incident_now_v1(i.id) AS n;

-- The facts that move a row.
CREATE FUNCTION remediation.queue_proposal_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.queue_v1(NEW.id);
  RETURN NULL;
END $$;
CREATE FUNCTION remediation.queue_fact_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.queue_v1(NEW.proposal_id);
  RETURN NULL;
END $$;
CREATE FUNCTION remediation.queue_targets_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.queue_v1(f.proposal_id) FROM (SELECT DISTINCT x.proposal_id FROM fresh x) AS f;
  RETURN NULL;
END $$;
CREATE FUNCTION remediation.queue_services_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.queue_v1(f.proposal_id) FROM (
    SELECT DISTINCT a.proposal_id FROM fresh x
      JOIN public.remediation_assessment a ON a.id = x.assessment_id) AS f;
  RETURN NULL;
END $$;
CREATE FUNCTION remediation.list_opened_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.list_incident_v1(NEW.id);
  RETURN NULL;
END $$;
CREATE FUNCTION remediation.list_moved_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.list_incident_v1(NEW.incident_id);
  RETURN NULL;
END $$;

CREATE TRIGGER queue AFTER INSERT ON public.remediation_proposal
  FOR EACH ROW EXECUTE FUNCTION remediation.queue_proposal_v1();
CREATE TRIGGER queue AFTER INSERT ON public.remediation_proposaltarget REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION remediation.queue_targets_v1();
CREATE TRIGGER queue AFTER INSERT ON public.remediation_assessmentservice REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION remediation.queue_services_v1();
-- After `move`, by its name: then the state is the new one.
CREATE TRIGGER queue AFTER INSERT ON public.remediation_transition
  FOR EACH ROW EXECUTE FUNCTION remediation.queue_fact_v1();
CREATE TRIGGER queue AFTER INSERT ON public.remediation_review
  FOR EACH ROW EXECUTE FUNCTION remediation.queue_fact_v1();
CREATE TRIGGER listed AFTER INSERT ON public.remediation_incident
  FOR EACH ROW EXECUTE FUNCTION remediation.list_opened_v1();
CREATE TRIGGER listed AFTER INSERT ON public.remediation_incidenttransition
  FOR EACH ROW EXECUTE FUNCTION remediation.list_moved_v1();

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['proposal', 'proposaltarget', 'assessmentservice', 'transition', 'review'] LOOP
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER queue', 'remediation_' || t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['incident', 'incidenttransition'] LOOP
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER listed', 'remediation_' || t);
  END LOOP;
  -- A row comes and changes from inside a trigger only, and never goes.
  FOREACH t IN ARRAY ARRAY['queueentry', 'incidententry'] LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON public.%I
                    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1()', 'remediation_' || t);
    EXECUTE format('CREATE TRIGGER append_only_update BEFORE INSERT OR UPDATE ON public.%I
                    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
                    EXECUTE FUNCTION audit.refuse_v1()', 'remediation_' || t);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER append_only', 'remediation_' || t);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER append_only_update', 'remediation_' || t);
  END LOOP;
END $$;

-- Saved views are facts of their person: a removed one is a newer row that says nothing.
CREATE TRIGGER a_fact BEFORE INSERT ON public.remediation_savedview
  FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1('person');
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.remediation_savedview
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_savedview ENABLE ALWAYS TRIGGER a_fact;
ALTER TABLE public.remediation_savedview ENABLE ALWAYS TRIGGER append_only;

DO $$
DECLARE f text;
BEGIN
  FOR f IN SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'remediation'::regnamespace LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$;
