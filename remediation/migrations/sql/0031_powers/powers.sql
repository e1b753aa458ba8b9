-- Power over people: accounts, groups and rights. hitl_web changes none of it unless an entry of the same
-- transaction says this very change and holds a person's signature of it (A76, A77). hitl_operator, which no
-- running process has, writes an operator's entry instead; the guard of entries lets no other login write one.
-- The database cannot verify a signature: the daily verification of the log and an auditor do.

-- Returns the entry that allows changes in this transaction, or NULL. The service names it in the setting
-- `remediation.power_entry`; whoever sets it to another number gains nothing, because the entry must be of
-- this transaction, and must say the change. The input that was signed stands in the entry word for word.
CREATE FUNCTION remediation.power_entry_v1() RETURNS jsonb LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT b.said FROM audit.entry e
   CROSS JOIN LATERAL (SELECT convert_from(e.body, 'UTF8')::jsonb) AS b (said)
   WHERE e.id = nullif(current_setting('remediation.power_entry', true), '')::bigint
     AND e.txid = pg_current_xact_id()
     AND (b.said ->> 'action' IN ('operator:user:created', 'operator:user:changed',
                                  'operator:group:changed', 'operator:right:changed')
          OR EXISTS (
            SELECT 1 FROM remediation.step_up s
             WHERE s.entry = e.id AND 'person:' || s.person = b.said ->> 'actor'
               AND (b.said ->> 'action', s.act) IN (
                     ('person:user:created', 'create_account'), ('person:user:changed', 'change_account'),
                     ('person:group:changed', 'create_group'), ('person:right:changed', 'set_right'))
               -- An account that is made has no person yet when it is signed.
               AND s.object = CASE s.act WHEN 'create_account' THEN 'account:new' ELSE b.said ->> 'object' END
               AND b.said #>> '{data,step_up,statement,input}'
                   = remediation.digest_v1('act_input', convert_to(b.said #>> '{data,input}', 'UTF8'))))
$$;

-- Returns what a right is on, as the statement names it: `service:<name>`, `team:<name>`, …
CREATE FUNCTION remediation.right_place_v1(r jsonb) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE c.model
           WHEN 'service' THEN (SELECT 'service:' || s.name FROM public.remediation_service s
                                 WHERE s.id::text = r ->> 'object_pk')
           ELSE remediation.object_name_v1(r) END
    FROM public.django_content_type c
    JOIN public.auth_permission p ON p.content_type_id = c.id
   WHERE c.app_label = 'remediation' AND c.id = (r ->> 'content_type_id')::bigint
     AND p.id = (r ->> 'permission_id')::bigint
$$;

-- Returns whether an account may be as the row says, given the signed input of this entry.
CREATE FUNCTION remediation.account_as_signed_v1(was jsonb, r jsonb, said jsonb, input jsonb) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT said ->> 'object' = 'person:' || (r ->> 'person')
     AND split_part(said ->> 'action', ':', 3) = CASE WHEN was IS NULL THEN 'created' ELSE 'changed' END
     AND (input ->> 'active')::boolean = (r ->> 'is_active')::boolean
     -- No page and no command makes a superuser or renames an account.
     AND (r ->> 'is_superuser')::boolean = coalesce((was ->> 'is_superuser')::boolean, false)
     AND (was IS NULL OR r ->> 'username' = was ->> 'username')
     AND (was IS NULL OR NOT EXISTS (
            SELECT 1 FROM unnest(ARRAY['email', 'first_name', 'last_name']) AS n (name)
             WHERE r ->> n.name IS DISTINCT FROM was ->> n.name AND NOT coalesce(input -> 'changed', '[]') ? n.name))
     -- The admin site opens for members of these groups only (accounts.ADMIN_SITE).
     AND (NOT (r ->> 'is_staff')::boolean OR coalesce((was ->> 'is_staff')::boolean, false)
          OR input -> 'given' ?| ARRAY['agent_admin', 'auditor', 'inventory_editor', 'user_admin']
          OR EXISTS (SELECT 1 FROM remediation.entitlement t
                      WHERE t.person::text = r ->> 'person'
                        AND t.role IN ('agent_admin', 'auditor', 'inventory_editor', 'user_admin')))
$$;

CREATE FUNCTION remediation.power_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  was jsonb := to_jsonb(OLD); r jsonb := coalesce(to_jsonb(NEW), to_jsonb(OLD));
  about text := remediation.holder_v1(TG_TABLE_NAME, r);
  said jsonb := remediation.power_entry_v1();
  kind text := split_part(said ->> 'action', ':', 2);
  input jsonb := (said #>> '{data,input}')::jsonb;
  given boolean := TG_OP = 'INSERT';
  named text;
BEGIN
  SELECT g.name INTO named FROM public.auth_group g WHERE g.id = (r ->> 'group_id')::bigint;
  IF (CASE
        -- Rows that join a holder with a group or a right are written and removed, never changed.
        WHEN TG_OP = 'UPDATE' AND TG_TABLE_NAME <> 'remediation_user' THEN false
        WHEN TG_TABLE_NAME = 'remediation_user' THEN
          kind = 'user' AND remediation.account_as_signed_v1(was, r, said, input)
        WHEN TG_TABLE_NAME = 'remediation_user_groups' THEN
          kind = 'user' AND said ->> 'object' = about
          AND input -> CASE WHEN given THEN 'given' ELSE 'taken' END ? named
        -- Groups of the portal are made when they are first needed.
        WHEN TG_TABLE_NAME = 'auth_group' THEN
          given AND (kind = 'group' AND said ->> 'object' = about
                     OR kind = 'user' AND input -> 'given' ? (r ->> 'name')
                     OR kind = 'right' AND input ->> 'holder' = about)
        WHEN TG_TABLE_NAME IN ('guardian_userobjectpermission', 'guardian_groupobjectpermission') THEN
          kind = 'right' AND input ->> 'holder' = about AND (input ->> 'held')::boolean = given
          AND said ->> 'object' = remediation.right_place_v1(r)
          AND input ->> 'right' = (SELECT p.codename FROM public.auth_permission p
                                    WHERE p.id = (r ->> 'permission_id')::bigint)
        -- Rights of Django itself: the portal reads none, so nobody gives any.
      END) IS NOT TRUE THEN
    PERFORM remediation.refuse_v1('power_unsigned', 'no passkey signed this change of an account or a right');
  END IF;
  -- Nobody signs power for himself, or for a group of his.
  IF said ->> 'actor' = about AND (kind = 'user' OR given)
     OR given AND TG_TABLE_NAME = 'guardian_groupobjectpermission' AND EXISTS (
          SELECT 1 FROM remediation.entitlement t
           WHERE 'person:' || t.person = said ->> 'actor' AND t.role = named) THEN
    PERFORM remediation.refuse_v1('power_own', 'another administrator does this: nobody gives power to himself');
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

-- The condition is here, because in a definer function current_user is the owner.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['remediation_user_groups', 'remediation_user_user_permissions', 'auth_group_permissions',
                           'guardian_userobjectpermission', 'guardian_groupobjectpermission'] LOOP
    EXECUTE format('CREATE TRIGGER power BEFORE INSERT OR UPDATE OR DELETE ON public.%I
                    FOR EACH ROW WHEN (current_user IN (''hitl_web'', ''hitl_operator''))
                    EXECUTE FUNCTION remediation.power_v1()', t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['auth_group', 'remediation_user'] LOOP
    EXECUTE format('CREATE TRIGGER power BEFORE INSERT OR DELETE ON public.%I
                    FOR EACH ROW WHEN (current_user IN (''hitl_web'', ''hitl_operator''))
                    EXECUTE FUNCTION remediation.power_v1()', t);
  END LOOP;
  CREATE TRIGGER power_changed BEFORE UPDATE ON public.auth_group
    FOR EACH ROW WHEN (current_user IN ('hitl_web', 'hitl_operator')
                       AND (OLD.id IS DISTINCT FROM NEW.id OR OLD.name IS DISTINCT FROM NEW.name))
    EXECUTE FUNCTION remediation.power_v1();
  -- Password, last sign-in and epoch of sessions are the person's own.
  CREATE TRIGGER power_changed BEFORE UPDATE ON public.remediation_user
    FOR EACH ROW WHEN (current_user IN ('hitl_web', 'hitl_operator') AND (
      OLD.username IS DISTINCT FROM NEW.username OR OLD.email IS DISTINCT FROM NEW.email
      OR OLD.first_name IS DISTINCT FROM NEW.first_name OR OLD.last_name IS DISTINCT FROM NEW.last_name
      OR OLD.is_active IS DISTINCT FROM NEW.is_active OR OLD.is_staff IS DISTINCT FROM NEW.is_staff
      OR OLD.is_superuser IS DISTINCT FROM NEW.is_superuser))
    EXECUTE FUNCTION remediation.power_v1();
  FOREACH t IN ARRAY ARRAY['remediation_user_groups', 'remediation_user_user_permissions', 'auth_group_permissions',
                           'guardian_userobjectpermission', 'guardian_groupobjectpermission', 'auth_group',
                           'remediation_user'] LOOP
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER power', t);
  END LOOP;
  ALTER TABLE public.auth_group ENABLE ALWAYS TRIGGER power_changed;
  ALTER TABLE public.remediation_user ENABLE ALWAYS TRIGGER power_changed;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
