-- Who may decide: read by the guards, by the services and by the worker, in one place.

-- Database groups can only take entitlement away; the approvers file gives it (design.md 5).
CREATE VIEW remediation.entitlement AS
  SELECT u.id AS user_id, u.person, u.is_active AS active, g.name AS role
    FROM public.remediation_user u
    LEFT JOIN public.remediation_user_groups ug ON ug.user_id = u.id
    LEFT JOIN public.auth_group g ON g.id = ug.group_id;

-- Addresses for deadlines and results; the worker sees nothing else of an account.
CREATE VIEW remediation.mailbox AS
  SELECT u.person, u.email FROM public.remediation_user u WHERE u.is_active AND u.email <> '';

-- Object rights on services, from guardian's rows and no superuser shortcut.
CREATE VIEW remediation.service_right AS
  SELECT u.person, r.object_pk::bigint AS service_id, p.codename
    FROM public.guardian_userobjectpermission r
    JOIN public.auth_permission p ON p.id = r.permission_id
    JOIN public.django_content_type c ON c.id = p.content_type_id
    JOIN public.remediation_user u ON u.id = r.user_id
   WHERE c.app_label = 'remediation' AND c.model = 'service'
  UNION
  SELECT u.person, r.object_pk::bigint, p.codename
    FROM public.guardian_groupobjectpermission r
    JOIN public.auth_permission p ON p.id = r.permission_id
    JOIN public.django_content_type c ON c.id = p.content_type_id
    JOIN public.remediation_user_groups ug ON ug.group_id = r.group_id
    JOIN public.remediation_user u ON u.id = ug.user_id
   WHERE c.app_label = 'remediation' AND c.model = 'service';

-- The agent as it is now.
CREATE VIEW remediation.agent_now AS
  SELECT DISTINCT ON (v.agent_id) v.agent_id, v.owner, v.enabled
    FROM public.remediation_agentversion v ORDER BY v.agent_id, v.id DESC;

-- Inventory rows with what they say and what they said before; the first row replaces "unknown",
-- which is the strictest value there is.
CREATE VIEW remediation.loosening AS
  WITH s AS (
    SELECT v.service_id, v.author, v.recorded_at, v.retired,
           array_position(ARRAY['development','staging','production'], v.environment::text) AS env,
           array_position(ARRAY['low','medium','high','critical'], v.criticality::text) AS crit,
           v.payment_path AS pay, v.external_partner AS partner,
           lag(array_position(ARRAY['development','staging','production'], v.environment::text), 1, 3) OVER w AS env0,
           lag(array_position(ARRAY['low','medium','high','critical'], v.criticality::text), 1, 4) OVER w AS crit0,
           lag(v.payment_path, 1, true) OVER w AS pay0,
           lag(v.external_partner, 1, true) OVER w AS partner0,
           lag(v.retired, 1, false) OVER w AS retired0
      FROM public.remediation_serviceversion v
    WINDOW w AS (PARTITION BY v.service_id ORDER BY v.id)
  ), i AS (
    SELECT v.identity_id, v.author, v.recorded_at, v.retired,
           array_position(ARRAY['development','staging','production'], v.environment::text) AS env,
           lag(array_position(ARRAY['development','staging','production'], v.environment::text), 1, 3) OVER w AS env0,
           lag(v.retired, 1, false) OVER w AS retired0
      FROM public.remediation_identityversion v
    WINDOW w AS (PARTITION BY v.identity_id ORDER BY v.id)
  ), d AS (
    SELECT v.dependency_id, v.author, v.recorded_at, v.present,
           lag(v.present, 1, false) OVER w AS present0
      FROM public.remediation_dependencyversion v
    WINDOW w AS (PARTITION BY v.dependency_id ORDER BY v.id)
  )
  SELECT 'service'::text AS kind, service_id AS object_id, author, recorded_at FROM s
   WHERE env < env0 OR crit < crit0 OR pay < pay0 OR partner < partner0 OR retired > retired0
  UNION ALL
  SELECT 'identity', identity_id, author, recorded_at FROM i
   WHERE env < env0 OR retired > retired0
  UNION ALL
  -- A removed edge hides its source from its target: it counts at both ends.
  SELECT x.kind, x.object_id, d.author, d.recorded_at
    FROM d JOIN public.remediation_dependency e ON e.id = d.dependency_id
   CROSS JOIN LATERAL (VALUES ('service', e.source_id), ('service', e.service_id),
                              ('identity', e.identity_id)) AS x(kind, object_id)
   WHERE d.present0 AND NOT d.present AND x.object_id IS NOT NULL;

-- People who may not decide this proposal, with the reason (separation of duties, promise 4).
CREATE FUNCTION remediation.excluded_v1(proposal uuid)
RETURNS TABLE (person text, why text) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  WITH p AS (
    SELECT pr.id, pr.agent_id, pr.editor, pr.round, tk.recorded_at AS born
      FROM public.remediation_proposal pr
      JOIN public.remediation_agenttoken tk ON tk.id = pr.token_id WHERE pr.id = $1
  ), owners AS (
    SELECT v.owner, v.author,
           lead(v.recorded_at, 1, 'infinity') OVER (ORDER BY v.id) AS until
      FROM public.remediation_agentversion v, p WHERE v.agent_id = p.agent_id
  ), tokens AS (
    SELECT t.created_by, r.revoked_by
      FROM p JOIN public.remediation_agenttoken t ON t.agent_id = p.agent_id
      LEFT JOIN public.remediation_agenttokenrevocation r ON r.token_id = t.id
     WHERE coalesce(r.recorded_at, 'infinity') >= p.born AND t.expires_at >= p.born
  ), touched AS (
    SELECT 'service'::text AS kind, s.service_id AS object_id
      FROM p JOIN public.remediation_assessment a ON a.proposal_id = p.id
      JOIN public.remediation_assessmentservice s ON s.assessment_id = a.id
    UNION
    SELECT 'identity', i.id
      FROM p JOIN public.remediation_proposaltarget t ON t.proposal_id = p.id
      JOIN public.remediation_identity i ON i.locator = t.locator
  )
  SELECT o.owner::text, 'owner of the agent' FROM owners o, p WHERE o.until > p.born
  UNION
  SELECT k.created_by::text, 'made a token of the agent' FROM tokens k
  UNION
  SELECT substr(k.revoked_by, 8), 'rotated a token of the agent' FROM tokens k
   WHERE k.revoked_by LIKE 'person:%'
  UNION
  SELECT p.editor::text, 'edited the plan' FROM p WHERE p.editor IS NOT NULL
  UNION
  SELECT substr(l.author, 8), 'loosened the inventory in the last 7 days'
    FROM remediation.loosening l
    JOIN touched t ON t.kind = l.kind AND t.object_id = l.object_id
   WHERE l.author LIKE 'person:%' AND l.recorded_at > clock_timestamp() - interval '7 days'
$$;

-- The newest freeze row; no row means running.
CREATE FUNCTION remediation.frozen_v1() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce((SELECT f.frozen FROM public.remediation_freeze f ORDER BY f.id DESC LIMIT 1), false)
$$;
