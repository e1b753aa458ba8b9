-- Runs that wait between two steps (domain/waits.py). A run waits with a row of `wait` and goes on only when
-- its conditions were seen to be met, or a person's verified signature says that it goes on.

-- Returns the newest wait of a run; NULL if it never waited.
CREATE FUNCTION remediation.wait_of_v1(proposal uuid) RETURNS bigint LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT w.id FROM public.remediation_wait w
    JOIN public.remediation_execution x ON x.id = w.execution_id
   WHERE x.proposal_id = $1 ORDER BY w.step DESC LIMIT 1
$$;

-- Returns what people answered to a wait, by verified signatures: the decision and the statement.
CREATE FUNCTION remediation.answers_v1(wait bigint) RETURNS TABLE (id bigint, decision text, said jsonb, at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT h.id, h.decision::text, s.said, h.recorded_at
    FROM public.remediation_wait w
    JOIN public.remediation_execution x ON x.id = w.execution_id
    JOIN public.remediation_halt h ON h.proposal_id = x.proposal_id AND h.decision IN ('go_on', 'longer')
     AND h.recorded_at >= w.recorded_at
    JOIN public.remediation_haltverdict v ON v.halt_id = h.id AND v.refusal = ''
   CROSS JOIN LATERAL (SELECT convert_from(h.statement, 'UTF8')::jsonb AS said) AS s
   WHERE w.id = $1 AND s.said ->> 'step' = w.step::text
$$;

-- Returns the deadline of a wait. A signed `longer` moves it, never to an earlier time.
CREATE FUNCTION remediation.wait_deadline_v1(wait bigint) RETURNS timestamptz LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT greatest(w.deadline, (SELECT max(a.at + make_interval(secs => (a.said ->> 'longer_s')::integer))
                                 FROM remediation.answers_v1(w.id) a WHERE a.decision = 'longer'))
    FROM public.remediation_wait w WHERE w.id = $1
$$;

-- Returns the conditions of a wait that were not met when it was looked at last; all of them before that.
CREATE FUNCTION remediation.unmet_v1(wait bigint) RETURNS text[] LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(array_agg(DISTINCT u.said ->> 'condition' ORDER BY u.said ->> 'condition'), '{}')
    FROM public.remediation_wait w
    LEFT JOIN LATERAL (SELECT l.unmet FROM public.remediation_waitlook l WHERE l.wait_id = w.id
                        ORDER BY l.id DESC LIMIT 1) AS newest ON true
   CROSS JOIN LATERAL jsonb_array_elements(coalesce(newest.unmet, w.conditions)) AS u(said)
   WHERE w.id = $1
$$;

-- Returns why a wait holds its run; '' if it does not. A signature to go on counts for the conditions that it
-- names as not met.
CREATE FUNCTION remediation.held_v1(wait bigint) RETURNS text LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE w record; signed boolean; open_ text[];
BEGIN
  SELECT x.person INTO w FROM public.remediation_wait x WHERE x.id = $1;
  SELECT EXISTS (SELECT 1 FROM remediation.answers_v1($1) a WHERE a.decision = 'go_on') INTO signed;
  IF w.person AND NOT signed THEN
    RETURN 'nobody has signed that the run goes on';
  END IF;
  open_ := remediation.unmet_v1($1);
  IF open_ <> '{}' AND NOT EXISTS (
       SELECT 1 FROM remediation.answers_v1($1) a
        WHERE a.decision = 'go_on'
          AND open_ <@ ARRAY(SELECT jsonb_array_elements_text(a.said -> 'unmet'))) THEN
    RETURN 'not met: ' || array_to_string(open_, ', ');
  END IF;
  RETURN '';
END $$;

-- Returns whether a run that waits asks people: what it waits for is a person, or its time has passed.
CREATE FUNCTION remediation.asks_v1(wait bigint) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM public.remediation_wait w
                  WHERE w.id = $1
                    AND (w.person AND remediation.unmet_v1(w.id) = '{}'
                         OR EXISTS (SELECT 1 FROM public.remediation_waitoverdue o
                                     WHERE o.wait_id = w.id
                                       AND o.deadline >= remediation.wait_deadline_v1(w.id))))
