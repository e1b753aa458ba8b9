-- How many plans of this person can still run.
CREATE OR REPLACE FUNCTION remediation.open_plans_v1(person uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT count(*) FROM public.remediation_proposal p
   WHERE p.planner = $1
     AND p.state IN ('submitted', 'in_review', 'approved', 'executing', 'waiting', 'unknown')
$$;
