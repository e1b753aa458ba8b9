CREATE OR REPLACE FUNCTION remediation.loosened_v2(services bigint[], identities bigint[]) RETURNS SETOF text
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
    LEFT JOIN LATERAL (SELECT x.present, x.by_reviewer
                         FROM public.remediation_dependencyversion x
                        WHERE x.dependency_id = v.dependency_id AND x.id < v.id
                        ORDER BY x.id DESC LIMIT 1) AS o ON true
   WHERE d.identity_id = ANY (identities)
     AND (v.present IS DISTINCT FROM o.present AND (v.present OR o.present)
          -- To confirm what a reviewer said takes an unknown away.
          OR v.present AND o.by_reviewer AND NOT v.by_reviewer);
END $$;