$$;

-- Refuses to go on while a wait of the run holds it. `again`: it goes on after its newest wait, with the
-- evidence of the gate in the same transaction.
CREATE FUNCTION remediation.refuse_held_v1(proposal uuid, again boolean) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE w record; why text;
BEGIN
  FOR w IN SELECT x.id FROM public.remediation_wait x
             JOIN public.remediation_execution e ON e.id = x.execution_id
            WHERE e.proposal_id = $1 ORDER BY x.step LOOP
    why := remediation.held_v1(w.id);
    IF why <> '' THEN
      PERFORM remediation.refuse_v1('hold_missing', why);
    END IF;
  END LOOP;
  IF $2 AND NOT EXISTS (
       SELECT 1 FROM public.remediation_resumption r JOIN audit.entry e ON e.id = r.entry
        WHERE r.wait_id = remediation.wait_of_v1($1) AND e.txid = pg_current_xact_id()) THEN
    PERFORM remediation.refuse_v1('hold_missing', 'the evidence of the gate is not recorded');
  END IF;
END $$;

-- Refuses that a run waits without a wait of this transaction.
CREATE FUNCTION remediation.refuse_no_wait_v1(proposal uuid) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM public.remediation_wait w JOIN audit.entry e ON e.id = w.entry
                  WHERE w.id = remediation.wait_of_v1($1) AND e.txid = pg_current_xact_id()) THEN
    PERFORM remediation.refuse_v1('wait_missing', 'a run waits for something that is on record');
  END IF;
END $$;

-- Refuses a wait that does not follow the last verified step of a run in progress. Sets its deadline.
CREATE FUNCTION remediation.wait_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE x record; e jsonb;
BEGIN
  SELECT r.proposal_id INTO x FROM public.remediation_execution r WHERE r.id = NEW.execution_id;
  PERFORM remediation.lock_proposal_v1(x.proposal_id);
  SELECT convert_from(y.body, 'UTF8')::jsonb INTO e FROM audit.entry y WHERE y.id = NEW.entry;
  IF e ->> 'object' IS DISTINCT FROM 'proposal:' || x.proposal_id
     OR e -> 'data' ->> 'step' IS DISTINCT FROM NEW.step::text
     OR e -> 'data' -> 'conditions' IS DISTINCT FROM NEW.conditions
     OR e -> 'data' -> 'person' IS DISTINCT FROM to_jsonb(NEW.person)
     OR e -> 'data' -> 'within_s' IS DISTINCT FROM to_jsonb(NEW.within_s) THEN
    PERFORM remediation.refuse_v1('entry_names', 'the audit entry says something else than the wait');
  END IF;
  IF NOT EXISTS (SELECT 1 FROM public.remediation_proposal p
                  WHERE p.id = x.proposal_id AND p.state = 'executing') THEN
    PERFORM remediation.refuse_v1('wait_state', 'the proposal is not being executed');
  END IF;
  IF NOT EXISTS (SELECT 1 FROM public.remediation_steprecord s WHERE s.execution_id = NEW.execution_id
                    AND s.step = NEW.step AND s.phase = 'verified')
     OR EXISTS (SELECT 1 FROM public.remediation_steprecord s WHERE s.execution_id = NEW.execution_id
                   AND (s.step > NEW.step OR s.phase NOT IN ('intended', 'applied', 'verified'))) THEN
    PERFORM remediation.refuse_v1('wait_order', 'a run waits after the last step that it has verified');
  END IF;
  IF jsonb_typeof(NEW.conditions) <> 'array' OR jsonb_array_length(NEW.conditions) > 4
     OR NOT NEW.person AND NEW.conditions = '[]' OR NEW.within_s NOT BETWEEN 10 AND 45 * 86400 THEN
    PERFORM remediation.refuse_v1('wait_words', 'a wait is for conditions or a person, for at most 45 days');
  END IF;
  NEW.deadline := NEW.recorded_at + make_interval(secs => NEW.within_s);
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_wait
  FOR EACH ROW EXECUTE FUNCTION remediation.wait_v1();
