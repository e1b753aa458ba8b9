-- The functions that hitlportal may call on a PostgreSQL cluster that it protects. An administrator
-- installs them once per cluster, in the database of the worker's DSNs. Safe to run again: that is how
-- an older version is upgraded. PostgreSQL 14-18. Plain SQL: psql -v ON_ERROR_STOP=1 -f hitl_ops.sql,
-- or one psycopg execute(). One file, although long, because an administrator reads and runs it as one.
--
-- Who installs: a superuser; or, where the provider of a managed server keeps that for itself, a role
-- with CREATEROLE, with ADMIN on pg_signal_backend and pg_read_all_stats, and with CREATE on the
-- database. On 14 and 15 CREATEROLE alone gives that ADMIN. A later version is installed by the same
-- role or a superuser.
--
-- Afterwards, by hand, with passwords of your own:
--   ALTER ROLE hitl_observer LOGIN PASSWORD '...';   -- the worker's observe_dsn
--   ALTER ROLE hitl_operator LOGIN PASSWORD '...';   -- the worker's operate_dsn_file
--   SELECT hitl_ops.manage('orders_app');            -- once for each role that may be disabled
-- and in postgresql.conf of the cluster and its standbys, from 16 on: reserved_connections = 5.
--
-- Ownership: the functions run with the rights of hitl_ops_owner (SECURITY DEFINER), a role that
-- cannot log in and that nobody can become. From PostgreSQL 16 on, CREATEROLE can change only roles on
-- which it has ADMIN, and manage() grants that for enrolled roles only: even a mistake in these
-- functions cannot change another role. On 14 and 15 CREATEROLE can change every role that is not a
-- superuser, so managed_role() is the only limit. Ownership by a superuser would be worse on every
-- version, and a CREATEROLE login for the worker even worse.

BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;

DO $roles$
DECLARE
    name text;
    held record;
    -- 16 made grants of roles finer: WITH ADMIN, INHERIT, SET.
    finer boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    PERFORM set_config('hitl_ops.installer', current_user, true);
    FOREACH name IN ARRAY ARRAY['hitl_managed', 'hitl_observer', 'hitl_operator', 'hitl_ops_owner']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
        -- Only what differs is named: NOSUPERUSER, NOREPLICATION and NOBYPASSRLS are refused to a role
        -- that does not have these attributes, even where they would change nothing.
        SELECT concat_ws(' ',
                   CASE WHEN rolsuper THEN 'NOSUPERUSER' END,
                   CASE WHEN rolcreatedb THEN 'NOCREATEDB' END,
                   CASE WHEN rolcreaterole AND name <> 'hitl_ops_owner' THEN 'NOCREATEROLE' END,
                   CASE WHEN rolreplication THEN 'NOREPLICATION' END,
                   CASE WHEN rolbypassrls THEN 'NOBYPASSRLS' END,
                   CASE WHEN rolcanlogin AND name IN ('hitl_ops_owner', 'hitl_managed')
                        THEN 'NOLOGIN' END,
                   CASE WHEN NOT rolcreaterole AND name = 'hitl_ops_owner' THEN 'CREATEROLE' END
               ) AS changes
          INTO held FROM pg_catalog.pg_roles WHERE rolname = name;
        IF held.changes <> '' THEN
            EXECUTE format('ALTER ROLE %I %s', name, held.changes);
        END IF;
    END LOOP;

    FOREACH name IN ARRAY ARRAY['pg_signal_backend', 'pg_read_all_stats']
    LOOP
        IF NOT EXISTS (
            SELECT FROM pg_catalog.pg_auth_members m
            WHERE m.roleid = name::regrole AND m.member = 'hitl_ops_owner'::regrole
        ) THEN
            EXECUTE format('GRANT %I TO hitl_ops_owner', name);
        END IF;
    END LOOP;

    -- Whether a leaked secret is the one in force is answered from the stored verifier. Only a superuser
    -- may let a function read it; where the provider keeps that for itself, "cannot be told" is the
    -- answer. To withhold it: SET hitl_ops.compare_secrets = 'off' before this file runs.
    IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        IF coalesce(current_setting('hitl_ops.compare_secrets', true), '') = 'off' THEN
            REVOKE SELECT (oid, rolpassword) ON pg_catalog.pg_authid FROM hitl_ops_owner;
        ELSE
            GRANT SELECT (oid, rolpassword) ON pg_catalog.pg_authid TO hitl_ops_owner;
        END IF;
    END IF;

    -- A role that holds every other connection must not keep the portal out (reserved_connections).
    FOREACH name IN ARRAY ARRAY['hitl_observer', 'hitl_operator']
    LOOP
        IF finer AND NOT pg_catalog.pg_has_role(name, 'pg_use_reserved_connections', 'USAGE') THEN
            BEGIN
                EXECUTE format('GRANT pg_use_reserved_connections TO %I', name);
            EXCEPTION WHEN insufficient_privilege THEN
                RAISE WARNING 'pg_use_reserved_connections was not granted to %: you have no ADMIN on'
                    ' it. A role that holds every connection keeps the portal out.', name;
            END;
        END IF;
    END LOOP;

    -- Installing acts as the functions' owner. Only a superuser may do that unasked; see the end.
    IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT hitl_ops_owner TO %I%s', current_user,
                       CASE WHEN finer THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'hitl_ops') THEN
        CREATE SCHEMA hitl_ops AUTHORIZATION hitl_ops_owner;
    -- What somebody else made there, and whom they let in, would stay with another owner.
    ELSIF (SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = 'hitl_ops')
          <> 'hitl_ops_owner'::regrole THEN
        RAISE 'schema hitl_ops belongs to somebody else; look at what is in it, and drop it'
            USING ERRCODE = 'check_violation';
    END IF;
