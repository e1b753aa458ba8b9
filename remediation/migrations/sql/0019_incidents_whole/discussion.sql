-- Who works on an incident, and what people say and ask about it.

CREATE TRIGGER a_fact BEFORE INSERT ON public.remediation_incidentassignment
  FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1('actor');
ALTER TABLE public.remediation_incidentassignment ENABLE ALWAYS TRIGGER a_fact;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.remediation_incidentassignment
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_incidentassignment ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER a_fact BEFORE INSERT ON public.remediation_incidentcomment
  FOR EACH ROW EXECUTE FUNCTION remediation.fact_v1('person');
ALTER TABLE public.remediation_incidentcomment ENABLE ALWAYS TRIGGER a_fact;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.remediation_incidentcomment
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_incidentcomment ENABLE ALWAYS TRIGGER append_only;

-- Returns who may see an incident, or one of its proposals: the rule of services/access/visibility.py, for
-- guards and for lists to choose from. Auditors and leads see all; others what touches a service on which
-- they hold a right; approvers also what touches no known service (0).
CREATE FUNCTION remediation.viewers_v1(incident uuid, proposal uuid) RETURNS SETOF uuid LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH seen AS (
    SELECT l.touched FROM public.remediation_incidententry l WHERE $2 IS NULL AND l.incident_id = $1
     UNION ALL
    SELECT q.touched FROM public.remediation_queueentry q WHERE q.proposal_id = $2 AND q.incident_id = $1)
  SELECT DISTINCT e.person FROM remediation.entitlement e, seen s
   WHERE e.active AND (
         e.role IN ('auditor', 'lead')
      OR e.role IN ('security', 'service_owner') AND 0 = ANY (s.touched)
      OR e.role IS NOT NULL AND EXISTS (
           SELECT 1 FROM remediation.service_right r
            WHERE r.person = e.person AND r.codename IN ('view_service', 'review_service')
              AND r.service_id = ANY (s.touched)))
$$;

-- An approver or lead who sees an incident that is not closed takes it, gives it to another one, or gives it
-- up. Compare and set: of two people who take it at once, the second is told.
CREATE FUNCTION remediation.incident_assignment_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE newest bigint; said text;
BEGIN
  PERFORM remediation.lock_incident_v1(NEW.incident_id);
  PERFORM remediation.entry_names_v1(NEW.entry, 'incident:' || NEW.incident_id, NEW.actor);
  SELECT convert_from(e.body, 'UTF8')::jsonb -> 'data' ->> 'person' INTO said
    FROM audit.entry e WHERE e.id = NEW.entry;
  IF said IS DISTINCT FROM NEW.person::text THEN
    PERFORM remediation.refuse_v1('entry_names', 'the audit entry names another assignee');
  END IF;
  IF remediation.incident_state_v1(NEW.incident_id) = 'closed' THEN
    PERFORM remediation.refuse_v1('assignment_state', 'the incident is closed');
  END IF;
  SELECT max(a.id) INTO newest FROM public.remediation_incidentassignment a
   WHERE a.incident_id = NEW.incident_id;
  IF newest IS DISTINCT FROM NEW.replaces_id THEN
    PERFORM remediation.refuse_v1('assignment_from', 'somebody assigned the incident meanwhile');
  END IF;
  IF NEW.actor NOT LIKE 'person:%' OR NOT remediation.incident_entitled_v1(NEW.actor)
     OR NOT EXISTS (SELECT 1 FROM remediation.viewers_v1(NEW.incident_id, NULL) AS v (person)
                     WHERE 'person:' || v.person = NEW.actor) THEN
    PERFORM remediation.refuse_v1('incident_entitlement', 'only an approver or a lead who sees the incident '
      'assigns it');
  END IF;
  IF NEW.person IS NOT NULL AND NOT (
       remediation.incident_entitled_v1('person:' || NEW.person)
       AND EXISTS (SELECT 1 FROM remediation.viewers_v1(NEW.incident_id, NULL) AS v (person)
                    WHERE v.person = NEW.person)) THEN
    PERFORM remediation.refuse_v1('assignment_person',
      'only an approver or a lead who sees the incident can have it');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_incidentassignment
  FOR EACH ROW EXECUTE FUNCTION remediation.incident_assignment_v1();
ALTER TABLE public.remediation_incidentassignment ENABLE ALWAYS TRIGGER guard;

-- A comment is by a person who sees what it is about, asks only people who see it too, and says what its
-- audit entry says. A closed incident still takes comments: questions about its end belong on its record,
-- and nothing runs because of one.
CREATE FUNCTION remediation.incident_comment_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE said jsonb; viewers uuid[];
BEGIN
  PERFORM remediation.entry_names_v1(NEW.entry, 'incident:' || NEW.incident_id, 'person:' || NEW.person);
  SELECT convert_from(e.body, 'UTF8')::jsonb -> 'data' INTO said FROM audit.entry e WHERE e.id = NEW.entry;
  IF said ->> 'text' IS DISTINCT FROM NEW.text OR said -> 'asked' IS DISTINCT FROM to_jsonb(NEW.asked)
     OR said ->> 'proposal' IS DISTINCT FROM NEW.proposal_id::text THEN
    PERFORM remediation.refuse_v1('entry_names', 'the audit entry says something else than the comment');
  END IF;
  IF NEW.proposal_id IS NOT NULL AND NOT EXISTS (
       SELECT 1 FROM public.remediation_proposal p
        WHERE p.id = NEW.proposal_id AND p.incident_id = NEW.incident_id) THEN
    PERFORM remediation.refuse_v1('comment_proposal', 'the proposal is of another incident');
  END IF;
  IF btrim(NEW.text) = '' OR length(NEW.text) > 16000 OR cardinality(NEW.asked) > 20 THEN
    PERFORM remediation.refuse_v1('comment_text', 'a comment has up to 16,000 characters and asks up to 20 people');
  END IF;
  viewers := ARRAY(SELECT remediation.viewers_v1(NEW.incident_id, NEW.proposal_id));
  IF NEW.person <> ALL (viewers) THEN
    PERFORM remediation.refuse_v1('comment_person', 'the person does not see what the comment is about');
  END IF;
  IF NOT NEW.asked <@ viewers THEN
    PERFORM remediation.refuse_v1('comment_asked', 'somebody who is asked does not see what it is about');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_incidentcomment
  FOR EACH ROW EXECUTE FUNCTION remediation.incident_comment_v1();
ALTER TABLE public.remediation_incidentcomment ENABLE ALWAYS TRIGGER guard;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