ALTER TABLE public.remediation_wait ENABLE ALWAYS TRIGGER guard;

-- What is recorded of a wait: only while its run goes on or waits, after its newest step, in an entry about
-- the same proposal. The evidence of the gate belongs to a run that waits.
CREATE FUNCTION remediation.wait_fact_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE x record; about text;
BEGIN
  SELECT w.id, r.proposal_id INTO x FROM public.remediation_wait w
    JOIN public.remediation_execution r ON r.id = w.execution_id WHERE w.id = NEW.wait_id;
  PERFORM remediation.lock_proposal_v1(x.proposal_id);
  SELECT convert_from(e.body, 'UTF8')::jsonb ->> 'object' INTO about FROM audit.entry e WHERE e.id = NEW.entry;
  IF about IS DISTINCT FROM 'proposal:' || x.proposal_id THEN
    PERFORM remediation.refuse_v1('entry_names', 'the audit entry names something else');
  END IF;
  IF NOT EXISTS (SELECT 1 FROM public.remediation_proposal p
                  WHERE p.id = x.proposal_id
                    AND (p.state = 'waiting' OR p.state = 'executing' AND TG_TABLE_NAME = 'remediation_waitlook')) THEN
    PERFORM remediation.refuse_v1('wait_state', 'the run does not wait');
  END IF;
  IF TG_TABLE_NAME <> 'remediation_waitlook' AND x.id IS DISTINCT FROM remediation.wait_of_v1(x.proposal_id) THEN
    PERFORM remediation.refuse_v1('wait_order', 'the run waits for something else');
  END IF;
  IF TG_TABLE_NAME = 'remediation_waitlook' THEN
    IF NEW.met IS DISTINCT FROM (NEW.unmet = '[]') OR jsonb_typeof(NEW.sightings) <> 'array' THEN
      PERFORM remediation.refuse_v1('wait_words', 'what is met has nothing that is not met');
    END IF;
  ELSIF TG_TABLE_NAME = 'remediation_waitoverdue' THEN
    IF NEW.deadline IS DISTINCT FROM remediation.wait_deadline_v1(x.id) OR NEW.deadline > clock_timestamp() THEN
      PERFORM remediation.refuse_v1('wait_early', 'the deadline of the wait has not passed');
    END IF;
  END IF;
  RETURN NEW;
END $$;

-- Rows of a wait, and what a statement about one has to say.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['waitlook', 'waitoverdue', 'resumption'] LOOP
    EXECUTE format('CREATE TRIGGER guard BEFORE INSERT ON public.%I
                    FOR EACH ROW EXECUTE FUNCTION remediation.wait_fact_v1()', 'remediation_' || t);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER guard', 'remediation_' || t);
  END LOOP;
END $$;

-- Refuses an answer that is not about the wait in which the run is now, or that does not name what is not met.
CREATE FUNCTION remediation.answer_statement_v1(proposal uuid, said jsonb) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE w record; longer integer;
BEGIN
  SELECT x.id, x.step INTO w FROM public.remediation_wait x WHERE x.id = remediation.wait_of_v1($1);
  IF w IS NULL OR $2 ->> 'step' IS DISTINCT FROM w.step::text THEN
    PERFORM remediation.refuse_v1('answer_wait', 'the run does not wait after this step');
  END IF;
  longer := ($2 ->> 'longer_s')::integer;
  IF (CASE WHEN $2 ->> 'decision' = 'longer' THEN longer BETWEEN 10 AND 45 * 86400 ELSE longer = 0 END) IS NOT TRUE THEN
    PERFORM remediation.refuse_v1('answer_longer', 'a run waits at most 45 days longer');
  END IF;
  IF $2 ->> 'decision' = 'go_on' AND NOT (
       remediation.unmet_v1(w.id) <@ ARRAY(SELECT jsonb_array_elements_text($2 -> 'unmet'))) THEN
    PERFORM remediation.refuse_v1('answer_unmet', 'something else is not met by now');
  END IF;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
