-- People and agents: accounts, roles, tokens.

-- Facts name people by `person`, so it must not change.
CREATE FUNCTION remediation.user_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM remediation.refuse_v1('user_person', 'an account keeps its person');
  RETURN NULL;
END $$;
CREATE TRIGGER guard BEFORE UPDATE ON public.remediation_user
  FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id OR OLD.person IS DISTINCT FROM NEW.person)
  EXECUTE FUNCTION remediation.user_v1();
ALTER TABLE public.remediation_user ENABLE ALWAYS TRIGGER guard;

-- An invitation is valid for 15 minutes by the database's clock.
CREATE FUNCTION remediation.invitation_v1() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.expires_at := clock_timestamp() + interval '15 minutes';
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_invitation
  FOR EACH ROW EXECUTE FUNCTION remediation.invitation_v1();
ALTER TABLE public.remediation_invitation ENABLE ALWAYS TRIGGER guard;

CREATE FUNCTION remediation.invitation_use_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM public.remediation_invitation i
                  WHERE i.id = NEW.invitation_id AND i.expires_at > clock_timestamp()) THEN
    PERFORM remediation.refuse_v1('invitation_expired', 'the code is older than 15 minutes');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON public.remediation_invitationuse
  FOR EACH ROW EXECUTE FUNCTION remediation.invitation_use_v1();
ALTER TABLE public.remediation_invitationuse ENABLE ALWAYS TRIGGER guard;

-- A person's roles. Database groups can only take entitlement away; the approvers file gives it.
CREATE VIEW remediation.entitlement AS
  SELECT u.id AS user_id, u.person, u.is_active AS active, g.name AS role
    FROM public.remediation_user u
    LEFT JOIN public.remediation_user_groups ug ON ug.user_id = u.id
    LEFT JOIN public.auth_group g ON g.id = ug.group_id;

-- Addresses for deadlines and results; the worker sees nothing else of an account.
CREATE VIEW remediation.mailbox AS
  SELECT u.person, u.email FROM public.remediation_user u WHERE u.is_active AND u.email <> '';

-- For `approver add USER`: from a user name to the person. Facts hold no names, so that a person can be
-- erased; this view shows what is true now.
CREATE VIEW remediation.account AS
  SELECT u.person, u.username, u.is_active AS active, u.is_superuser AS superuser
    FROM public.remediation_user u;

-- Object rights on services, from guardian's rows, without its shortcut for superusers. CASE: rows of
-- other kinds may hold keys that are not numbers, and a cast before the filter would fail on them.
CREATE VIEW remediation.service_right AS
  SELECT u.person, r.service_id, p.codename
    FROM (SELECT o.user_id, o.permission_id,
                 CASE WHEN o.object_pk ~ '^[0-9]{1,18}$' THEN o.object_pk::bigint END AS service_id
            FROM public.guardian_userobjectpermission o
          UNION
          SELECT ug.user_id, o.permission_id,
                 CASE WHEN o.object_pk ~ '^[0-9]{1,18}$' THEN o.object_pk::bigint END
            FROM public.guardian_groupobjectpermission o
            JOIN public.remediation_user_groups ug ON ug.group_id = o.group_id) AS r
    JOIN public.auth_permission p ON p.id = r.permission_id
    JOIN public.django_content_type c ON c.id = p.content_type_id
    JOIN public.remediation_user u ON u.id = r.user_id
   WHERE c.app_label = 'remediation' AND c.model = 'service' AND r.service_id IS NOT NULL;

-- The current state of agents.
CREATE VIEW remediation.agent_now AS
  SELECT DISTINCT ON (v.agent_id) v.agent_id, v.owner, v.enabled
    FROM public.remediation_agentversion v ORDER BY v.agent_id, v.id DESC;

ALTER TABLE public.remediation_agenttoken
  ADD CONSTRAINT agent_token_life CHECK (expires_at <= recorded_at + interval '366 days');

-- Returns whether a token was revoked, for the worker, which cannot read tokens.
CREATE FUNCTION remediation.token_revoked_v1(token uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM public.remediation_agenttokenrevocation r WHERE r.token_id = $1)
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA remediation FROM PUBLIC;
