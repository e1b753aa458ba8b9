DROP TRIGGER power ON public.remediation_user_groups;
DROP TRIGGER power ON public.remediation_user_user_permissions;
DROP TRIGGER power ON public.auth_group_permissions;
DROP TRIGGER power ON public.guardian_userobjectpermission;
DROP TRIGGER power ON public.guardian_groupobjectpermission;
DROP TRIGGER power ON public.auth_group;
DROP TRIGGER power ON public.remediation_user;
DROP TRIGGER power_changed ON public.auth_group;
DROP TRIGGER power_changed ON public.remediation_user;
DROP FUNCTION remediation.power_v1();
DROP FUNCTION remediation.account_as_signed_v1(jsonb, jsonb, jsonb, jsonb);
DROP FUNCTION remediation.right_place_v1(jsonb);
DROP FUNCTION remediation.power_entry_v1();
CREATE OR REPLACE FUNCTION remediation.step_up_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE signed jsonb;
BEGIN
  IF NOT NEW.expires_at BETWEEN clock_timestamp() AND clock_timestamp() + interval '5 minutes' THEN
    PERFORM remediation.refuse_v1('step_up_expired', 'a statement holds for five minutes');
  END IF;
  SELECT convert_from(e.body, 'UTF8')::jsonb -> 'data' -> 'step_up' INTO signed
    FROM audit.entry e WHERE e.id = NEW.entry;
  IF (signed -> 'statement' ->> 'nonce', signed -> 'statement' ->> 'person', signed -> 'statement' ->> 'act',
      signed -> 'statement' ->> 'object')
     IS DISTINCT FROM (NEW.nonce, NEW.person::text, NEW.act, NEW.object)
     OR signed -> 'assertion' ->> 'signature' IS NULL THEN
    PERFORM remediation.refuse_v1('step_up_entry', 'the audit entry holds no signed statement of this act');
  END IF;
  RETURN NEW;
END $$;
