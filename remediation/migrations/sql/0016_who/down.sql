-- Object rights on services, from guardian's rows, without its shortcut for superusers. CASE: rows of
-- other kinds may hold keys that are not numbers, and a cast before the filter would fail on them.
CREATE OR REPLACE VIEW remediation.service_right AS
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

-- Appends the entry of one changed row. It names columns, never their values: no password, name, address
-- or key. The argument is the action; the actor is the login that made the change, not the definer.
-- The body is canonical JSON: members in the order of their names, no white space.
CREATE OR REPLACE FUNCTION remediation.people_entry_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  was jsonb := to_jsonb(OLD); now_is jsonb := to_jsonb(NEW); r jsonb := coalesce(to_jsonb(NEW), to_jsonb(OLD));
  login text := CASE current_setting('role') WHEN 'none' THEN session_user::text
                ELSE current_setting('role') END;
  about text; before text; changed text[]; data text;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    changed := ARRAY(SELECT n.key FROM jsonb_each(now_is) n
                      WHERE n.value IS DISTINCT FROM was -> n.key
                        -- Each sign-in writes these; its own entry says more.
                        AND n.key NOT IN ('last_login', 'last_used_at')
                      ORDER BY n.key COLLATE "C");
    IF changed = '{}' THEN RETURN NULL; END IF;
  END IF;
  about := coalesce(remediation.holder_v1(TG_TABLE_NAME, r), 'table:' || TG_TABLE_NAME);
  before := remediation.holder_v1(TG_TABLE_NAME, was);
  SELECT '{' || string_agg(to_json(m.name) || ':' || m.value, ',' ORDER BY m.name COLLATE "C") || '}' INTO data
    FROM (VALUES
      ('changed', to_json(changed)::text),
      -- Only where the row was somebody else's before: a passkey that moved, a group renamed.
      ('from', CASE WHEN before <> about THEN to_json(before)::text END),
      ('group', (SELECT to_json(g.name)::text FROM public.auth_group g
                  WHERE TG_TABLE_NAME = 'remediation_user_groups' AND g.id = (r ->> 'group_id')::bigint)),
      ('on', to_json(r ->> 'object_pk')::text),
      ('operation', to_json(lower(TG_OP))::text),
      ('right', (SELECT to_json(p.codename)::text FROM public.auth_permission p
                  WHERE p.id = (r ->> 'permission_id')::bigint)),
      ('table', to_json(TG_TABLE_NAME::text)::text)) AS m (name, value)
   WHERE m.value IS NOT NULL;
  INSERT INTO audit.entry (body) VALUES (convert_to(format(
    '{"action":%s,"actor":%s,"at":%s,"data":%s,"object":%s,"v":1}', to_json(TG_ARGV[0]),
    to_json('database:' || login),
    to_json(to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')),
    data, to_json(about)), 'UTF8'));
  RETURN NULL;
END $$;
DROP FUNCTION remediation.object_name_v1(jsonb);
-- A review counts only from a person who is entitled to the slot, is not excluded, and signed exactly
-- the statement that was composed for that person.
CREATE OR REPLACE FUNCTION remediation.review_v1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE v record; s jsonb; why text;
BEGIN
  PERFORM remediation.statement_v1(NEW.proposal_id, NEW.round, NEW.person, NEW.statement);
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || NEW.proposal_id, 'person:' || NEW.person);
  SELECT * INTO v FROM public.remediation_reviewsession x WHERE x.id = NEW.session_id;
  IF v IS NULL OR v.person IS DISTINCT FROM NEW.person OR v.statement IS DISTINCT FROM NEW.statement
     OR v.proposal_id IS DISTINCT FROM NEW.proposal_id OR v.round IS DISTINCT FROM NEW.round THEN
    PERFORM remediation.refuse_v1('review_session', 'the statement was composed for somebody else');
  END IF;
  IF v.expires_at <= clock_timestamp() THEN
    PERFORM remediation.refuse_v1('review_session_expired', 'the statement is older than five minutes');
  END IF;
  s := convert_from(NEW.statement, 'UTF8')::jsonb;
  IF s ->> 'decision' IS DISTINCT FROM NEW.decision OR s ->> 'slot' IS DISTINCT FROM NEW.slot THEN
    PERFORM remediation.refuse_v1('review_digest', 'decision or slot is not the one signed');
  END IF;
  SELECT string_agg(x.why, '; ') INTO why FROM remediation.excluded_v1(NEW.proposal_id) x
   WHERE x.person = NEW.person::text;
  IF why IS NOT NULL THEN
    PERFORM remediation.refuse_v1('review_separation', why);
  END IF;
  IF NOT EXISTS (SELECT 1 FROM remediation.entitlement e
                  WHERE e.person = NEW.person AND e.active AND e.role IN ('security', 'service_owner')
                    AND NEW.slot IN ('any', e.role)) THEN
    PERFORM remediation.refuse_v1('review_entitlement', 'the account does not hold the role of the slot');
  END IF;
  -- A reject or return needs a seat of the role, not a free one: an entitled person may always object.
  IF remediation.open_slots_v1(NEW.proposal_id, NEW.round, NEW.slot) < 1 AND (
       NEW.decision = 'approve' OR NOT EXISTS (
         SELECT 1 FROM public.remediation_assessment a
          WHERE a.proposal_id = NEW.proposal_id AND a.round = NEW.round AND a.slots ? NEW.slot)) THEN
    PERFORM remediation.refuse_v1('review_slot', 'the slot is not open');
  END IF;
  RETURN NEW;
