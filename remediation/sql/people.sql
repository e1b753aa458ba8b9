-- People and agents: accounts, roles, tokens, and who may not decide a proposal.

-- Facts name people by `person`, so it must not change.
CREATE FUNCTION remediation.user_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.refuse_v1('user_person', 'an account keeps its person');
  RETURN NULL;
END $$;
CREATE TRIGGER guard BEFORE UPDATE ON public.remediation_user
  FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id OR OLD.person IS DISTINCT FROM NEW.person)
  EXECUTE FUNCTION remediation.user_v1();
ALTER TABLE public.remediation_user ENABLE ALWAYS TRIGGER guard;

-- An invitation is valid for 15 minutes by the database's clock.
CREATE FUNCTION remediation.invitation_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.expires_at := clock_timestamp() + interval '15 minutes';
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_invitation
  FOR EACH ROW EXECUTE FUNCTION remediation.invitation_v1();
ALTER TABLE public.remediation_invitation ENABLE ALWAYS TRIGGER guard;

CREATE FUNCTION remediation.invitation_use_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM public.remediation_invitation i
                  WHERE i.id = NEW.invitation_id AND i.expires_at > clock_timestamp()) THEN
    PERFORM remediation.refuse_v1('invitation_expired', 'the code is older than 15 minutes');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_invitationuse
  FOR EACH ROW EXECUTE FUNCTION remediation.invitation_use_v1();
ALTER TABLE public.remediation_invitationuse ENABLE ALWAYS TRIGGER guard;

-- A person's roles. Database groups can only take entitlement away; the approvers file gives it.
CREATE VIEW remediation.entitlement AS
  SELECT u.id AS user_id, u.person, u.is_active AS active, g.name AS role
    FROM public.remediation_user u
    LEFT JOIN public.remediation_user_groups ug ON ug.user_id = u.id
    LEFT JOIN public.auth_group g ON g.id = ug.group_id;

-- Addresses for deadlines and results; the worker sees nothing else of an account.
CREATE VIEW remediation.mailbox AS
  SELECT u.person, u.email FROM public.remediation_user u WHERE u.is_active AND u.email <> '';

-- For `approver add USER`: from a user name to the person. Facts hold no names, so that a person can be
-- erased; this view shows what is true now.
CREATE VIEW remediation.account AS
  SELECT u.person, u.username, u.is_active AS active, u.is_superuser AS superuser
    FROM public.remediation_user u;

-- Object rights on services, from guardian's rows, without its shortcut for superusers. CASE: rows of
-- other kinds may hold keys that are not numbers, and a cast before the filter would fail on them.
CREATE VIEW remediation.service_right AS
  SELECT u.person, r.service_id, p.codename
    FROM (SELECT o.user_id, o.permission_id,
                 CASE WHEN o.object_pk ~ '^[0-9]{1,18}$' THEN o.object_pk::bigint END AS service_id
            FROM public.guardian_userobjectpermission o
          UNION
          SELECT ug.user_id, o.permission_id,
                 CASE WHEN o.object_pk ~ '^[0-9]{1,18}$' THEN o.object_pk::bigint END
            FROM public.guardian_groupobjectpermission o
            JOIN public.remediation_user_groups ug ON ug.group_id = o.group_id) AS r
    JOIN public.auth_permission p ON p.id = r.permission_id
    JOIN public.django_content_type c ON c.id = p.content_type_id
    JOIN public.remediation_user u ON u.id = r.user_id
   WHERE c.app_label = 'remediation' AND c.model = 'service' AND r.service_id IS NOT NULL;

-- The current state of agents.
CREATE VIEW remediation.agent_now AS
  SELECT DISTINCT ON (v.agent_id) v.agent_id, v.owner, v.enabled
    FROM public.remediation_agentversion v ORDER BY v.agent_id, v.id DESC;

ALTER TABLE public.remediation_agenttoken
  ADD CONSTRAINT agent_token_life CHECK (expires_at <= recorded_at + interval '366 days');

-- Returns whether a token was revoked, for the worker, which cannot read tokens.
CREATE FUNCTION remediation.token_revoked_v1(token uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM public.remediation_agenttokenrevocation r WHERE r.token_id = $1)
$$;

