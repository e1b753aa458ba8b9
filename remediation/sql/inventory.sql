-- The inventory: who loosened it, and which services need an identity.

-- By correcting a scope a person can state that an identity has a user. This column marks such versions;
-- all other versions are the inventory's own.
ALTER TABLE public.remediation_dependencyversion ALTER COLUMN by_reviewer SET DEFAULT false;

-- Most services were never retired, and most inventories were not loosened in the last 7 days. These
-- small indexes answer that without reading the versions.
CREATE INDEX service_version_retired ON public.remediation_serviceversion (service_id) WHERE retired;
CREATE INDEX service_version_by_person ON public.remediation_serviceversion (recorded_at)
  WHERE author LIKE 'person:%';
CREATE INDEX dependency_version_gone ON public.remediation_dependencyversion (recorded_at)
  WHERE NOT present AND author LIKE 'person:%';

-- The authors of the versions of the last 7 days after which policy may ask for less than before, for
-- all these objects at once. Such a version says less than the version before it, or takes an unknown
-- away (unknown counts as the strictest): a first version, a first owner team, the end of a retirement,
-- an edge to an identity that perhaps had none, the confirmation of what a reviewer said. A removed edge
-- hides its source from its target, so it counts at both ends. A service that moved to another team or
-- environment counts in each direction: rights are given on teams and environments, so the author may have
-- moved it to where the author holds one. A user of an identity that is sought under another name, or with
-- a shorter period, may end a wait earlier.
--
-- now() and not clock_timestamp(): the latter is volatile and keeps an index from being used; now() is
-- older by at most one transaction.
CREATE FUNCTION remediation.loosened_v2(services bigint[], identities bigint[]) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off AS $$
BEGIN
  RETURN QUERY
  SELECT v.author::text
    FROM unnest(services) AS s (id)
    JOIN LATERAL (SELECT x.* FROM public.remediation_serviceversion x
                   WHERE x.service_id = s.id AND x.recorded_at > now() - interval '7 days'
                  OFFSET 0) AS v ON true
    LEFT JOIN LATERAL (SELECT x.* FROM public.remediation_serviceversion x
                        WHERE x.service_id = v.service_id AND x.id < v.id
                        ORDER BY x.id DESC LIMIT 1) AS o ON true
   WHERE o.id IS NULL
      OR array_position(ARRAY['low','medium','high','critical'], v.criticality::text)
           < array_position(ARRAY['low','medium','high','critical'], o.criticality::text)
      OR v.payment_path < o.payment_path OR v.external_partner < o.external_partner
      OR v.retired <> o.retired OR v.owner_team <> o.owner_team OR v.environment <> o.environment;
  -- Removed edges are few, so start from them and look for the services at either end.
  RETURN QUERY
  WITH gone AS MATERIALIZED (
    SELECT v.author, d.source_id, d.service_id
      FROM public.remediation_dependencyversion v
      JOIN public.remediation_dependency d ON d.id = v.dependency_id
      JOIN LATERAL (SELECT x.present FROM public.remediation_dependencyversion x
                     WHERE x.dependency_id = v.dependency_id AND x.id < v.id
                     ORDER BY x.id DESC LIMIT 1) AS o ON o.present
     WHERE NOT v.present AND v.author LIKE 'person:%' AND v.recorded_at > now() - interval '7 days'
  )
  SELECT g.author::text FROM gone g WHERE g.source_id IN (SELECT unnest(services))
  UNION
  SELECT g.author::text FROM gone g WHERE g.service_id IN (SELECT unnest(services));
  RETURN QUERY
  SELECT v.author::text
    FROM public.remediation_identityversion v
    LEFT JOIN LATERAL (SELECT x.* FROM public.remediation_identityversion x
                        WHERE x.identity_id = v.identity_id AND x.id < v.id
                        ORDER BY x.id DESC LIMIT 1) AS o ON true
   WHERE v.identity_id = ANY (identities) AND v.recorded_at > now() - interval '7 days'
     AND (o.id IS NULL OR v.retired <> o.retired
      OR array_position(ARRAY['development','staging','production'], v.environment::text)
           < array_position(ARRAY['development','staging','production'], o.environment::text));
  RETURN QUERY
  SELECT v.author::text
    FROM public.remediation_dependency d
    JOIN LATERAL (SELECT x.* FROM public.remediation_dependencyversion x
                   WHERE x.dependency_id = d.id AND x.recorded_at > now() - interval '7 days'
                  OFFSET 0) AS v ON true
    LEFT JOIN LATERAL (SELECT x.present, x.by_reviewer, x.seen_as, x.period_s
                         FROM public.remediation_dependencyversion x
                        WHERE x.dependency_id = v.dependency_id AND x.id < v.id
                        ORDER BY x.id DESC LIMIT 1) AS o ON true
   WHERE d.identity_id = ANY (identities)
     AND (v.present IS DISTINCT FROM o.present AND (v.present OR o.present)
          -- To confirm what a reviewer said takes an unknown away.
          OR v.present AND o.by_reviewer AND NOT v.by_reviewer
          OR v.present AND o.present AND (v.seen_as <> o.seen_as
             OR coalesce(v.period_s < o.period_s, o.period_s IS NULL AND v.period_s IS NOT NULL)));
END $$;

-- The services that cannot work without one of these identities, or could not at some time in the last
-- 7 days, at any distance. An edge or a service that was removed since still leads to the person who
-- removed it.
--
-- The newest version decides nearly always and is one step in an index; older versions are read only
-- when it does not. OFFSET 0 keeps the planner from copying the subquery to every place that names its
-- result (each level of the recursion was then read three times).
CREATE FUNCTION remediation.reached_v1(identities bigint[]) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off AS $$
BEGIN
  RETURN QUERY
  WITH RECURSIVE reach (service_id) AS (
    SELECT d.source_id FROM public.remediation_dependency d
     WHERE d.identity_id = ANY (identities) AND CASE
         WHEN (SELECT x.present FROM public.remediation_dependencyversion x
                WHERE x.dependency_id = d.id ORDER BY x.id DESC LIMIT 1) THEN true
         ELSE EXISTS (
           SELECT 1 FROM public.remediation_dependencyversion x
            WHERE x.dependency_id = d.id AND x.present AND NOT EXISTS (
                    SELECT 1 FROM public.remediation_dependencyversion l
                     WHERE l.dependency_id = x.dependency_id AND l.id > x.id
                       AND l.recorded_at <= now() - interval '7 days')) END
    UNION
    SELECT e.source_id
      FROM reach r CROSS JOIN LATERAL (
        SELECT d.source_id FROM public.remediation_dependency d
         WHERE d.service_id = r.service_id AND CASE
             WHEN (SELECT x.present FROM public.remediation_dependencyversion x
                    WHERE x.dependency_id = d.id ORDER BY x.id DESC LIMIT 1) THEN true
             ELSE EXISTS (
               SELECT 1 FROM public.remediation_dependencyversion x
                WHERE x.dependency_id = d.id AND x.present AND NOT EXISTS (
                        SELECT 1 FROM public.remediation_dependencyversion l
                         WHERE l.dependency_id = x.dependency_id AND l.id > x.id
                           AND l.recorded_at <= now() - interval '7 days')) END
        OFFSET 0) AS e
  )
  SELECT r.service_id FROM reach r;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
