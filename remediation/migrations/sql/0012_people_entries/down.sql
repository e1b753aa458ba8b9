DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['remediation_user', 'account_emailaddress', 'auth_group', 'remediation_user_groups',
    'remediation_user_user_permissions', 'auth_group_permissions', 'guardian_userobjectpermission',
    'guardian_groupobjectpermission', 'mfa_authenticator'] LOOP
    EXECUTE format('DROP TRIGGER people_entry ON public.%I', t);
    EXECUTE format('DROP TRIGGER people_entry_all ON public.%I', t);
  END LOOP;
END $$;
DROP FUNCTION remediation.people_entry_v1();
DROP FUNCTION remediation.holder_v1(text, jsonb);
