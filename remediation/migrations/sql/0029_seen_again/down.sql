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
  IF a.recorded_at <= clock_timestamp() - interval '10 minutes' THEN
    PERFORM remediation.refuse_v1('review_fresh', 'the assessment is older than ten minutes');
  END IF;
END $$;

DROP TRIGGER guard ON public.remediation_seenagain;
DROP FUNCTION remediation.seen_again_v1();
DROP FUNCTION remediation.seen_at_v1(uuid, integer);
DROP FUNCTION remediation.look_asked_v1(uuid, integer);
DROP TRIGGER append_only ON public.remediation_seenagain;
DROP TRIGGER a_fact ON public.remediation_seenagain;
