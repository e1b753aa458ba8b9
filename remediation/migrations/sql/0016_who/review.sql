-- Returns whether a person may fill a slot of a round: the active account holds the slot's role, and a
-- right to review makes it count. For an owner's slot that is the right on one of the services that the
-- ruling's bytes name for it, for the others the right on one service that uses a target directly. Where
-- no such service is known, and for a lead, the role is enough. The same rule as `Asked.may_fill` in
-- domain/slots.py; a test compares them.
CREATE OR REPLACE FUNCTION remediation.may_fill_v1(person uuid, proposal uuid, round integer, slot text)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT 1 FROM remediation.entitlement e
     WHERE e.person = $1 AND e.active
       AND (e.role IN ('security', 'service_owner') AND $4 = 'any'
         OR e.role IN ('security', 'service_owner', 'lead') AND $4 = e.role
         OR e.role = 'service_owner' AND $4 LIKE 'service\_owner:%'))
  AND CASE
    WHEN $4 = 'lead' THEN true
    WHEN $4 LIKE 'service\_owner:%' THEN EXISTS (
      SELECT 1 FROM public.remediation_assessment a
       CROSS JOIN jsonb_array_elements(convert_from(a.ruling, 'UTF8')::jsonb -> 'owners') AS o(owner)
       CROSS JOIN jsonb_array_elements_text(o.owner -> 'services') AS n(name)
        JOIN public.remediation_service s ON s.name = n.name
        JOIN remediation.service_right w ON w.service_id = s.id
       WHERE a.proposal_id = $2 AND a.round = $3 AND o.owner ->> 'slot' = $4
         AND w.person = $1 AND w.codename = 'review_service')
    ELSE NOT EXISTS (
      SELECT 1 FROM public.remediation_assessment a
        JOIN public.remediation_assessmentservice d ON d.assessment_id = a.id AND d.depth = 1
       WHERE a.proposal_id = $2 AND a.round = $3)
    OR EXISTS (
      SELECT 1 FROM public.remediation_assessment a
        JOIN public.remediation_assessmentservice d ON d.assessment_id = a.id AND d.depth = 1
        JOIN remediation.service_right w ON w.service_id = d.service_id
       WHERE a.proposal_id = $2 AND a.round = $3
         AND w.person = $1 AND w.codename = 'review_service') END
$$;

-- A review counts only from a person who is entitled to the slot, is not excluded, and signed exactly
-- the statement that was composed for that person.
CREATE OR REPLACE FUNCTION remediation.review_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE v record; s jsonb; why text;
BEGIN
  PERFORM remediation.statement_v1(NEW.proposal_id, NEW.round, NEW.person, NEW.statement);
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || NEW.proposal_id, 'person:' || NEW.person);
  SELECT * INTO v FROM public.remediation_reviewsession x WHERE x.id = NEW.session_id;
  IF v IS NULL OR v.person IS DISTINCT FROM NEW.person OR v.statement IS DISTINCT FROM NEW.statement
     OR v.proposal_id IS DISTINCT FROM NEW.proposal_id OR v.round IS DISTINCT FROM NEW.round THEN
    PERFORM remediation.refuse_v1('review_session', 'the statement was composed for somebody else');
  END IF;
  IF v.expires_at <= clock_timestamp() THEN
    PERFORM remediation.refuse_v1('review_session_expired', 'the statement is older than five minutes');
  END IF;
  s := convert_from(NEW.statement, 'UTF8')::jsonb;
  IF s ->> 'decision' IS DISTINCT FROM NEW.decision OR s ->> 'slot' IS DISTINCT FROM NEW.slot THEN
    PERFORM remediation.refuse_v1('review_digest', 'decision or slot is not the one signed');
  END IF;
  SELECT string_agg(x.why, '; ') INTO why FROM remediation.excluded_v1(NEW.proposal_id) x
   WHERE x.person = NEW.person::text;
  IF why IS NOT NULL THEN
    PERFORM remediation.refuse_v1('review_separation', why);
  END IF;
  IF NOT remediation.may_fill_v1(NEW.person, NEW.proposal_id, NEW.round, NEW.slot) THEN
    PERFORM remediation.refuse_v1('review_entitlement',
      'the account holds no role, or no right on a service, that counts for the slot');
  END IF;
  -- A reject or return needs a seat of the role, not a free one: an entitled person may always object.
  IF remediation.open_slots_v1(NEW.proposal_id, NEW.round, NEW.slot) < 1 AND (
       NEW.decision = 'approve' OR NOT EXISTS (
         SELECT 1 FROM public.remediation_assessment a
          WHERE a.proposal_id = NEW.proposal_id AND a.round = NEW.round AND a.slots ? NEW.slot)) THEN
    PERFORM remediation.refuse_v1('review_slot', 'the slot is not open');
  END IF;
  RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION remediation.may_fill_v1(uuid, uuid, integer, text) FROM PUBLIC;
