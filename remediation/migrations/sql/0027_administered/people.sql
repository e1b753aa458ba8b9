-- Who administered people, since when and until when. Only the trigger below writes it, so the web login
-- cannot forget a row: people who make accounts and give rights must not decide or uncover with them
-- (sql/separation.sql).
CREATE TABLE remediation.administered (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  person uuid NOT NULL,
  held boolean NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX administered_person ON remediation.administered (person, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON remediation.administered
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_v1();
ALTER TABLE remediation.administered ENABLE ALWAYS TRIGGER append_only;

CREATE FUNCTION remediation.administered_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO remediation.administered (person, held)
    SELECT u.person, false FROM public.remediation_user u, public.auth_group g
     WHERE u.id = OLD.user_id AND g.id = OLD.group_id AND g.name = 'user_admin';
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO remediation.administered (person, held)
    SELECT u.person, true FROM public.remediation_user u, public.auth_group g
     WHERE u.id = NEW.user_id AND g.id = NEW.group_id AND g.name = 'user_admin';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER administered AFTER INSERT OR UPDATE OR DELETE ON public.remediation_user_groups
  FOR EACH ROW EXECUTE FUNCTION remediation.administered_v1();
ALTER TABLE public.remediation_user_groups ENABLE ALWAYS TRIGGER administered;

-- The trigger above knows the group by its name. A group that is renamed for a moment would hide who left it.
CREATE FUNCTION remediation.user_admin_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.refuse_v1('group_name', 'the group user_admin keeps its name and its number');
  RETURN NULL;
END $$;
CREATE TRIGGER keeps_name BEFORE UPDATE ON public.auth_group
  FOR EACH ROW WHEN ((OLD.name = 'user_admin' OR NEW.name = 'user_admin')
                     AND (OLD.id IS DISTINCT FROM NEW.id OR OLD.name IS DISTINCT FROM NEW.name))
  EXECUTE FUNCTION remediation.user_admin_v1();
ALTER TABLE public.auth_group ENABLE ALWAYS TRIGGER keeps_name;

-- The people who administer users now (`until` is empty) or did in the last 7 days.
CREATE VIEW remediation.administrator AS
  SELECT e.person, (SELECT max(a.recorded_at) FROM remediation.administered a
                     WHERE a.person = e.person AND a.held) AS since, NULL::timestamptz AS until
    FROM remediation.entitlement e WHERE e.role = 'user_admin'
  UNION ALL
  SELECT a.person, (SELECT max(b.recorded_at) FROM remediation.administered b
                     WHERE b.person = a.person AND b.held AND b.id < a.id), a.recorded_at
    FROM remediation.administered a
   WHERE NOT a.held AND a.recorded_at > now() - interval '7 days';

-- What is known of the time before: who is in the group, and who left it by an entry of the last 7 days.
INSERT INTO remediation.administered (person, held, recorded_at)
SELECT substr(b.body ->> 'object', 8)::uuid, false, (b.body ->> 'at')::timestamptz
  FROM audit.entry e CROSS JOIN LATERAL (SELECT convert_from(e.body, 'UTF8')::jsonb AS body) AS b
 WHERE position(convert_to('"database:group:changed"', 'UTF8') IN e.body) > 0
   AND b.body ->> 'action' = 'database:group:changed' AND b.body -> 'data' ->> 'group' = 'user_admin'
   AND b.body -> 'data' ->> 'operation' = 'delete' AND b.body ->> 'object' LIKE 'person:%'
   AND (b.body ->> 'at')::timestamptz > now() - interval '7 days'
 ORDER BY e.id;
INSERT INTO remediation.administered (person, held)
SELECT e.person, true FROM remediation.entitlement e WHERE e.role = 'user_admin';