END $$;
DROP FUNCTION remediation.may_fill_v1(uuid, uuid, integer, text);
CREATE OR REPLACE FUNCTION remediation.halt_v2() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE v record; p record; why text; e jsonb;
BEGIN
  PERFORM remediation.halt_statement_v1(NEW.proposal_id, NEW.person, NEW.statement);
  PERFORM remediation.entry_names_v1(NEW.entry, 'proposal:' || NEW.proposal_id, 'person:' || NEW.person);
  SELECT * INTO v FROM public.remediation_haltsession x WHERE x.id = NEW.session_id;
  IF v IS NULL OR v.person IS DISTINCT FROM NEW.person OR v.statement IS DISTINCT FROM NEW.statement
     OR v.proposal_id IS DISTINCT FROM NEW.proposal_id THEN
    PERFORM remediation.refuse_v1('halt_session', 'the statement was composed for somebody else');
  END IF;
  IF v.expires_at <= clock_timestamp() THEN
    PERFORM remediation.refuse_v1('halt_session_expired', 'the statement is older than five minutes');
  END IF;
  IF octet_length(NEW.credential_id) = 0 OR octet_length(NEW.authenticator_data) = 0
     OR octet_length(NEW.client_data_json) = 0 OR octet_length(NEW.signature) = 0
     OR octet_length(NEW.cose_key) = 0 THEN
    PERFORM remediation.refuse_v1('halt_assertion', 'it is signed with a passkey');
  END IF;
  IF convert_from(NEW.statement, 'UTF8')::jsonb ->> 'reason' IS DISTINCT FROM NEW.reason
     OR length(btrim(NEW.reason)) < 10 THEN
    PERFORM remediation.refuse_v1('halt_reason',
      'a halt needs the reason that was signed, of at least 10 characters');
  END IF;
  -- The entry says what was signed, and with what, so that outsiders can verify it.
  SELECT convert_from(x.body, 'UTF8')::jsonb -> 'data' INTO e FROM audit.entry x WHERE x.id = NEW.entry;
  IF e -> 'statement' IS DISTINCT FROM convert_from(NEW.statement, 'UTF8')::jsonb
     OR e -> 'assertion' ->> 'signature' IS DISTINCT FROM
        rtrim(translate(encode(NEW.signature, 'base64'), E'+/\n', '-_'), '=') THEN
    PERFORM remediation.refuse_v1('halt_entry', 'the audit entry holds another statement or signature');
  END IF;
  IF convert_from(NEW.statement, 'UTF8')::jsonb ->> 'decision' IS DISTINCT FROM NEW.decision THEN
    PERFORM remediation.refuse_v1('halt_digest', 'another decision was signed');
  END IF;
  SELECT x.round, x.state INTO p FROM public.remediation_proposal x WHERE x.id = NEW.proposal_id;
  SELECT string_agg(x.why, '; ') INTO why FROM remediation.excluded_v1(NEW.proposal_id) x
   WHERE x.person = NEW.person::text;
  IF why IS NOT NULL THEN
    PERFORM remediation.refuse_v1('halt_separation', why);
  END IF;
  -- A lead, or a person who could have filled a slot of the round.
  IF NOT EXISTS (SELECT 1 FROM remediation.entitlement e
                   JOIN public.remediation_assessment a
                     ON a.proposal_id = NEW.proposal_id AND a.round = p.round
                  WHERE e.person = NEW.person AND e.active
                    AND (e.role = 'lead' OR (e.role IN ('security', 'service_owner')
                                             AND (a.slots ? 'any' OR a.slots ? e.role)))) THEN
    PERFORM remediation.refuse_v1('halt_entitlement', 'only an approver of the proposal or a lead may halt');
  END IF;
  why := remediation.halt_late_v1(NEW.proposal_id, NEW.decision, p.state);
  IF why <> '' THEN
    PERFORM remediation.refuse_v1('halt_late', why);
  END IF;
  RETURN NEW;
END $$;
-- The tables go after this; their guards would refuse that.
DROP TRIGGER append_only ON public.remediation_ownerteam;
DROP TRIGGER append_only ON public.remediation_environmentname;

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
      OR array_position(ARRAY['development','staging','production'], v.environment::text)
           < array_position(ARRAY['development','staging','production'], o.environment::text)
      OR array_position(ARRAY['low','medium','high','critical'], v.criticality::text)
           < array_position(ARRAY['low','medium','high','critical'], o.criticality::text)
      OR v.payment_path < o.payment_path OR v.external_partner < o.external_partner
      OR v.retired <> o.retired OR (o.owner_team = '' AND v.owner_team <> '');
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
