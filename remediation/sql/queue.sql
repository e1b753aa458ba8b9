-- The lists of the queue. Triggers derive each row from facts; nothing here decides. No login has INSERT,
-- UPDATE or DELETE on these tables, and their owner changes them only inside a trigger.

CREATE INDEX queue_touched ON public.remediation_queueentry USING gin (touched);
CREATE INDEX queue_words ON public.remediation_queueentry USING gin (words);
CREATE INDEX incident_touched ON public.remediation_incidententry USING gin (touched);
CREATE INDEX queue_wide ON public.remediation_queueentry (place) WHERE cardinality(touched) > 100;

-- Returns the search words of a row. Only ASCII characters separate them, so words of any language stay
-- whole in any locale, and no word contains a character of the query syntax.
CREATE FUNCTION remediation.words_v1(said text) RETURNS text[] LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(array_agg(DISTINCT w), '{}')
    FROM regexp_split_to_table(lower($1) COLLATE "C", '[\s!-/:-@\[-`{-~]+') AS w WHERE w <> ''
$$;
-- Returns a query in which every word is a prefix of a word of the row; without words it finds nothing.
CREATE FUNCTION remediation.asked_v1(said text) RETURNS tsquery LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(string_agg(format('''%s'':*', w), ' & '), '')::tsquery
    FROM unnest(remediation.words_v1($1)) AS w
$$;

-- Returns a time as 16 digits of microseconds. NULL means never and sorts last.
CREATE FUNCTION remediation.digits_v1(at timestamptz) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN $1 IS NULL THEN '9999999999999999' ELSE lpad((extract(epoch FROM
           least(greatest($1, '1970-01-01 UTC'), '2200-01-01 UTC')) * 1000000)::bigint::text, 16, '0') END
$$;

-- The urgency of a row of the queue, as a text that sorts: state, risk, deadline, then the time of
-- detection. Never arrival alone, or an agent could push an incident down (A34). A run that stopped in the
-- middle stands first until a person has settled it ('settled'). One that waits for a person ('asks') stands
-- beside what waits for a decision. What has ended stands behind all that is open, the newest first.
CREATE FUNCTION remediation.urgency_v1(
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
CREATE FUNCTION remediation.queue_now_v1(proposal uuid) RETURNS SETOF public.remediation_queueentry
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

-- Returns the row of an incident, computed from the current facts.
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
  -- Of two proposals of one incident at once, the second waits and reads what the first wrote.
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

-- The facts that change a row.
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
CREATE FUNCTION remediation.queue_settled_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.queue_v1(h.proposal_id) FROM public.remediation_halt h
    JOIN public.remediation_proposal p ON p.id = h.proposal_id AND p.state IN ('stopped', 'waiting')
   WHERE h.id = NEW.halt_id;
  RETURN NULL;
END $$;
-- A look can be the one since which a run waits for a person, and so is a deadline that passed.
CREATE FUNCTION remediation.queue_wait_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.queue_v1(x.proposal_id) FROM public.remediation_wait w
    JOIN public.remediation_execution x ON x.id = w.execution_id WHERE w.id = NEW.wait_id;
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
-- Fires after `move` (states.sql), by its name: then the state is the new one.
CREATE TRIGGER queue AFTER INSERT ON public.remediation_transition
  FOR EACH ROW EXECUTE FUNCTION remediation.queue_fact_v1();
CREATE TRIGGER queue AFTER INSERT ON public.remediation_review
  FOR EACH ROW EXECUTE FUNCTION remediation.queue_fact_v1();
CREATE TRIGGER queue AFTER INSERT ON public.remediation_haltverdict
  FOR EACH ROW EXECUTE FUNCTION remediation.queue_settled_v1();
CREATE TRIGGER queue AFTER INSERT ON public.remediation_waitlook
  FOR EACH ROW EXECUTE FUNCTION remediation.queue_wait_v1();
CREATE TRIGGER queue AFTER INSERT ON public.remediation_waitoverdue
  FOR EACH ROW EXECUTE FUNCTION remediation.queue_wait_v1();
CREATE TRIGGER listed AFTER INSERT ON public.remediation_incident
  FOR EACH ROW EXECUTE FUNCTION remediation.list_opened_v1();
CREATE TRIGGER listed AFTER INSERT ON public.remediation_incidenttransition
  FOR EACH ROW EXECUTE FUNCTION remediation.list_moved_v1();

-- The queue of a person who sees some services only: one row for each service, so that an index has the
-- places in order. A proposal that touches more than 100 services has no such rows, because a place that
-- moves would move thousands; the index queue_wide finds it.
-- A trigger on the entry itself, so that OLD is what the row was, whoever changed it meanwhile.
CREATE FUNCTION remediation.queue_by_service_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF NEW.place = OLD.place AND NEW.touched = OLD.touched THEN RETURN NULL; END IF;
    IF cardinality(OLD.touched) <= 100 THEN
      DELETE FROM public.remediation_queueservice s
       WHERE s.service = ANY (OLD.touched) AND s.place = OLD.place;
    END IF;
  END IF;
  IF cardinality(NEW.touched) <= 100 THEN
    INSERT INTO public.remediation_queueservice (service, place)
    SELECT t.id, NEW.place FROM unnest(NEW.touched) AS t(id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER by_service AFTER INSERT OR UPDATE ON public.remediation_queueentry
  FOR EACH ROW EXECUTE FUNCTION remediation.queue_by_service_v1();
ALTER TABLE public.remediation_queueentry ENABLE ALWAYS TRIGGER by_service;

-- The first `most` places between two, in order: all that touch one of these services and at most 100 in
-- all, and all that touch more, whatever they touch. Says where to look, never what may be seen.
CREATE FUNCTION remediation.queue_ahead_v1(services bigint[], after text, until text, most integer)
RETURNS SETOF text LANGUAGE plpgsql STABLE ROWS 120
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  -- First ask each service for somewhat more than its share: with hundreds of services most of their
  -- places are not on the page.
  each integer := greatest(16, 4 * $4 / greatest(cardinality($1), 1));
  found text[];
  full_ boolean;
BEGIN
  LOOP
    each := least(each, $4);
    WITH narrow AS MATERIALIZED (
      SELECT x.place, x.nth FROM unnest($1) AS s(id) CROSS JOIN LATERAL (
        SELECT q.place, row_number() OVER (ORDER BY q.place) AS nth
          FROM public.remediation_queueservice q
         WHERE q.service = s.id AND q.place > $2 AND q.place < $3
         ORDER BY q.place LIMIT each) AS x
    ), cut AS MATERIALIZED (
      -- A service that gave as many as were asked for may have more after its last.
      SELECT min(n.place) AS place FROM narrow n WHERE n.nth = each
    ), wide AS (
      SELECT q.place FROM public.remediation_queueentry q
       WHERE cardinality(q.touched) > 100 AND q.place > $2 AND q.place < $3
       ORDER BY q.place LIMIT $4
    ), ahead AS (
      SELECT u.place FROM (SELECT n.place FROM narrow n UNION SELECT w.place FROM wide w) AS u, cut c
       WHERE c.place IS NULL OR u.place <= c.place ORDER BY u.place LIMIT $4
    )
    SELECT (SELECT array_agg(a.place) FROM ahead a), (SELECT c.place IS NOT NULL FROM cut c)
      INTO found, full_;
    EXIT WHEN NOT full_ OR each = $4 OR cardinality(found) >= $4;
    each := 4 * each;
  END LOOP;
  RETURN QUERY SELECT unnest(found);
END $$;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['proposal', 'proposaltarget', 'assessmentservice', 'transition', 'review',
                           'haltverdict', 'waitlook', 'waitoverdue'] LOOP
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

-- A place that moved leaves its old one, so the rows of services also go, from inside a trigger only.
CREATE TRIGGER append_only BEFORE TRUNCATE ON public.remediation_queueservice
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
CREATE TRIGGER append_only_update BEFORE INSERT OR UPDATE OR DELETE ON public.remediation_queueservice
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_queueservice ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE public.remediation_queueservice ENABLE ALWAYS TRIGGER append_only_update;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
