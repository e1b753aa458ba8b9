-- Reading identities for people who look now: who may ask, how often, and what an answer belongs to.

ALTER TABLE public.remediation_liveobservation
  ADD CONSTRAINT live_bounded CHECK (octet_length(body) BETWEEN 2 AND 65536);
ALTER TABLE public.remediation_secretcheck
  ADD CONSTRAINT secret_bounded CHECK (octet_length(body) BETWEEN 2 AND 65536);

-- Refuses a request about an identity that is not the incident's, and more requests than people make: a web
-- process that was taken over must not use the observer's logins without limit. Requests of one person wait
-- for each other, so that the count holds.
CREATE FUNCTION remediation.live_request_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.entry_names_v1(NEW.entry, 'incident:' || NEW.incident_id, 'person:' || NEW.person);
  IF NOT EXISTS (SELECT 1 FROM public.remediation_incident i
                  WHERE i.id = NEW.incident_id AND i.locator = NEW.locator)
     AND NOT EXISTS (SELECT 1 FROM public.remediation_proposaltarget t
                       JOIN public.remediation_proposal p ON p.id = t.proposal_id
                      WHERE p.incident_id = NEW.incident_id AND t.locator = NEW.locator) THEN
    PERFORM remediation.refuse_v1('live_identity', 'the identity belongs to no plan and not to the incident');
  END IF;
  -- People who do not see the incident have no budget for it, and one that nobody is has none at all.
  IF NOT EXISTS (SELECT 1 FROM remediation.viewers_v1(NEW.incident_id, NULL) AS v (person)
                  WHERE v.person = NEW.person) THEN
    PERFORM remediation.refuse_v1('live_person', 'the person does not see the incident');
  END IF;
  -- With REPEATABLE READ an older snapshot would hide requests that count.
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    PERFORM remediation.refuse_v1('isolation', 'requests are counted in READ COMMITTED');
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('live:' || NEW.person, 0));
  IF (SELECT count(*) FROM (
        SELECT 1 FROM public.remediation_liverequest r
         WHERE r.person = NEW.person AND r.recorded_at > clock_timestamp() - interval '10 minutes'
         LIMIT 200) AS recent) >= 200 THEN
    PERFORM remediation.refuse_v1('live_budget', '200 readings in ten minutes are the most for one person');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_liverequest
  FOR EACH ROW EXECUTE FUNCTION remediation.live_request_v1();
ALTER TABLE public.remediation_liverequest ENABLE ALWAYS TRIGGER guard;

-- An answer stands under an entry about the incident of its request.
CREATE FUNCTION remediation.live_answer_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.entry_names_v1(NEW.entry,
    'incident:' || (SELECT r.incident_id FROM public.remediation_liverequest r WHERE r.id = NEW.request_id),
    NEW.actor);
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_liveobservation
  FOR EACH ROW EXECUTE FUNCTION remediation.live_answer_v1();
ALTER TABLE public.remediation_liveobservation ENABLE ALWAYS TRIGGER guard;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_secretcheck
  FOR EACH ROW EXECUTE FUNCTION remediation.live_answer_v1();
ALTER TABLE public.remediation_secretcheck ENABLE ALWAYS TRIGGER guard;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