END
$roles$;

SELECT set_config('role', 'hitl_ops_owner', true);

-- Rights that somebody was given meanwhile go; those that are needed follow.
DO $acl$
DECLARE
    held record;
BEGIN
    FOR held IN
        SELECT DISTINCT 'SCHEMA hitl_ops' AS what, a.grantee
          FROM pg_catalog.pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'hitl_ops'
        UNION
        SELECT 'FUNCTION ' || p.oid::regprocedure, a.grantee
          FROM pg_catalog.pg_proc p, aclexplode(p.proacl) a
         WHERE p.pronamespace = 'hitl_ops'::regnamespace
           AND p.proowner = 'hitl_ops_owner'::regrole
        UNION
        SELECT 'TABLE ' || c.oid::regclass, a.grantee
          FROM pg_catalog.pg_class c, aclexplode(c.relacl) a
         WHERE c.relnamespace = 'hitl_ops'::regnamespace AND c.relkind = 'r'
           AND c.relowner = 'hitl_ops_owner'::regrole
    LOOP
        IF held.grantee <> 'hitl_ops_owner'::regrole THEN
            EXECUTE format('REVOKE ALL ON %s FROM %s CASCADE', held.what,
                           CASE WHEN held.grantee = 0 THEN 'PUBLIC'
                                ELSE held.grantee::regrole::text END);
        END IF;
    END LOOP;
END
$acl$;

REVOKE ALL ON SCHEMA hitl_ops FROM PUBLIC;
GRANT USAGE ON SCHEMA hitl_ops TO hitl_observer, hitl_operator;

-- The version of this file. The worker refuses a cluster with an older one, and says so.
CREATE OR REPLACE FUNCTION hitl_ops.version() RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS 'SELECT 4';

-- Which role (by oid) was turned off under which name, and which standbys were connected then. A name
-- can come to mean another role; sessions of the role that was turned off stay in sight by its oid.
CREATE TABLE IF NOT EXISTS hitl_ops.turned_off (
    role oid PRIMARY KEY,
    name text NOT NULL,
    at timestamp with time zone NOT NULL,
    standbys text[] NOT NULL
);

-- Returns the oid of a role that these functions may change; refuses every other name.
CREATE OR REPLACE FUNCTION hitl_ops.managed_role(target text) RETURNS oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    role record;
BEGIN
    SELECT oid, rolname, rolsuper, rolcreaterole, rolreplication, rolbypassrls
      INTO role
      FROM pg_catalog.pg_roles
     WHERE rolname::text = target;
    IF NOT FOUND THEN
        RAISE 'there is no role "%"', target USING ERRCODE = 'undefined_object';
    END IF;
    IF target ~ '^(hitl|pg)_' OR target = session_user THEN
        RAISE 'role "%" belongs to the portal or to the cluster', target
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF role.rolsuper OR role.rolcreaterole OR role.rolreplication OR role.rolbypassrls THEN
        RAISE 'role "%" administers the cluster', target USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Direct members only: enrolling a group does not enrol everyone in it.
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles managed ON managed.oid = m.roleid
        WHERE managed.rolname = 'hitl_managed' AND m.member = role.oid
    ) THEN
        RAISE 'role "%" is not a member of hitl_managed', target
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN role.oid;
END
$body$;

