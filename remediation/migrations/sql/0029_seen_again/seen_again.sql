-- As every table of facts (sql/facts.sql).
CREATE TRIGGER a_fact BEFORE INSERT ON public.remediation_seenagain
  FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1();
ALTER TABLE public.remediation_seenagain ENABLE ALWAYS TRIGGER a_fact;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.remediation_seenagain
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_seenagain ENABLE ALWAYS TRIGGER append_only;

-- The worker read the targets again at a person's request and found all that people sign the same: the
-- round goes on, with its approvals. Only what was asked for is answered.
CREATE FUNCTION remediation.look_asked_v1(proposal uuid, round integer) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT 1 FROM public.remediation_observationrequest r
     WHERE r.proposal_id = $1 AND r.round = $2
       AND NOT EXISTS (SELECT 1 FROM public.remediation_seenagain s
                        WHERE s.proposal_id = $1 AND s.round = $2 AND s.entry > r.entry))
$$;

-- When the worker last saw what is under review: at the assessment, or at a later equal look.
CREATE FUNCTION remediation.seen_at_v1(proposal uuid, round integer) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT greatest(
    (SELECT a.recorded_at FROM public.remediation_assessment a
      WHERE a.proposal_id = $1 AND a.round = $2),
    (SELECT max(s.recorded_at) FROM public.remediation_seenagain s
      WHERE s.proposal_id = $1 AND s.round = $2))
$$;

CREATE FUNCTION remediation.seen_again_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.lock_proposal_v1(NEW.proposal_id);
  IF NOT EXISTS (SELECT 1 FROM public.remediation_proposal p
                  WHERE p.id = NEW.proposal_id AND p.state = 'in_review' AND p.round = NEW.round) THEN
    PERFORM remediation.refuse_v1('seen_again_round', 'only the round under review goes on');
  END IF;
  IF NOT remediation.look_asked_v1(NEW.proposal_id, NEW.round) THEN
    PERFORM remediation.refuse_v1('seen_again_asked', 'nobody asked for another look');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_seenagain
  FOR EACH ROW EXECUTE FUNCTION remediation.seen_again_v1();
ALTER TABLE public.remediation_seenagain ENABLE ALWAYS TRIGGER guard;

CREATE OR REPLACE FUNCTION remediation.statement_v1(proposal uuid, round integer, person uuid, statement bytea)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE s jsonb; p record; a record;
BEGIN
  PERFORM remediation.lock_proposal_v1($1);
  s := convert_from($4, 'UTF8')::jsonb;
  SELECT x.state, x.round, x.plan_digest, d.digest AS diagnosis INTO p
    FROM public.remediation_proposal x JOIN public.remediation_diagnosis d ON d.id = x.diagnosis_id
   WHERE x.id = $1;
  SELECT * INTO a FROM public.remediation_assessment x WHERE x.proposal_id = $1 AND x.round = $2;
  IF p.state IS DISTINCT FROM 'in_review' THEN
    PERFORM remediation.refuse_v1('review_state', 'the proposal is not in review');
  END IF;
  IF p.round IS DISTINCT FROM $2 OR a IS NULL
     OR s ->> 'proposal' IS DISTINCT FROM $1::text OR (s ->> 'round')::integer IS DISTINCT FROM $2
     OR s ->> 'plan' IS DISTINCT FROM p.plan_digest OR s ->> 'diagnosis' IS DISTINCT FROM p.diagnosis
     OR s ->> 'scope' IS DISTINCT FROM a.scope_digest OR s ->> 'ruling' IS DISTINCT FROM a.ruling_digest
     OR s ->> 'pin' IS DISTINCT FROM a.pin_digest OR s ->> 'checks' IS DISTINCT FROM a.checks_digest
     OR s ->> 'person' IS DISTINCT FROM $3::text THEN
    PERFORM remediation.refuse_v1('review_digest', 'what was signed is not what is under review now');
  END IF;
  IF a.decide_by <= clock_timestamp() THEN
    PERFORM remediation.refuse_v1('review_deadline', 'the time to decide has passed');
  END IF;
  IF remediation.seen_at_v1($1, $2) <= clock_timestamp() - interval '10 minutes' THEN
    PERFORM remediation.refuse_v1('review_fresh', 'the assessment is older than ten minutes');
  END IF;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
