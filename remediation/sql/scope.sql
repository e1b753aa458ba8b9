-- The scope of a plan, by one recursive query over the inventory (services/assessment/scope.py).
--
-- The strictest inventory of 24 hours: for each attribute and edge the strictest value counts of the
-- versions recorded in the last 24 hours and of the newest version before them. The query says this as
-- "no later version is older than 24 hours". A retired service counts for 24 hours more. What was
-- missing at some time in the 24 hours counts as the strictest value: `unused` says that no edge of a
-- living service led to the target all the time, `bare` that a service was there without any version.
-- What a reviewer said by correcting a scope widens it and does not end `unused`: only an edge of the
-- inventory itself says that the users of an identity are known.
--
-- Each step of the recursion is one row: the services found at that depth, and all that were seen. So
-- each service is followed once, at its least depth, and a cycle ends.
--
-- For speed (50,000 services and 200,000 edges; tests/database compares with a plain implementation):
-- * A generic plan is made once for a connection; planning takes longer than reading (2 ms and 0.7 ms).
-- * A LATERAL subquery ends in OFFSET 0. Without it the planner copies the subquery to every place that
--   names its result, and each level of the recursion is read three times.
-- * The newest version decides nearly always, and is one step in an index: if it is newest and present,
--   the edge exists; if it is newest and older than 24 hours, nothing else counts; a service that was
--   never retired lives. Only otherwise are the versions of the 24 hours read.
-- * Each step removes duplicates and services seen before, and reads details only of the rest.
--
-- Runs with the caller's rights, because it guards nothing.
CREATE FUNCTION remediation.scope_v1(locators text[], max_depth integer, most integer)
RETURNS TABLE (
  place bigint, environment text, owner_team text, retired boolean, young boolean, unused boolean,
  service_id bigint, service text, depth integer, service_environment text, criticality text,
  payment_path boolean, external_partner boolean, service_owner text, unowned boolean,
  service_retired boolean, bare boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH RECURSIVE target AS (
    SELECT t.place, i.id AS identity_id, v.environment, v.owner_team, v.retired, v.young,
           NOT EXISTS (
             SELECT 1 FROM public.remediation_dependency d
              WHERE d.identity_id = i.id
                AND EXISTS (SELECT 1 FROM public.remediation_dependencyversion x
                             WHERE x.dependency_id = d.id
                               AND x.recorded_at <= now() - interval '24 hours')
                AND NOT EXISTS (
                      SELECT 1 FROM public.remediation_dependencyversion x
                       WHERE x.dependency_id = d.id AND (NOT x.present OR x.by_reviewer)
                         AND NOT EXISTS (
                               SELECT 1 FROM public.remediation_dependencyversion l
                                WHERE l.dependency_id = x.dependency_id AND l.id > x.id
                                  AND l.recorded_at <= now() - interval '24 hours'))
                AND NOT EXISTS (
                      SELECT 1 FROM public.remediation_serviceversion x
                       WHERE x.service_id = d.source_id AND x.retired AND NOT EXISTS (
                               SELECT 1 FROM public.remediation_serviceversion l
                                WHERE l.service_id = x.service_id AND l.id > x.id
                                  AND l.recorded_at <= now() - interval '24 hours'))) AS unused
      FROM unnest(locators) WITH ORDINALITY AS t (locator, place)
      LEFT JOIN public.remediation_identity i ON i.locator = t.locator
     CROSS JOIN LATERAL (
       SELECT (ARRAY['development','staging','production'])[max(array_position(
                ARRAY['development','staging','production'], x.environment::text))] AS environment,
              (array_agg(x.owner_team ORDER BY x.id DESC))[1] AS owner_team,
              bool_or(x.retired) AS retired,
              NOT EXISTS (SELECT 1 FROM public.remediation_identityversion o
                           WHERE o.identity_id = i.id
                             AND o.recorded_at <= now() - interval '24 hours') AS young
         FROM public.remediation_identityversion x
        WHERE x.identity_id = i.id AND NOT EXISTS (
                SELECT 1 FROM public.remediation_identityversion l
                 WHERE l.identity_id = x.identity_id AND l.id > x.id
                   AND l.recorded_at <= now() - interval '24 hours')) AS v
  ), reach (place, depth, found, seen) AS (
    SELECT t.place, 1, n.found, n.found
      FROM target t CROSS JOIN LATERAL (SELECT ARRAY(
             SELECT c.id FROM (
               SELECT DISTINCT d.source_id AS id FROM public.remediation_dependency d
                WHERE d.identity_id = t.identity_id
                  AND CASE WHEN (SELECT x.present FROM public.remediation_dependencyversion x
                                  WHERE x.dependency_id = d.id ORDER BY x.id DESC LIMIT 1) THEN true
                      ELSE EXISTS (
                        SELECT 1 FROM public.remediation_dependencyversion x
                         WHERE x.dependency_id = d.id AND x.present AND NOT EXISTS (
                               SELECT 1 FROM public.remediation_dependencyversion l
                                WHERE l.dependency_id = x.dependency_id AND l.id > x.id
                                  AND l.recorded_at <= now() - interval '24 hours')) END
               OFFSET 0) AS c
              WHERE NOT EXISTS (SELECT 1 FROM public.remediation_serviceversion x
                                 WHERE x.service_id = c.id AND x.retired)
                 OR EXISTS (
                      SELECT 1 FROM public.remediation_serviceversion x
                       WHERE x.service_id = c.id AND NOT x.retired AND NOT EXISTS (
                               SELECT 1 FROM public.remediation_serviceversion l
                                WHERE l.service_id = x.service_id AND l.id > x.id
                                  AND l.recorded_at <= now() - interval '24 hours'))
             ) AS found OFFSET 0) AS n
    UNION ALL
    SELECT r.place, r.depth + 1, n.found, r.seen || n.found
      FROM reach r CROSS JOIN LATERAL (SELECT ARRAY(
             SELECT c.id FROM (
               SELECT DISTINCT d.source_id AS id FROM public.remediation_dependency d
                WHERE d.service_id = ANY (r.found)
                  AND NOT EXISTS (SELECT 1 FROM unnest(r.seen) AS u (id) WHERE u.id = d.source_id)
                  AND CASE WHEN (SELECT x.present FROM public.remediation_dependencyversion x
                                  WHERE x.dependency_id = d.id ORDER BY x.id DESC LIMIT 1) THEN true
                      ELSE EXISTS (
                        SELECT 1 FROM public.remediation_dependencyversion x
                         WHERE x.dependency_id = d.id AND x.present AND NOT EXISTS (
                               SELECT 1 FROM public.remediation_dependencyversion l
                                WHERE l.dependency_id = x.dependency_id AND l.id > x.id
                                  AND l.recorded_at <= now() - interval '24 hours')) END
               OFFSET 0) AS c
              WHERE NOT EXISTS (SELECT 1 FROM public.remediation_serviceversion x
                                 WHERE x.service_id = c.id AND x.retired)
                 OR EXISTS (
                      SELECT 1 FROM public.remediation_serviceversion x
                       WHERE x.service_id = c.id AND NOT x.retired AND NOT EXISTS (
                               SELECT 1 FROM public.remediation_serviceversion l
                                WHERE l.service_id = x.service_id AND l.id > x.id
                                  AND l.recorded_at <= now() - interval '24 hours'))
             ) AS found OFFSET 0) AS n
     WHERE n.found <> '{}' AND r.depth <= max_depth AND cardinality(r.seen) < most
  ), nearest AS (
    SELECT r.place, s.id AS service_id, r.depth FROM reach r CROSS JOIN unnest(r.found) AS s (id)
     ORDER BY r.depth, s.id, r.place LIMIT most
  )
  SELECT t.place, t.environment, coalesce(t.owner_team, '')::text, coalesce(t.retired, false), t.young,
         t.unused,
         s.id, s.name::text, n.depth, coalesce(v.environment, w.environment, 'production')::text,
         coalesce(v.criticality, w.criticality, 'critical')::text,
         coalesce(v.payment_path, w.payment_path, true),
         coalesce(v.external_partner, w.external_partner, true), coalesce(w.owner_team, '')::text,
         coalesce(v.unowned, w.owner_team = '', true), coalesce(v.retired, w.retired, false),
         s.recorded_at <= now() - interval '24 hours'
             AND NOT coalesce(v.settled, w.recorded_at <= now() - interval '24 hours', false)
           OR w.id IS NULL
    FROM target t
    LEFT JOIN nearest n ON n.place = t.place
    LEFT JOIN public.remediation_service s ON s.id = n.service_id
    LEFT JOIN LATERAL (SELECT x.* FROM public.remediation_serviceversion x
                        WHERE x.service_id = s.id ORDER BY x.id DESC LIMIT 1) AS w ON true
    LEFT JOIN LATERAL (
      SELECT (ARRAY['development','staging','production'])[max(array_position(
               ARRAY['development','staging','production'], x.environment::text))] AS environment,
             (ARRAY['low','medium','high','critical'])[max(array_position(
               ARRAY['low','medium','high','critical'], x.criticality::text))] AS criticality,
             bool_or(x.payment_path) AS payment_path,
             bool_or(x.external_partner) AS external_partner,
             bool_or(x.owner_team = '') AS unowned, bool_or(x.retired) AS retired,
             bool_or(x.recorded_at <= now() - interval '24 hours') AS settled
        FROM public.remediation_serviceversion x
       WHERE w.recorded_at > now() - interval '24 hours' AND x.service_id = s.id AND NOT EXISTS (
               SELECT 1 FROM public.remediation_serviceversion l
                WHERE l.service_id = x.service_id AND l.id > x.id
                  AND l.recorded_at <= now() - interval '24 hours')) AS v ON true
   ORDER BY t.place, n.depth, s.name, s.id;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
