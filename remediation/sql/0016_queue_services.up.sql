-- The queue of whoever sees some services only: places by service, so that an index has them in
-- order. What touches more services than this is found by an index of its own, for a place that
-- moves would move thousands of rows.

CREATE INDEX queue_wide ON public.remediation_queueentry (place) WHERE cardinality(touched) > 100;

-- On the entry itself, so that OLD is what the row truly was, whoever changed it meanwhile.
CREATE FUNCTION remediation.queue_by_service_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF NEW.place = OLD.place AND NEW.touched = OLD.touched THEN RETURN NULL; END IF;
    IF cardinality(OLD.touched) <= 100 THEN
      DELETE FROM public.remediation_queueservice s
       WHERE s.service = ANY (OLD.touched) AND s.place = OLD.place;
    END IF;
  END IF;
  IF cardinality(NEW.touched) <= 100 THEN
    INSERT INTO public.remediation_queueservice (service, place)
    SELECT t.id, NEW.place FROM unnest(NEW.touched) AS t(id);
  END IF;
  RETURN NULL;
END $$;

-- What is on record already.
INSERT INTO public.remediation_queueservice (service, place)
  SELECT t.id, q.place FROM public.remediation_queueentry q, unnest(q.touched) AS t(id)
   WHERE cardinality(q.touched) <= 100;

CREATE TRIGGER by_service AFTER INSERT OR UPDATE ON public.remediation_queueentry
  FOR EACH ROW EXECUTE FUNCTION remediation.queue_by_service_v1();
ALTER TABLE public.remediation_queueentry ENABLE ALWAYS TRIGGER by_service;

-- From inside a trigger only. A place that moved leaves its old one, so rows go as well.
CREATE TRIGGER append_only BEFORE TRUNCATE ON public.remediation_queueservice
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
CREATE TRIGGER append_only_update BEFORE INSERT OR UPDATE OR DELETE ON public.remediation_queueservice
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE public.remediation_queueservice ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE public.remediation_queueservice ENABLE ALWAYS TRIGGER append_only_update;

-- The first `most` places between two, in order: all that touch one of these services and few
-- others (the wide ones, whatever they touch). Says where to look, never what may be seen.
CREATE FUNCTION remediation.queue_ahead_v1(services bigint[], after text, until text, most integer)
RETURNS SETOF text LANGUAGE plpgsql STABLE ROWS 120
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  -- Of each service at first somewhat more than its share: with hundreds of services most of what
  -- they have ahead stands on no page.
  each integer := greatest(16, 4 * $4 / greatest(cardinality($1), 1));
  found text[];
  full_ boolean;
BEGIN
  LOOP
    each := least(each, $4);
    WITH narrow AS MATERIALIZED (
      SELECT x.place, x.nth FROM unnest($1) AS s(id) CROSS JOIN LATERAL (
        SELECT q.place, row_number() OVER (ORDER BY q.place) AS nth
          FROM public.remediation_queueservice q
         WHERE q.service = s.id AND q.place > $2 AND q.place < $3
         ORDER BY q.place LIMIT each) AS x
    ), cut AS MATERIALIZED (
      -- A service that gave all it was asked for may have more behind its last.
      SELECT min(n.place) AS place FROM narrow n WHERE n.nth = each
    ), wide AS (
      SELECT q.place FROM public.remediation_queueentry q
       WHERE cardinality(q.touched) > 100 AND q.place > $2 AND q.place < $3
       ORDER BY q.place LIMIT $4
    ), ahead AS (
      SELECT u.place FROM (SELECT n.place FROM narrow n UNION SELECT w.place FROM wide w) AS u, cut c
       WHERE c.place IS NULL OR u.place <= c.place ORDER BY u.place LIMIT $4
    )
    SELECT (SELECT array_agg(a.place) FROM ahead a), (SELECT c.place IS NOT NULL FROM cut c)
      INTO found, full_;
    EXIT WHEN NOT full_ OR each = $4 OR cardinality(found) >= $4;
    each := 4 * each;
  END LOOP;
  RETURN QUERY SELECT unnest(found);
END $$;

DO $$
DECLARE f text;
BEGIN
  FOREACH f IN ARRAY ARRAY['queue_by_service_v1()', 'queue_ahead_v1(bigint[], text, text, integer)'] LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION remediation.%s FROM PUBLIC', f);
  END LOOP;
END $$;
