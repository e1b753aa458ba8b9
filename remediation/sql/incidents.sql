-- Incidents: their diagnosis, and the moves of their state.

ALTER TABLE public.remediation_diagnosis
  ADD CONSTRAINT diagnosis_digest CHECK (digest = remediation.digest_v1('diagnosis', body));

-- The entry of a diagnosis that a person corrected names the person; that of an agent's the agent.
CREATE FUNCTION remediation.diagnosis_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.entry_names_v1(NEW.entry, 'incident:' || NEW.incident_id,
    coalesce('person:' || NEW.editor, 'agent:' || NEW.agent_id));
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_diagnosis
  FOR EACH ROW EXECUTE FUNCTION remediation.diagnosis_v1();
ALTER TABLE public.remediation_diagnosis ENABLE ALWAYS TRIGGER guard;

-- Locks an incident until the transaction ends; every decision about its state begins with this. Order:
-- first the proposal, then its incident.
CREATE FUNCTION remediation.lock_incident_v1(incident uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- With REPEATABLE READ an older snapshot would hide what was committed while this transaction waited.
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    PERFORM remediation.refuse_v1('isolation', 'decisions are made in READ COMMITTED');
  END IF;
  -- NO KEY: rows that only refer to the incident by a foreign key do not wait for a decision.
  PERFORM 1 FROM public.remediation_incident i WHERE i.id = $1 FOR NO KEY UPDATE;
END $$;

-- Returns the state of an incident: that of its newest transition; without one it is open.
CREATE FUNCTION remediation.incident_state_v1(incident uuid) RETURNS text LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce((SELECT t.to_state FROM public.remediation_incidenttransition t
                    WHERE t.incident_id = $1 ORDER BY t.id DESC LIMIT 1), 'open')
$$;

-- Returns why this person may not say that an incident is contained; no row if nothing is against it.
-- Separation of duties: nobody who took part in the report or in one of its proposals.
CREATE FUNCTION remediation.incident_excluded_v1(incident uuid, person uuid) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'owner of the agent' FROM public.remediation_incident i
    JOIN public.remediation_agentversion v ON v.agent_id = i.agent_id
   WHERE i.id = $1 AND v.owner = $2
  UNION
  SELECT x.why FROM public.remediation_proposal p, remediation.excluded_v1(p.id) x
   WHERE p.incident_id = $1 AND x.person = $2::text
$$;

-- Returns whether the actor is an active approver or lead: who closes an incident, asks for a look at it, or
-- confirms one.
CREATE FUNCTION remediation.incident_entitled_v1(actor text) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM remediation.entitlement e
                  WHERE e.active AND e.role IN ('security', 'service_owner', 'lead')
                    AND 'person:' || e.person = $1)
$$;

-- Returns when a run last acted on the identity of an incident; infinity while one does. A look from before
-- says nothing of now: the run, or its rollback, may have given access back.
CREATE FUNCTION remediation.acted_on_v1(incident uuid) RETURNS timestamptz LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT max(x.at) FROM public.remediation_incident i
    JOIN public.remediation_proposaltarget t ON t.locator = i.locator
   CROSS JOIN LATERAL (
     SELECT 'infinity'::timestamptz AS at FROM public.remediation_proposal p
      WHERE p.id = t.proposal_id AND p.state = 'executing'
     UNION ALL
     SELECT m.recorded_at FROM public.remediation_transition m
      WHERE m.proposal_id = t.proposal_id AND (m.from_state = 'executing' OR m.to_state = 'rolled_back')
     UNION ALL
     SELECT s.recorded_at FROM public.remediation_steprecord s
       JOIN public.remediation_execution e ON e.id = s.execution_id
      WHERE e.proposal_id = t.proposal_id AND s.step = t.step) AS x
   WHERE i.id = $1
$$;

-- Returns whether this look is the incident's newest, fresh, found the identity without access, and began
-- after everything that the portal did to the incident and to its identity.
CREATE FUNCTION remediation.look_holds_v1(incident uuid, look bigint) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT 1 FROM public.remediation_incidentlook l
   CROSS JOIN LATERAL (SELECT least(l.recorded_at, (l.data ->> 'at')::timestamptz) AS at) AS began
     WHERE l.id = $2 AND l.incident_id = $1 AND l.found = 'without'
       AND l.recorded_at > clock_timestamp() - interval '10 minutes'
       AND began.at > coalesce(remediation.acted_on_v1($1), '-infinity')
       AND NOT EXISTS (SELECT 1 FROM public.remediation_incidentlook n
                        WHERE n.incident_id = $1 AND n.id > $2)
       AND NOT EXISTS (SELECT 1 FROM public.remediation_incidenttransition t
                        WHERE t.incident_id = $1 AND t.recorded_at >= l.recorded_at))
$$;

