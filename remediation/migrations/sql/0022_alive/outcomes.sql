-- How it turned out: the worker asks, at most twice, and a person who was asked answers once.

-- Refuses an entry of something else, and a question about a run of another incident.
CREATE FUNCTION remediation.outcome_question_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.entry_names_v1(NEW.entry, 'incident:' || NEW.incident_id, NEW.actor);
  IF NEW.proposal_id IS NOT NULL AND NOT EXISTS (
       SELECT 1 FROM public.remediation_proposal p
        WHERE p.id = NEW.proposal_id AND p.incident_id = NEW.incident_id) THEN
    PERFORM remediation.refuse_v1('outcome_of', 'the run is not of this incident');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_outcomequestion
  FOR EACH ROW EXECUTE FUNCTION remediation.outcome_question_v1();
ALTER TABLE public.remediation_outcomequestion ENABLE ALWAYS TRIGGER guard;

-- Refuses an answer of somebody who was not asked, and words that are not among the answers.
CREATE FUNCTION remediation.outcome_answer_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.entry_names_v1(NEW.entry, 'incident:' || NEW.incident_id, 'person:' || NEW.person);
  IF NOT EXISTS (SELECT 1 FROM public.remediation_outcomequestion q
                  WHERE q.incident_id = NEW.incident_id AND q.person = NEW.person
                    AND q.proposal_id IS NOT DISTINCT FROM NEW.proposal_id) THEN
    PERFORM remediation.refuse_v1('outcome_asked', 'this person was not asked');
  END IF;
  IF NEW.diagnosis NOT IN ('', 'right', 'too_broad', 'too_narrow', 'wrong')
     OR NEW.scope NOT IN ('', 'right', 'too_broad', 'too_narrow')
     OR NEW.action NOT IN ('', 'right', 'too_broad', 'too_narrow', 'unnecessary', 'caused_outage')
     OR NEW.diagnosis || NEW.scope || NEW.action = '' OR length(NEW.unseen) > 1000 THEN
    PERFORM remediation.refuse_v1('outcome_words', 'not one of the answers');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_outcomeanswer
  FOR EACH ROW EXECUTE FUNCTION remediation.outcome_answer_v1();
ALTER TABLE public.remediation_outcomeanswer ENABLE ALWAYS TRIGGER guard;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