-- The diagnoses that a proposal's diagnosis may take its text from: itself, those of the incident with
-- the same text, and those that one of these corrects.
CREATE FUNCTION remediation.words_of_v1(proposal uuid) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  -- Most incidents have no corrected diagnosis.
  IF NOT EXISTS (
    SELECT 1 FROM public.remediation_proposal p
      JOIN public.remediation_diagnosis d ON d.incident_id = p.incident_id AND d.editor IS NOT NULL
     WHERE p.id = $1) THEN
    RETURN;
  END IF;
  RETURN QUERY
  WITH RECURSIVE led (diagnosis_id) AS (
    SELECT p.diagnosis_id FROM public.remediation_proposal p WHERE p.id = $1
    UNION
    SELECT n.id
      FROM led l JOIN public.remediation_diagnosis d ON d.id = l.diagnosis_id
      CROSS JOIN LATERAL (
        SELECT s.id FROM public.remediation_diagnosis s
         WHERE s.incident_id = d.incident_id AND s.digest = d.digest
        UNION ALL
        -- A correction is the diagnosis of a proposal that supersedes one with the old text.
        SELECT o.diagnosis_id
          FROM public.remediation_proposal c
          JOIN public.remediation_proposal o ON o.id = c.supersedes_id
         WHERE c.diagnosis_id = d.id AND d.editor IS NOT NULL) AS n (id)
  )
  SELECT l.diagnosis_id FROM led l;
END $$;

-- The people who may not decide this proposal, with the reason (separation of duties). The only place of
-- this rule: guards, services and gate read it. Pages show the reasons; remediation/vocabulary
-- translates them.
CREATE FUNCTION remediation.excluded_v1(proposal uuid)
RETURNS TABLE (person text, why text) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE services bigint[] := '{}'; identities bigint[];
BEGIN
  -- plpgsql keeps the plan. Before PostgreSQL 18 a function in SQL is planned anew at each call, which
  -- takes ten times as long as reading.
  RETURN QUERY
  WITH RECURSIVE p AS (
    SELECT pr.id, pr.agent_id, pr.editor, pr.supersedes_id, tk.recorded_at AS born
      FROM public.remediation_proposal pr
      JOIN public.remediation_agenttoken tk ON tk.id = pr.token_id WHERE pr.id = $1
  ), edited AS (
    -- Also of the plans that this one supersedes: an agent may send an edited plan again as its own.
    SELECT p.editor, p.supersedes_id FROM p
    UNION
    SELECT x.editor, x.supersedes_id
      FROM edited e JOIN public.remediation_proposal x ON x.id = e.supersedes_id
  ), owners AS (
    SELECT v.owner, lead(v.recorded_at, 1, 'infinity') OVER (ORDER BY v.id) AS until
      FROM public.remediation_agentversion v, p WHERE v.agent_id = p.agent_id
  ), tokens AS (
    SELECT t.created_by, r.revoked_by
      FROM p JOIN public.remediation_agenttoken t ON t.agent_id = p.agent_id
      LEFT JOIN public.remediation_agenttokenrevocation r ON r.token_id = t.id
     WHERE coalesce(r.recorded_at, 'infinity') >= p.born AND t.expires_at >= p.born
  )
  SELECT o.owner::text, 'owner of the agent' FROM owners o, p WHERE o.until > p.born
  UNION
  SELECT k.created_by::text, 'made a token of the agent' FROM tokens k
  UNION
  SELECT substr(k.revoked_by, 8), 'rotated a token of the agent' FROM tokens k
   WHERE k.revoked_by LIKE 'person:%'
  UNION
  SELECT e.editor::text, 'edited the plan' FROM edited e WHERE e.editor IS NOT NULL
  UNION
  -- A person does not decide a proposal that rests on that person's diagnosis, even if somebody
  -- corrected it once more or the agent sent the same text again.
  SELECT d.editor::text, 'corrected the diagnosis'
    FROM remediation.words_of_v1($1) AS w (diagnosis_id)
    JOIN public.remediation_diagnosis d ON d.id = w.diagnosis_id
   WHERE d.editor IS NOT NULL;
  identities := ARRAY(
    SELECT i.id FROM public.remediation_proposaltarget t
      JOIN public.remediation_identity i ON i.locator = t.locator WHERE t.proposal_id = $1);
  -- If nobody changed a service or removed an edge in 7 days, there is no need to follow the edges.
  IF EXISTS (SELECT 1 FROM public.remediation_serviceversion v
              WHERE v.author LIKE 'person:%' AND v.recorded_at > now() - interval '7 days')
     OR EXISTS (SELECT 1 FROM public.remediation_dependencyversion v
                 WHERE NOT v.present AND v.author LIKE 'person:%'
                   AND v.recorded_at > now() - interval '7 days') THEN
    services := ARRAY(
      SELECT r.id FROM remediation.reached_v1(identities) AS r (id)
      UNION
      SELECT s.service_id
        FROM public.remediation_assessment a
        JOIN public.remediation_assessmentservice s ON s.assessment_id = a.id
       WHERE a.proposal_id = $1);
  END IF;
  RETURN QUERY
  SELECT DISTINCT substr(l.author, 8), 'loosened the inventory in the last 7 days'
    FROM remediation.loosened_v2(services, identities) AS l (author)
   WHERE l.author LIKE 'person:%';
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