-- Refuses a name that means another role than the one that people decided about.
CREATE OR REPLACE FUNCTION hitl_ops.managed_role(target text, expected oid) RETURNS oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    found oid := hitl_ops.managed_role(target);
BEGIN
    IF found <> expected THEN
        RAISE 'role "%" is another role now: its oid is %, not %', target, found, expected
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN found;
END
$body$;

-- Refuses new logins from the commit on; open sessions stay (see terminate).
CREATE OR REPLACE FUNCTION hitl_ops.disable(target text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    PERFORM hitl_ops.managed_role(target);
    EXECUTE format('ALTER ROLE %I NOLOGIN', target);
END
$body$;

CREATE OR REPLACE FUNCTION hitl_ops.enable(target text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    PERFORM hitl_ops.managed_role(target);
    EXECUTE format('ALTER ROLE %I LOGIN', target);
END
$body$;

-- The same for exactly this oid; workers of this version call these. The oid is compared again when the
-- role's row is locked by the change.
CREATE OR REPLACE FUNCTION hitl_ops.disable(target text, expected oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    PERFORM hitl_ops.managed_role(target, expected);
    EXECUTE format('ALTER ROLE %I NOLOGIN', target);
    PERFORM hitl_ops.managed_role(target, expected);
    INSERT INTO hitl_ops.turned_off AS t
    SELECT expected, target, clock_timestamp(),
           ARRAY(SELECT DISTINCT r.name FROM hitl_ops.replicas() r
                  WHERE NOT r.logical AND r.name IS NOT NULL ORDER BY 1)
        ON CONFLICT (role) DO UPDATE
       SET name = excluded.name, at = excluded.at, standbys = excluded.standbys;
    -- An earlier role of this name is forgotten when nothing of it is left.
    DELETE FROM hitl_ops.turned_off t
     WHERE t.name = target AND t.role <> expected
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = t.role AND r.rolcanlogin)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = t.role);
END
$body$;

CREATE OR REPLACE FUNCTION hitl_ops.enable(target text, expected oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    PERFORM hitl_ops.managed_role(target, expected);
    EXECUTE format('ALTER ROLE %I LOGIN', target);
    PERFORM hitl_ops.managed_role(target, expected);
    DELETE FROM hitl_ops.turned_off WHERE role = expected;
END
$body$;

-- Ends sessions by the oid: also those of a role that was renamed or dropped after it was turned off.
CREATE OR REPLACE FUNCTION hitl_ops.terminate(target text, expected oid) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    session_pid integer;
    signalled integer := 0;
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE oid = expected AND rolname::text = target)
       OR NOT EXISTS (SELECT FROM hitl_ops.turned_off WHERE role = expected AND name = target) THEN
        PERFORM hitl_ops.managed_role(target, expected);
    END IF;
    FOR session_pid IN
        SELECT pid FROM pg_catalog.pg_stat_activity WHERE usesysid = expected
    LOOP
        PERFORM pg_catalog.pg_terminate_backend(session_pid);
        signalled := signalled + 1;
    END LOOP;
    RETURN signalled;
END
$body$;

-- Returns the roles that were turned off under a name, and what became of each; the newest first.
CREATE OR REPLACE FUNCTION hitl_ops.turned_off_as(
    target text, OUT role oid, OUT standbys text[], OUT name_now text, OUT login boolean)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT t.role, t.standbys, r.rolname::text, r.rolcanlogin
      FROM hitl_ops.turned_off t LEFT JOIN pg_catalog.pg_roles r ON r.oid = t.role
     WHERE t.name = target ORDER BY t.at DESC
$body$;

-- Returns logins that have passed the check of LOGIN and are no sessions yet: such a one holds the lock
-- of its database, and its role cannot be seen.
CREATE OR REPLACE FUNCTION hitl_ops.starting(OUT pid integer) RETURNS SETOF integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT DISTINCT l.pid FROM pg_catalog.pg_locks l
      LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'object' AND l.classid = 'pg_catalog.pg_database'::regclass
       AND l.pid IS NOT NULL
       AND (a.pid IS NULL OR a.usesysid IS NULL AND a.backend_type = 'client backend')
$body$;

-- Signals every session of the role to end, and returns their number. They end a moment later.
CREATE OR REPLACE FUNCTION hitl_ops.terminate(target text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    target_oid oid := hitl_ops.managed_role(target);
    session_pid integer;
    signalled integer := 0;
BEGIN
    -- A loop: in one WHERE the planner is free to signal first and to compare the role later.
    FOR session_pid IN
        SELECT pid FROM pg_catalog.pg_stat_activity WHERE usesysid = target_oid
    LOOP
        PERFORM pg_catalog.pg_terminate_backend(session_pid);
        signalled := signalled + 1;
    END LOOP;
    RETURN signalled;
END
$body$;

-- Replaces the password by a SCRAM verifier that was computed elsewhere, so that no password comes
-- here. A caller can become the role. So a role that could give more rights is refused, and nobody has
-- EXECUTE until the catalogue has an action that needs it.
CREATE OR REPLACE FUNCTION hitl_ops.set_verifier(target text, verifier text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    target_oid oid := hitl_ops.managed_role(target);
BEGIN
    IF verifier !~ '^SCRAM-SHA-256\$[0-9]{4,7}:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}$'
    THEN
        RAISE 'not a SCRAM-SHA-256 verifier' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF EXISTS (
        WITH RECURSIVE above(id) AS (
            SELECT roleid FROM pg_catalog.pg_auth_members WHERE member = target_oid
            UNION
            SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN above ON m.member = above.id
        )
        SELECT FROM above JOIN pg_catalog.pg_roles r ON r.oid = above.id
        WHERE r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls
           OR r.rolname ~ '^pg_' OR (r.rolname ~ '^hitl_' AND r.rolname <> 'hitl_managed')
    ) THEN
        RAISE 'role "%" can become a role that administers the cluster', target
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('ALTER ROLE %I PASSWORD %L', target, verifier);
END
$body$;

-- Returns the number of a role's sessions and the time of their last activity. Nothing else, so that
-- the observer does not need pg_read_all_stats, which shows the query texts of others.
CREATE OR REPLACE FUNCTION hitl_ops.sessions(
    target oid, OUT sessions integer, OUT last_activity timestamp with time zone)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT count(*)::integer, max(greatest(backend_start, state_change))
      FROM pg_catalog.pg_stat_activity
     WHERE usesysid = target
$body$;

-- Returns the sessions of a role on this server, oldest first. application_name is the client's claim.
CREATE OR REPLACE FUNCTION hitl_ops.session_list(
    target oid, OUT pid integer, OUT since timestamp with time zone, OUT application_name text)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT a.pid, a.backend_start, a.application_name
      FROM pg_catalog.pg_stat_activity a
     WHERE a.usesysid = target
     ORDER BY a.backend_start, a.pid
$body$;

-- Returns a role's sessions on this server by client and program, those that were active last first.
-- Both names are the clients' claims; the address is the connection's. At most 20 rows.
CREATE OR REPLACE FUNCTION hitl_ops.session_places(
    target oid, OUT address text, OUT application_name text, OUT sessions integer,
    OUT last_activity timestamp with time zone)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT coalesce(host(a.client_addr), 'a local socket'), a.application_name, count(*)::integer,
           max(greatest(a.backend_start, a.state_change))
      FROM pg_catalog.pg_stat_activity a
     WHERE a.usesysid = target
     GROUP BY 1, 2 ORDER BY 4 DESC, 1, 2 LIMIT 20
$body$;

-- Whether a leaked secret is the one in force, without the secret coming here: the worker derives the
-- keys from it with the salt, and sends only their hash with a challenge. The challenge is new for each
-- transaction and follows from a key that never leaves this database, so that a log of statements and
-- parameters holds nothing from which a secret can be guessed. Whoever has the observer's login can ask
-- about guesses, 64 in a quarter of a second; one comparison at a time in a cluster.
CREATE TABLE IF NOT EXISTS hitl_ops.challenge_key (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    key bytea NOT NULL
);
INSERT INTO hitl_ops.challenge_key (key)
SELECT sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text,
                         'UTF8'))
    ON CONFLICT DO NOTHING;

-- Nobody but these functions may call the next two.
CREATE OR REPLACE FUNCTION hitl_ops.challenge(role oid) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT sha256(k.key || convert_to(
               concat_ws(' ', pg_backend_pid(), role, extract(epoch FROM transaction_timestamp())), 'UTF8'))
      FROM hitl_ops.challenge_key k
$body$;

-- Returns the stored verifier; null where the role has none, or where the functions may not read it.
CREATE OR REPLACE FUNCTION hitl_ops.verifier(role oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    RETURN (SELECT a.rolpassword FROM pg_catalog.pg_authid a WHERE a.oid = role);
END
$body$;

-- Returns what the worker needs to derive a candidate's keys: of enrolled roles only.
-- kind: scram, md5, none, other, or unreadable.
CREATE OR REPLACE FUNCTION hitl_ops.secret_challenge(
    target text, OUT role oid, OUT kind text, OUT iterations integer, OUT salt text, OUT challenge bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    stored text;
    parts text[];
BEGIN
    role := hitl_ops.managed_role(target);
    IF NOT has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT') THEN
        kind := 'unreadable';
        RETURN;
    END IF;
    stored := hitl_ops.verifier(role);
    parts := regexp_match(stored, '^SCRAM-SHA-256\$([0-9]{1,7}):([A-Za-z0-9+/=]+)\$');
    kind := CASE WHEN stored IS NULL THEN 'none' WHEN parts IS NOT NULL THEN 'scram'
                 WHEN stored ~ '^md5[0-9a-f]{32}$' THEN 'md5' ELSE 'other' END;
    iterations := parts[1];
    salt := parts[2];
    challenge := hitl_ops.challenge(role);
END
$body$;

-- Returns for each proof whether it was made of the secret in force, in the transaction of the challenge.
CREATE OR REPLACE FUNCTION hitl_ops.secret_in_force(target text, expected oid, proofs bytea[])
RETURNS boolean[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    role oid := hitl_ops.managed_role(target, expected);
    stored text := hitl_ops.verifier(role);
    key bytea;
BEGIN
    IF cardinality(proofs) > 64 THEN
        RAISE 'at most 64 proofs' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    PERFORM pg_advisory_xact_lock(7411833, 4);
    PERFORM pg_sleep(0.25);
    key := CASE WHEN stored LIKE 'SCRAM-SHA-256$%'
                THEN decode(split_part(split_part(stored, '$', 3), ':', 1), 'base64')
                ELSE convert_to(stored, 'UTF8') END;
    RETURN ARRAY(SELECT coalesce(sha256(hitl_ops.challenge(role) || key) = p.proof, false)
                   FROM unnest(proofs) WITH ORDINALITY AS p(proof, place) ORDER BY p.place);
END
$body$;

-- Returns the members of a role, members of members too, and how many sessions each has open on this
-- server. PostgreSQL does not show which of those took the role on (SET ROLE). `usable` is false for a
-- member with ADMIN alone (16 and later), who must first grant the role to itself.
CREATE OR REPLACE FUNCTION hitl_ops.members(
    target oid, OUT member text, OUT through text, OUT usable boolean, OUT sessions integer)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    WITH RECURSIVE grants AS (
        -- The options of 16 are read by name, because 14 and 15 do not have the columns.
        SELECT m.roleid, m.member,
               bool_or(coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)
                       OR coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true)) AS usable
          FROM pg_catalog.pg_auth_members m
         WHERE m.member <> 'hitl_ops_owner'::regrole
         GROUP BY m.roleid, m.member
    ), found(member, through, usable) AS (
        SELECT g.member, 0::oid, g.usable FROM grants g WHERE g.roleid = target
        UNION
        SELECT g.member, g.roleid, g.usable AND f.usable FROM grants g JOIN found f ON g.roleid = f.member
    )
    SELECT r.rolname::text,
           coalesce(min(t.rolname::text) FILTER (WHERE NOT direct.is), '') AS through,
           bool_or(f.usable),
           (SELECT count(*)::integer FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = f.member)
      FROM found f
      JOIN pg_catalog.pg_roles r ON r.oid = f.member
      LEFT JOIN pg_catalog.pg_roles t ON t.oid = f.through
     CROSS JOIN LATERAL (
        SELECT EXISTS (SELECT FROM grants g WHERE g.roleid = target AND g.member = f.member) AS is
     ) direct
     GROUP BY f.member, r.rolname
     ORDER BY bool_or(direct.is) DESC, r.rolname
$body$;

-- Returns what receives this server's changes: standbys (physical) and subscribers of logical
-- replication, which have roles of their own. The observer so needs no pg_read_all_stats.
CREATE OR REPLACE FUNCTION hitl_ops.replicas(
    OUT name text, OUT address text, OUT state text, OUT logical boolean)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT r.application_name, coalesce(host(r.client_addr), ''), r.state,
           EXISTS (SELECT FROM pg_catalog.pg_replication_slots s
                   WHERE s.active_pid = r.pid AND s.slot_type = 'logical')
      FROM pg_catalog.pg_stat_replication r
     WHERE r.state IS DISTINCT FROM 'backup'
    UNION ALL
    -- A standby with a slot of its own that is not connected may take logins all the same.
    SELECT s.slot_name::text, '', 'away', false FROM pg_catalog.pg_replication_slots s
     WHERE s.slot_type = 'physical' AND NOT s.active
     ORDER BY 1, 2, 3
$body$;

-- Enrols a role. An administrator of the cluster runs it with their own rights (SECURITY INVOKER);
-- from 16 on whoever is no superuser needs ADMIN on the role.
CREATE OR REPLACE FUNCTION hitl_ops.manage(target text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    EXECUTE format('GRANT hitl_managed TO %I', target);
    -- Syntax of 16, where ADMIN alone is enough to ALTER the role, and nothing is inherited.
    IF current_setting('server_version_num')::integer >= 160000 THEN
        EXECUTE format(
            'GRANT %I TO hitl_ops_owner WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', target);
    END IF;
    PERFORM hitl_ops.managed_role(target);  -- an error here rolls both grants back
END
$body$;

CREATE OR REPLACE FUNCTION hitl_ops.unmanage(target text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    EXECUTE format('REVOKE hitl_managed FROM %I', target);
    IF current_setting('server_version_num')::integer >= 160000 THEN
        EXECUTE format('REVOKE %I FROM hitl_ops_owner', target);
    END IF;
END
$body$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA hitl_ops FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    hitl_ops.disable(text), hitl_ops.enable(text), hitl_ops.terminate(text),
    hitl_ops.disable(text, oid), hitl_ops.enable(text, oid), hitl_ops.terminate(text, oid)
    TO hitl_operator;
GRANT EXECUTE ON FUNCTION
    hitl_ops.version(), hitl_ops.sessions(oid), hitl_ops.turned_off_as(text), hitl_ops.starting() TO hitl_observer, hitl_operator;
GRANT EXECUTE ON FUNCTION
    hitl_ops.session_list(oid), hitl_ops.members(oid), hitl_ops.replicas(),
    hitl_ops.session_places(oid), hitl_ops.secret_challenge(text),
    hitl_ops.secret_in_force(text, oid, bytea[]) TO hitl_observer;

DO $installer$
DECLARE
    installer text := current_setting('hitl_ops.installer');
BEGIN
    IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = installer) THEN
        -- What a superuser may do anyway: to enrol roles.
        EXECUTE format('GRANT USAGE ON SCHEMA hitl_ops TO %I', installer);
        EXECUTE format('GRANT EXECUTE ON FUNCTION hitl_ops.manage(text), hitl_ops.unmanage(text),'
                       ' hitl_ops.managed_role(text) TO %I', installer);
    END IF;
    PERFORM set_config('role', installer, true);
    IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = installer) THEN
        EXECUTE format('REVOKE hitl_ops_owner FROM %I', installer);
    END IF;
END
$installer$;

-- The logins have no rights but EXECUTE on these functions and the reserved connections; they inherit
-- none. Nobody can become one of these roles: whoever can become the operator can give access back.
-- From 16 on, the role that created another role keeps ADMIN on it.
DO $verify$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_auth_members m
        WHERE (m.member IN ('hitl_observer'::regrole, 'hitl_operator'::regrole)
               AND m.roleid::regrole::text <> 'pg_use_reserved_connections')
           OR (m.roleid IN ('hitl_ops_owner'::regrole, 'hitl_observer'::regrole,
                            'hitl_operator'::regrole)
               AND (coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)
                    OR coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true)))
    ) THEN
        RAISE 'hitl_observer and hitl_operator must be members of no role but'
            ' pg_use_reserved_connections; they and hitl_ops_owner must have none'
            USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_proc
                WHERE pronamespace = 'hitl_ops'::regnamespace
                  AND proowner <> 'hitl_ops_owner'::regrole)
       OR EXISTS (SELECT FROM pg_catalog.pg_class
                   WHERE relnamespace = 'hitl_ops'::regnamespace
                     AND relowner <> 'hitl_ops_owner'::regrole) THEN
        RAISE 'schema hitl_ops has functions or tables of somebody else; drop them'
            USING ERRCODE = 'check_violation';
    END IF;
END
$verify$;

COMMIT;