-- Refuses a move of an incident that this login may not make. The worker contains by a run, or by a look after
-- it, a person by confirming a look. An invoker function, for its current_user.
CREATE FUNCTION remediation.incident_login_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT remediation.incident_edge_v1(NEW.from_state, NEW.to_state, current_user::text)
     OR (NEW.to_state = 'contained'
         AND (current_user::text = 'hitl_worker')
             IS DISTINCT FROM (NEW.look_id IS NULL OR NEW.proposal_id IS NOT NULL)) THEN
    PERFORM remediation.refuse_v1('incident_edge',
      format('%s may not move an incident from %s to %s', current_user, NEW.from_state, NEW.to_state));
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER b_login BEFORE INSERT ON public.remediation_incidenttransition
  FOR EACH ROW EXECUTE FUNCTION remediation.incident_login_v1();
ALTER TABLE public.remediation_incidenttransition ENABLE ALWAYS TRIGGER b_login;

-- Refuses the confirmation of a look that does not hold, and that of a person who may not confirm it.
CREATE FUNCTION remediation.refuse_confirmation_v1(incident uuid, look bigint, actor text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT remediation.look_holds_v1($1, $2) THEN
    PERFORM remediation.refuse_v1('incident_look', 'the newest look is older than ten minutes, from before the '
      'newest run on the identity, or did not find it without access');
  END IF;
  IF NOT remediation.incident_entitled_v1($3) THEN
    PERFORM remediation.refuse_v1('incident_entitlement', 'only an approver or a lead confirms a look');
  END IF;
  IF EXISTS (SELECT 1 FROM remediation.incident_excluded_v1($1, substr($3, 8)::uuid)) THEN
    PERFORM remediation.refuse_v1('incident_separation', 'the person took part in this incident');
  END IF;
END $$;

-- Refuses a move that does not begin at the incident's present state (compare and set, under its lock),
-- and one without what it asks for: a run or a look to contain it, a reason to open or close it, and to close
-- it a person who may.
CREATE FUNCTION remediation.incident_transition_v2() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE state_now text;
BEGIN
  PERFORM remediation.lock_incident_v1(NEW.incident_id);
  state_now := remediation.incident_state_v1(NEW.incident_id);
  IF state_now IS DISTINCT FROM NEW.from_state THEN
    PERFORM remediation.refuse_v1('incident_from',
      format('the incident is %s, not %s', state_now, NEW.from_state));
  END IF;
  PERFORM remediation.entry_names_v1(NEW.entry, 'incident:' || NEW.incident_id, NEW.actor);
  IF NEW.to_state = 'closed' AND (NEW.outcome NOT IN ('false_positive', 'accepted', 'handled_outside', 'contained')
       OR length(btrim(NEW.reason)) < 10 OR NEW.actor NOT LIKE 'person:%') THEN
    PERFORM remediation.refuse_v1('incident_reason', 'a person closes an incident, with outcome and reason');
  END IF;
  IF NEW.to_state = 'closed' AND NEW.outcome = 'contained' AND NEW.from_state <> 'contained' THEN
    PERFORM remediation.refuse_v1('incident_outcome', 'the incident is not contained now');
  END IF;
  IF NEW.to_state = 'closed' AND NOT remediation.incident_entitled_v1(NEW.actor) THEN
    PERFORM remediation.refuse_v1('incident_entitlement', 'only an approver or a lead closes an incident');
  END IF;
  IF NEW.to_state = 'open' AND btrim(NEW.reason) = '' THEN
    PERFORM remediation.refuse_v1('incident_reason', 'an incident is opened again with a reason');
  END IF;
  IF NEW.to_state = 'contained' AND NEW.proposal_id IS NULL AND NEW.look_id IS NOT NULL THEN
    PERFORM remediation.refuse_confirmation_v1(NEW.incident_id, NEW.look_id, NEW.actor);
  ELSIF NEW.to_state = 'contained' AND NOT EXISTS (
       SELECT 1 FROM public.remediation_proposal p
         JOIN public.remediation_incident i ON i.id = p.incident_id
         JOIN public.remediation_proposaltarget t ON t.proposal_id = p.id AND t.locator = i.locator
        WHERE p.id = NEW.proposal_id AND p.incident_id = NEW.incident_id AND p.state = 'succeeded') THEN
    PERFORM remediation.refuse_v1('incident_run',
      'no run of this incident succeeded on the identity of the incident');
  END IF;
  -- A look after the run, which was seen too early to contain by itself. Not after the incident moved since.
  IF NEW.to_state = 'contained' AND NEW.proposal_id IS NOT NULL AND NEW.look_id IS NOT NULL
     AND (NOT remediation.look_holds_v1(NEW.incident_id, NEW.look_id) OR EXISTS (
            SELECT 1 FROM public.remediation_transition m
              JOIN public.remediation_incidenttransition t ON t.entry > m.entry
             WHERE m.proposal_id = NEW.proposal_id AND m.to_state = 'succeeded'
               AND t.incident_id = NEW.incident_id)) THEN
    PERFORM remediation.refuse_v1('incident_look', 'the look does not follow the run');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_incidenttransition
  FOR EACH ROW EXECUTE FUNCTION remediation.incident_transition_v2();
ALTER TABLE public.remediation_incidenttransition ENABLE ALWAYS TRIGGER guard;

-- A look is about the incident's own identity, while the incident is not closed.
CREATE FUNCTION remediation.incident_look_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.lock_incident_v1(NEW.incident_id);
  PERFORM remediation.entry_names_v1(NEW.entry, 'incident:' || NEW.incident_id, NEW.actor);
  IF remediation.incident_state_v1(NEW.incident_id) = 'closed' THEN
    PERFORM remediation.refuse_v1('look_state', 'the incident is closed');
  END IF;
  IF NEW.proposal_id IS NOT NULL AND NOT EXISTS (
       SELECT 1 FROM public.remediation_proposal p
         JOIN public.remediation_incident i ON i.id = p.incident_id
         JOIN public.remediation_proposaltarget t ON t.proposal_id = p.id AND t.locator = i.locator
        WHERE p.id = NEW.proposal_id AND p.incident_id = NEW.incident_id AND t.step = NEW.step) THEN
    PERFORM remediation.refuse_v1('look_of', 'the step is not about the identity of the incident');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_incidentlook
  FOR EACH ROW EXECUTE FUNCTION remediation.incident_look_v1();
ALTER TABLE public.remediation_incidentlook ENABLE ALWAYS TRIGGER guard;

-- Who may confirm a look may ask for one, while the incident is not closed.
CREATE FUNCTION remediation.incident_look_request_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.lock_incident_v1(NEW.incident_id);
  PERFORM remediation.entry_names_v1(NEW.entry, 'incident:' || NEW.incident_id, 'person:' || NEW.person);
  IF remediation.incident_state_v1(NEW.incident_id) = 'closed' THEN
    PERFORM remediation.refuse_v1('look_state', 'the incident is closed');
  END IF;
  IF NOT remediation.incident_entitled_v1('person:' || NEW.person) THEN
    PERFORM remediation.refuse_v1('incident_entitlement', 'only an approver or a lead asks for a look');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_incidentlookrequest
  FOR EACH ROW EXECUTE FUNCTION remediation.incident_look_request_v1();
ALTER TABLE public.remediation_incidentlookrequest ENABLE ALWAYS TRIGGER guard;

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

-- Refuses what would let a proposal of a closed incident run (A78). Only a reversal that was proposed after
-- the closure may run. Waits for a closure that is being committed.
CREATE FUNCTION remediation.refuse_closed_v1(proposal uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE p record; closed timestamptz;
BEGIN
  PERFORM remediation.lock_proposal_v1($1);
  SELECT x.incident_id, x.reverses_id, x.recorded_at INTO p
    FROM public.remediation_proposal x WHERE x.id = $1;
  -- SHARE: a closure waits for the steps of all runs of the incident, these do not wait for each other.
  PERFORM 1 FROM public.remediation_incident i WHERE i.id = p.incident_id FOR SHARE;
  SELECT t.recorded_at INTO closed FROM public.remediation_incidenttransition t
   WHERE t.incident_id = p.incident_id AND t.to_state = 'closed' ORDER BY t.id DESC LIMIT 1;
  IF closed IS NOT NULL AND (p.reverses_id IS NULL OR p.recorded_at <= closed) THEN
    PERFORM remediation.refuse_v1('incident_closed', 'the incident is closed');
  END IF;
END $$;

-- Both fire after the guards of states.sql and execution.sql, by their name.
CREATE FUNCTION remediation.transition_incident_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.to_state IN ('approved', 'executing') THEN
    PERFORM remediation.refuse_closed_v1(NEW.proposal_id);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER incident BEFORE INSERT ON public.remediation_transition
  FOR EACH ROW EXECUTE FUNCTION remediation.transition_incident_v1();
ALTER TABLE public.remediation_transition ENABLE ALWAYS TRIGGER incident;

CREATE FUNCTION remediation.step_incident_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.phase = 'intended' THEN
    PERFORM remediation.refuse_closed_v1(
      (SELECT x.proposal_id FROM public.remediation_execution x WHERE x.id = NEW.execution_id));
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER incident BEFORE INSERT ON public.remediation_steprecord
  FOR EACH ROW EXECUTE FUNCTION remediation.step_incident_v1();
ALTER TABLE public.remediation_steprecord ENABLE ALWAYS TRIGGER incident;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
