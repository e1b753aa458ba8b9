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
--   ALTER ROLE hitl_ticket LOGIN PASSWORD '...';     -- ticket_dsn_file; only where passwords are rotated
--   SELECT hitl_ops.manage('orders_app');            -- once for each role that may be disabled
--   SELECT hitl_ops.manage_membership('orders_write', 'orders_app');  -- ... membership that may be revoked
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
    FOREACH name IN ARRAY
        ARRAY['hitl_managed', 'hitl_observer', 'hitl_operator', 'hitl_ticket', 'hitl_ops_owner']
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

    -- create_twin enrols the role that it makes. Before 16 CREATEROLE is enough for that.
    IF finer THEN
        EXECUTE 'GRANT hitl_managed TO hitl_ops_owner WITH ADMIN TRUE, INHERIT FALSE, SET FALSE';
    END IF;

    -- A role that holds every other connection must not keep the portal out (reserved_connections).
    FOREACH name IN ARRAY ARRAY['hitl_observer', 'hitl_operator', 'hitl_ticket']
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
GRANT USAGE ON SCHEMA hitl_ops TO hitl_observer, hitl_operator, hitl_ticket;

-- The version of this file. The worker refuses a cluster with an older one, and says so.
CREATE OR REPLACE FUNCTION hitl_ops.version() RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS 'SELECT 6';

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

-- Tickets. Who can set a verifier can become the role: so the operator's login alone can set none. Another
-- login, hitl_ticket, opens a ticket for one change of one role, once, for a short time, and for exactly
-- one verifier; it can change nothing. An administrator may open one by hand instead, and leave
-- hitl_ticket without LOGIN:
--   SELECT hitl_ops.issue('set_verifier', 'orders_app', 'orders_app'::regrole, 600);
-- A used or an ended ticket is kept for a year; hitl_observer sees them all.
CREATE TABLE IF NOT EXISTS hitl_ops.ticket (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action text NOT NULL CHECK (action IN ('set_verifier', 'create_twin')),
    -- The role that is changed, or that is made; and the oid of the changed or of the first one.
    name text NOT NULL,
    role oid NOT NULL,
    verifier text,                      -- SHA-256 of the one that may be set; null: any, by hand only
    made_by text NOT NULL,
    made_at timestamp with time zone NOT NULL,
    ends timestamp with time zone NOT NULL,
    used_at timestamp with time zone
);

-- Which version of which password was set here last, and the role that a twin was made like.
CREATE TABLE IF NOT EXISTS hitl_ops.password_set (
    role oid PRIMARY KEY,
    version text NOT NULL,
    id text NOT NULL,
    at timestamp with time zone NOT NULL
);
CREATE TABLE IF NOT EXISTS hitl_ops.twin (
    role oid PRIMARY KEY,
    name text NOT NULL,
    first oid NOT NULL,
    first_name text NOT NULL,
    at timestamp with time zone NOT NULL
);

-- Opens a ticket; the earlier ones for the same change end.
CREATE OR REPLACE FUNCTION hitl_ops.issue(
    action text, target text, expected oid, seconds integer, verifier text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
#variable_conflict use_column
DECLARE
    wanted text := issue.action;
    made bigint;
    now timestamp with time zone := clock_timestamp();
BEGIN
    IF session_user = 'hitl_ticket' AND (issue.verifier IS NULL OR issue.seconds > 60) THEN
        RAISE 'this login opens tickets for one verifier and at most 60 seconds'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF issue.verifier !~ '^[0-9a-f]{64}$' OR issue.seconds NOT BETWEEN 1 AND 86400 THEN
        RAISE 'a ticket has the SHA-256 of a verifier, and lasts 1 to 86400 seconds'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF wanted = 'set_verifier' THEN
        PERFORM hitl_ops.managed_role(target, expected);
    ELSE
        PERFORM hitl_ops.managed_role(r.rolname::text, expected)
           FROM pg_catalog.pg_roles r WHERE r.oid = expected;
        IF NOT FOUND THEN
            RAISE 'there is no role with oid %', expected USING ERRCODE = 'undefined_object';
        END IF;
    END IF;
    UPDATE hitl_ops.ticket t SET ends = now
     WHERE t.action = wanted AND t.name = target AND t.used_at IS NULL AND t.ends > now;
    DELETE FROM hitl_ops.ticket t WHERE t.ends < now - interval '1 year';
    INSERT INTO hitl_ops.ticket (action, name, role, verifier, made_by, made_at, ends)
    VALUES (wanted, target, expected, issue.verifier, session_user, now,
            now + make_interval(secs => issue.seconds))
    RETURNING id INTO made;
    RETURN made;
END
$body$;

-- Uses the open ticket for this change, or refuses. Nobody but these functions may call it.
CREATE OR REPLACE FUNCTION hitl_ops.redeem(wanted text, target text, expected oid, new text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    UPDATE hitl_ops.ticket t SET used_at = clock_timestamp()
     WHERE t.action = wanted AND t.name = target AND t.role = expected
       AND t.used_at IS NULL AND t.ends > clock_timestamp()
       AND (t.verifier IS NULL OR t.verifier = encode(sha256(convert_to(new, 'UTF8')), 'hex'));
    IF NOT FOUND THEN
        RAISE 'no ticket is open for % on role "%"', wanted, target
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$body$;

-- Returns the tickets of the last week, the newest first, at most 200.
CREATE OR REPLACE FUNCTION hitl_ops.tickets(
    OUT action text, OUT name text, OUT made_by text, OUT made_at timestamp with time zone,
    OUT ends timestamp with time zone, OUT used_at timestamp with time zone)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT t.action, t.name, t.made_by, t.made_at, t.ends, t.used_at FROM hitl_ops.ticket t
     WHERE t.made_at > clock_timestamp() - interval '7 days' ORDER BY t.id DESC LIMIT 200
$body$;

-- Returns a fingerprint of the verifier in force; no secret, since its key never leaves this database.
CREATE OR REPLACE FUNCTION hitl_ops.password_id(role oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    RETURN (SELECT left(encode(sha256(k.key || convert_to(role || ' '
                               || coalesce(hitl_ops.verifier(role), ''), 'UTF8')), 'hex'), 32)
              FROM hitl_ops.challenge_key k);
END
$body$;

-- Returns what is known of a role's password; of enrolled roles only. kind: scram, md5, none, other,
-- unreadable, or not_enrolled. `version` is empty if the one in force was not set by set_verifier or
-- create_twin. `age` is in seconds. `first` is the role that this one was made like.
CREATE OR REPLACE FUNCTION hitl_ops.password_state(
    target oid, OUT kind text, OUT id text, OUT version text, OUT age double precision,
    OUT first text, OUT first_oid oid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    stored text;
BEGIN
    version := '';
    SELECT t.first_name, t.first INTO first, first_oid FROM hitl_ops.twin t WHERE t.role = target;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                    WHERE m.roleid = 'hitl_managed'::regrole AND m.member = target) THEN
        kind := 'not_enrolled';
    ELSIF NOT has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT') THEN
        kind := 'unreadable';
    ELSE
        stored := hitl_ops.verifier(target);
        kind := CASE WHEN stored IS NULL THEN 'none' WHEN stored LIKE 'SCRAM-SHA-256$%' THEN 'scram'
                     WHEN stored ~ '^md5[0-9a-f]{32}$' THEN 'md5' ELSE 'other' END;
        id := hitl_ops.password_id(target);
        SELECT p.version, extract(epoch FROM clock_timestamp() - p.at)
          INTO version, age
          FROM hitl_ops.password_set p WHERE p.role = target AND p.id = password_state.id;
        version := coalesce(version, '');
    END IF;
END
$body$;

-- Refuses a verifier or a name of a version of another form.
CREATE OR REPLACE FUNCTION hitl_ops.check_verifier(verifier text, version text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    IF verifier IS NULL OR verifier !~
       '^SCRAM-SHA-256\$[0-9]{4,7}:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}$'
    THEN
        RAISE 'not a SCRAM-SHA-256 verifier' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF version IS NULL OR version !~ '^[a-z0-9-]{1,60}$' THEN
        RAISE 'not the name of a version' USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$body$;

-- Refuses a role with which one could get more rights than its own.
CREATE OR REPLACE FUNCTION hitl_ops.refuse_powerful(role oid, target text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    IF EXISTS (
        WITH RECURSIVE above(id) AS (
            SELECT roleid FROM pg_catalog.pg_auth_members WHERE member = role
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
END
$body$;

-- Notes that this version of a password is in force, and returns its fingerprint.
CREATE OR REPLACE FUNCTION hitl_ops.note_password(target oid, new_version text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    made text := CASE WHEN has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT')
                      THEN hitl_ops.password_id(target) ELSE '' END;
BEGIN
    INSERT INTO hitl_ops.password_set AS p (role, version, id, at)
    VALUES (target, new_version, made, clock_timestamp())
        ON CONFLICT (role) DO UPDATE
       SET version = excluded.version, id = excluded.id, at = excluded.at;
    RETURN made;
END
$body$;

-- Replaces the password by a SCRAM verifier that was computed elsewhere, so that no password comes here.
-- A caller can become the role: so it takes a ticket, and a role that could give more rights is refused.
DROP FUNCTION IF EXISTS hitl_ops.set_verifier(text, text);
CREATE OR REPLACE FUNCTION hitl_ops.set_verifier(
    target text, expected oid, verifier text, version text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    PERFORM hitl_ops.managed_role(target, expected);
    PERFORM hitl_ops.check_verifier(verifier, version);
    PERFORM hitl_ops.refuse_powerful(expected, target);
    PERFORM hitl_ops.redeem('set_verifier', target, expected, verifier);
    EXECUTE format('ALTER ROLE %I PASSWORD %L', target, verifier);
    PERFORM hitl_ops.managed_role(target, expected);
    RETURN hitl_ops.note_password(expected, version);
END
$body$;

-- Ends the sessions of a role that began longer ago than this, in seconds; returns how many it signalled.
CREATE OR REPLACE FUNCTION hitl_ops.end_sessions(
    target text, expected oid, age double precision) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    session_pid integer;
    signalled integer := 0;
BEGIN
    PERFORM hitl_ops.managed_role(target, expected);
    FOR session_pid IN
        SELECT pid FROM pg_catalog.pg_stat_activity
         WHERE usesysid = expected
           AND backend_start < clock_timestamp() - make_interval(secs => age)
    LOOP
        PERFORM pg_catalog.pg_terminate_backend(session_pid);
        signalled := signalled + 1;
    END LOOP;
    RETURN signalled;
END
$body$;

-- Returns a role's sessions on this server with the client's address and the name that it gives, and how
-- long ago each began, in seconds: no clock but this server's counts. At most 500, the oldest first.
CREATE OR REPLACE FUNCTION hitl_ops.session_origins(
    target oid, OUT pid integer, OUT address text, OUT application_name text, OUT age double precision)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT a.pid, coalesce(host(a.client_addr), ''), a.application_name,
           extract(epoch FROM clock_timestamp() - a.backend_start)::double precision
      FROM pg_catalog.pg_stat_activity a
     WHERE a.usesysid = target
     ORDER BY a.backend_start, a.pid LIMIT 500
$body$;

-- Returns what a role's sessions on this server are, before they are ended: at most 100, the oldest first,
-- and how many there are. No text of a query. Both names are the clients' claims.
CREATE OR REPLACE FUNCTION hitl_ops.session_details(
    target oid, OUT pid integer, OUT address text, OUT application_name text, OUT database text,
    OUT since timestamp with time zone, OUT age double precision, OUT state text, OUT total integer)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT a.pid, coalesce(host(a.client_addr), 'a local socket'), a.application_name, a.datname::text,
           a.backend_start, extract(epoch FROM clock_timestamp() - a.backend_start)::double precision,
           a.state, count(*) OVER ()::integer
      FROM pg_catalog.pg_stat_activity a
     WHERE a.usesysid = target
     ORDER BY a.backend_start, a.pid LIMIT 100
$body$;

-- Returns the newest query of each session of an enrolled role: what stands before its first literal or
-- comment, or before a value of SET, which needs no quotes; without numbers, at most 200 characters. Whether the observer may call it an administrator
-- decides: SET hitl_ops.record_queries = 'on' before this file runs. Without it nobody may.
CREATE OR REPLACE FUNCTION hitl_ops.session_queries(target oid, OUT pid integer, OUT query text)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT a.pid,
           left(regexp_replace(regexp_replace(
               substring(a.query from '^(?:[^''$/-]|\$[0-9]|-(?!-)|/(?!\*))*'),
               '(\mset\M[^=;]*(=|\mto\M)).*$', '\1', 'i'),
               '[0-9][0-9A-Za-z_.]*', '?', 'g'), 200)
      FROM pg_catalog.pg_stat_activity a
     WHERE a.usesysid = target
       AND EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                    WHERE m.roleid = 'hitl_managed'::regrole AND m.member = target)
     ORDER BY a.backend_start, a.pid LIMIT 100
$body$;

-- Returns a setting's value as SQL: a list of names as one literal for each (src/bin/pg_dump does so).
CREATE OR REPLACE FUNCTION hitl_ops.setting_value(name text, value text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT CASE WHEN lower(name) NOT IN ('search_path', 'temp_tablespaces', 'local_preload_libraries',
                                         'session_preload_libraries', 'shared_preload_libraries',
                                         'unix_socket_directories', 'oauth_validator_libraries')
                THEN quote_literal(value)
                ELSE coalesce((
                    SELECT string_agg(quote_literal(
                               CASE WHEN m[1] LIKE '"%' THEN replace(substr(m[1], 2, length(m[1]) - 2),
                                                                     '""', '"')
                                    ELSE lower(m[1]) END), ', ' ORDER BY at)
                      FROM regexp_matches(value, '("(?:[^"]|"")*"|[^",\s]+)', 'g')
                           WITH ORDINALITY AS found(m, at)
                ), '''''') END
$body$;

-- Makes a second role with the rights of the first one: a member of it, with its settings, its limit of
-- connections and its end date. The setting `role`, by which it owns nothing itself, cannot be given from
-- here (PostgreSQL refuses it inside of such a function): the worker does it as the new role. The first
-- role's right to create databases, and rules of pg_hba.conf that name it, are not given.
CREATE OR REPLACE FUNCTION hitl_ops.create_twin(
    target text, first text, expected oid, verifier text, version text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    made oid;
    base record;
    held record;
BEGIN
    PERFORM hitl_ops.managed_role(first, expected);
    PERFORM hitl_ops.check_verifier(verifier, version);
    PERFORM hitl_ops.refuse_powerful(expected, first);
    IF target ~ '^(hitl|pg)_' OR target IN ('', 'none', 'public') OR octet_length(target) > 63 THEN
        RAISE 'a role cannot be named "%"', target USING ERRCODE = 'invalid_name';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname::text = target) THEN
        RAISE 'there is a role "%" already', target USING ERRCODE = 'duplicate_object';
    END IF;
    PERFORM hitl_ops.redeem('create_twin', target, expected, verifier);
    SELECT rolconnlimit, rolvaliduntil INTO base FROM pg_catalog.pg_roles WHERE oid = expected;
    EXECUTE format('CREATE ROLE %I LOGIN CONNECTION LIMIT %s PASSWORD %L%s', target,
                   base.rolconnlimit, verifier,
                   CASE WHEN base.rolvaliduntil IS NOT NULL
                        THEN format(' VALID UNTIL %L', base.rolvaliduntil) ELSE '' END);
    SELECT oid INTO made FROM pg_catalog.pg_roles WHERE rolname::text = target;
    IF current_setting('server_version_num')::integer >= 160000 THEN
        EXECUTE format('GRANT %I TO %I WITH ADMIN FALSE, INHERIT TRUE, SET TRUE', first, target);
    ELSE
        EXECUTE format('GRANT %I TO %I', first, target);
    END IF;
    EXECUTE format('GRANT hitl_managed TO %I', target);
    FOR held IN
        SELECT CASE WHEN d.oid IS NULL THEN '' ELSE format(' IN DATABASE %I', d.datname) END AS place,
               split_part(c.setting, '=', 1) AS name,
               substr(c.setting, strpos(c.setting, '=') + 1) AS value
          FROM pg_catalog.pg_db_role_setting s
          LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
         CROSS JOIN LATERAL unnest(s.setconfig) AS c(setting)
         WHERE s.setrole = expected AND lower(split_part(c.setting, '=', 1)) <> 'role'
    LOOP
        EXECUTE format('ALTER ROLE %I%s SET %I TO %s', target, held.place, held.name,
                       hitl_ops.setting_value(held.name, held.value));
    END LOOP;
    PERFORM hitl_ops.managed_role(first, expected);
    INSERT INTO hitl_ops.twin (role, name, first, first_name, at)
    VALUES (made, target, expected, first, clock_timestamp());
    RETURN hitl_ops.note_password(made, version);
END
$body$;

-- Drops a role that create_twin made, when it is off, has no session on this server, and owns nothing.
CREATE OR REPLACE FUNCTION hitl_ops.drop_twin(target text, expected oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    PERFORM hitl_ops.managed_role(target, expected);
    IF NOT EXISTS (SELECT FROM hitl_ops.twin t WHERE t.role = expected) THEN
        RAISE 'role "%" was not made here', target USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE oid = expected AND rolcanlogin)
       OR EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE usesysid = expected) THEN
        RAISE 'role "%" can log in, or has a session', target
            USING ERRCODE = 'object_in_use';
    END IF;
    EXECUTE format('DROP ROLE %I', target);
    DELETE FROM hitl_ops.twin t WHERE t.role = expected;
    DELETE FROM hitl_ops.password_set p WHERE p.role = expected;
    DELETE FROM hitl_ops.turned_off o WHERE o.role = expected;
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

-- Takes a role out that create_twin enrolled: from 16 on only the role that granted can revoke. Refused
-- while memberships in the role are enrolled: one that is revoked now could not be granted again.
CREATE OR REPLACE FUNCTION hitl_ops.take_out(target text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    IF EXISTS (SELECT FROM hitl_ops.membership e
                JOIN pg_catalog.pg_roles r ON r.oid = e.granted
                JOIN pg_catalog.pg_roles u ON u.oid = e.member
               WHERE r.rolname::text = target AND e.granted_name = target
                 AND e.member_name = u.rolname::text) THEN
        RAISE 'memberships in role "%" are enrolled: run hitl_ops.unmanage_membership first', target
            USING ERRCODE = 'dependent_objects_still_exist';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                JOIN pg_catalog.pg_roles r ON r.oid = m.member
               WHERE m.roleid = 'hitl_managed'::regrole AND r.rolname::text = target
                 AND m.grantor = 'hitl_ops_owner'::regrole) THEN
        EXECUTE format('REVOKE hitl_managed FROM %I', target);
    END IF;
END
$body$;

CREATE OR REPLACE FUNCTION hitl_ops.unmanage(target text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    IF current_setting('server_version_num')::integer >= 160000 THEN
        PERFORM hitl_ops.take_out(target);  -- first: it needs the ADMIN that goes next
        IF EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                    JOIN pg_catalog.pg_roles r ON r.oid = m.member
                   WHERE m.roleid = 'hitl_managed'::regrole AND r.rolname::text = target) THEN
            EXECUTE format('REVOKE hitl_managed FROM %I', target);
        END IF;
        EXECUTE format('REVOKE %I FROM hitl_ops_owner', target);
    ELSE
        EXECUTE format('REVOKE hitl_managed FROM %I', target);
    END IF;
END
$body$;

-- Memberships. From 16 on only the grantor of a membership (or who has its rights) can revoke it, and
-- several roles can have granted one. So an administrator enrols each membership that may be revoked:
-- manage_membership makes hitl_ops_owner its one grantor, on 14 and 15 too, and from 16 on gives it ADMIN
-- on the granted role. A membership that was never enrolled can be neither revoked nor granted here.
-- The names count, too: after a dump was restored in another cluster the oids can be those of other roles.
CREATE TABLE IF NOT EXISTS hitl_ops.membership (
    granted oid NOT NULL,
    member oid NOT NULL,
    granted_name text NOT NULL,
    member_name text NOT NULL,
    -- As they were when it was enrolled, or revoked; 14 and 15 have ADMIN alone.
    admin_option boolean NOT NULL,
    inherit_option boolean NOT NULL,
    set_option boolean NOT NULL,
    revoked_at timestamp with time zone,    -- null: it was not revoked here, or was granted again
    PRIMARY KEY (granted, member)
);

-- Returns who granted a membership, with what options. Nobody but these functions may call it.
CREATE OR REPLACE FUNCTION hitl_ops.membership_rows(
    granted oid, member oid, OUT grantor oid, OUT admin_option boolean, OUT inherit_option boolean,
    OUT set_option boolean)
RETURNS SETOF record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT m.grantor, m.admin_option,
           coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true),
           coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)
      FROM pg_catalog.pg_auth_members m
     WHERE m.roleid = membership_rows.granted AND m.member = membership_rows.member
$body$;

-- Refuses names that mean other roles than those that people decided about, and roles with which one
-- administers the cluster.
CREATE OR REPLACE FUNCTION hitl_ops.check_membership(
    granted text, member text, granted_oid oid, member_oid oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    role record;
BEGIN
    FOR role IN
        SELECT w.name, w.expected, r.oid,
               r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls AS administers
          FROM (VALUES (granted, granted_oid), (member, member_oid)) AS w(name, expected)
          LEFT JOIN pg_catalog.pg_roles r ON r.rolname::text = w.name
    LOOP
        IF role.oid IS NULL THEN
            RAISE 'there is no role "%"', role.name USING ERRCODE = 'undefined_object';
        END IF;
        IF role.oid IS DISTINCT FROM role.expected THEN
            RAISE 'role "%" is another role now: its oid is %, not %', role.name, role.oid,
                role.expected USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        IF role.administers OR role.name ~ '^hitl_' OR role.name IN
           ('pg_signal_backend', 'pg_execute_server_program', 'pg_write_server_files',
            'pg_read_server_files') THEN
            RAISE 'role "%" administers the cluster, or belongs to the portal', role.name
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END LOOP;
    IF member ~ '^pg_' OR member = session_user THEN
        RAISE 'role "%" belongs to the cluster, or is you', member
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$body$;

-- Grants a membership with exactly these options, as hitl_ops_owner. Nobody but these functions may call it.
CREATE OR REPLACE FUNCTION hitl_ops.give_membership(
    granted text, member text, admin_option boolean, inherit_option boolean, set_option boolean)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    IF current_setting('server_version_num')::integer >= 160000 THEN
        EXECUTE format('GRANT %I TO %I WITH ADMIN %s, INHERIT %s, SET %s', granted, member,
                       upper(admin_option::text), upper(inherit_option::text), upper(set_option::text));
    ELSE
        EXECUTE format('GRANT %I TO %I%s', granted, member,
                       CASE WHEN admin_option THEN ' WITH ADMIN OPTION' ELSE '' END);
    END IF;
END
$body$;

-- Returns whether a membership is enrolled, its options (those of before, while it is revoked), and how
-- long ago it was revoked here, in seconds.
CREATE OR REPLACE FUNCTION hitl_ops.membership_state(
    granted oid, member oid, OUT enrolled boolean, OUT admin_option boolean, OUT inherit_option boolean,
    OUT set_option boolean, OUT revoked_age double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT e.granted IS NOT NULL,
           coalesce(n.admin_option, e.admin_option), coalesce(n.inherit_option, e.inherit_option),
           coalesce(n.set_option, e.set_option), extract(epoch FROM clock_timestamp() - e.revoked_at)
      FROM (SELECT bool_or(h.admin_option) AS admin_option, bool_or(h.inherit_option) AS inherit_option,
                   bool_or(h.set_option) AS set_option
              FROM hitl_ops.membership_rows(membership_state.granted, membership_state.member) h) n
      LEFT JOIN hitl_ops.membership e
        ON e.granted = membership_state.granted AND e.member = membership_state.member
       AND e.granted_name = (SELECT g.rolname::text FROM pg_catalog.pg_roles g WHERE g.oid = e.granted)
       AND e.member_name = (SELECT u.rolname::text FROM pg_catalog.pg_roles u WHERE u.oid = e.member)
$body$;

-- Returns the enrolled membership, with its row locked, and whether it is there; refuses any other. What
-- a member granted to itself (16 and later) is no grant of somebody else: it hangs on the one from here,
-- and a member could keep itself from being taken out by it.
CREATE OR REPLACE FUNCTION hitl_ops.enrolled_membership(
    granted text, member text, granted_oid oid, member_oid oid,
    OUT held boolean, OUT revoked boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    PERFORM hitl_ops.check_membership(granted, member, granted_oid, member_oid);
    SELECT m.revoked_at IS NOT NULL INTO revoked FROM hitl_ops.membership m
     WHERE m.granted = granted_oid AND m.member = member_oid
       AND m.granted_name = enrolled_membership.granted
       AND m.member_name = enrolled_membership.member FOR UPDATE;
    IF NOT FOUND THEN
        RAISE 'the membership of role "%" in "%" is not enrolled', member, granted
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (SELECT FROM hitl_ops.membership_rows(granted_oid, member_oid) h
                WHERE h.grantor NOT IN ('hitl_ops_owner'::regrole, member_oid)) THEN
        RAISE 'somebody else granted role "%" to "%", too', granted, member
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    held := EXISTS (SELECT FROM hitl_ops.membership_rows(granted_oid, member_oid));
END
$body$;

-- Revokes an enrolled membership, and keeps its options. Sessions in which the member took the role on
-- (SET ROLE) keep it. From 16 on it is refused while the member has passed the role on to another one;
-- what it granted to itself goes, too.
CREATE OR REPLACE FUNCTION hitl_ops.revoke_membership(
    granted text, member text, granted_oid oid, member_oid oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    itself boolean;
BEGIN
    IF NOT (hitl_ops.enrolled_membership(granted, member, granted_oid, member_oid)).held THEN
        RETURN;
    END IF;
    UPDATE hitl_ops.membership m
       SET admin_option = h.admin_option, inherit_option = h.inherit_option,
           set_option = h.set_option, revoked_at = clock_timestamp()
      FROM hitl_ops.membership_rows(granted_oid, member_oid) h
     WHERE m.granted = granted_oid AND m.member = member_oid
       AND h.grantor = 'hitl_ops_owner'::regrole;
    -- CASCADE only where nobody but the member loses something by it.
    SELECT coalesce(bool_and(a.member = member_oid), false) INTO itself
      FROM pg_catalog.pg_auth_members a WHERE a.roleid = granted_oid AND a.grantor = member_oid;
    EXECUTE format('REVOKE %I FROM %I%s', granted, member, CASE WHEN itself THEN ' CASCADE' ELSE '' END);
    PERFORM hitl_ops.check_membership(granted, member, granted_oid, member_oid);
    -- What the server cannot take it only warns about.
    IF EXISTS (SELECT FROM hitl_ops.membership_rows(granted_oid, member_oid)) THEN
        RAISE 'role "%" is still a member of "%"', member, granted
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END
$body$;

-- Grants again, with the options of before, what revoke_membership took; nothing else.
CREATE OR REPLACE FUNCTION hitl_ops.grant_membership(
    granted text, member text, granted_oid oid, member_oid oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    found record := hitl_ops.enrolled_membership(granted, member, granted_oid, member_oid);
BEGIN
    IF found.held THEN
        RETURN;
    END IF;
    IF NOT found.revoked THEN
        RAISE 'the membership of role "%" in "%" was not revoked here', member, granted
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM hitl_ops.give_membership(grant_membership.granted, grant_membership.member,
                                     m.admin_option, m.inherit_option, m.set_option)
       FROM hitl_ops.membership m WHERE m.granted = granted_oid AND m.member = member_oid;
    UPDATE hitl_ops.membership m SET revoked_at = NULL
     WHERE m.granted = granted_oid AND m.member = member_oid;
    PERFORM hitl_ops.check_membership(granted, member, granted_oid, member_oid);
END
$body$;

-- Makes hitl_ops_owner a grantor of an existing membership, with the options that its rows have together.
CREATE OR REPLACE FUNCTION hitl_ops.adopt_membership(granted text, member text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    granted_oid oid := (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname::text = granted);
    member_oid oid := (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname::text = member);
    now record;
BEGIN
    PERFORM hitl_ops.check_membership(granted, member, granted_oid, member_oid);
    SELECT bool_or(h.admin_option) AS admin_option, bool_or(h.inherit_option) AS inherit_option,
           bool_or(h.set_option) AS set_option
      INTO now FROM hitl_ops.membership_rows(granted_oid, member_oid) h;
    IF now.admin_option IS NULL THEN
        RAISE 'role "%" is no direct member of "%"', member, granted USING ERRCODE = 'undefined_object';
    END IF;
    IF current_setting('server_version_num')::integer < 160000 THEN
        EXECUTE format('REVOKE %I FROM %I', granted, member);  -- one row, which keeps its first grantor
    END IF;
    PERFORM hitl_ops.give_membership(
        granted, member, now.admin_option, now.inherit_option, now.set_option);
    INSERT INTO hitl_ops.membership AS m
    VALUES (granted_oid, member_oid, granted, member,
            now.admin_option, now.inherit_option, now.set_option, NULL)
        ON CONFLICT ON CONSTRAINT membership_pkey DO UPDATE
       SET granted_name = excluded.granted_name, member_name = excluded.member_name,
           admin_option = excluded.admin_option, inherit_option = excluded.inherit_option,
           set_option = excluded.set_option, revoked_at = NULL;
END
$body$;

-- Enrols a membership. An administrator of the cluster runs it with their own rights (SECURITY INVOKER);
-- from 16 on whoever is no superuser needs ADMIN on the granted role, and the rights of its grantors. Run
-- it again when somebody else granted the same membership since.
CREATE OR REPLACE FUNCTION hitl_ops.manage_membership(granted text, member text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    other text;
    finer boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    IF finer THEN
        -- The functions work by pg_read_all_stats: without INHERIT they would see sessions without an age.
        EXECUTE format('GRANT %I TO hitl_ops_owner WITH ADMIN TRUE%s', granted,
                       CASE WHEN granted = 'pg_read_all_stats' THEN '' ELSE ', INHERIT FALSE, SET FALSE' END);
    END IF;
    PERFORM hitl_ops.adopt_membership(granted, member);  -- an error here rolls the grant back
    FOR other IN
        SELECT g.rolname::text
          FROM pg_catalog.pg_auth_members m
          JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
          JOIN pg_catalog.pg_roles u ON u.oid = m.member
          JOIN pg_catalog.pg_roles g ON g.oid = m.grantor
         WHERE finer AND r.rolname::text = manage_membership.granted
           AND u.rolname::text = manage_membership.member
           AND g.rolname <> 'hitl_ops_owner'
    LOOP
        EXECUTE format('REVOKE %I FROM %I GRANTED BY %I', granted, member, other);
    END LOOP;
END
$body$;

-- Forgets a membership, and takes back what hitl_ops_owner granted (from 16 on); returns whether it needs
-- its ADMIN on the granted role no more.
CREATE OR REPLACE FUNCTION hitl_ops.forget_membership(granted text, member text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    granted_oid oid := (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname::text = granted);
    member_oid oid := (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname::text = member);
BEGIN
    DELETE FROM hitl_ops.membership m WHERE m.granted = granted_oid AND m.member = member_oid;
    IF FOUND AND current_setting('server_version_num')::integer >= 160000 AND EXISTS (
        SELECT FROM hitl_ops.membership_rows(granted_oid, member_oid) h
         WHERE h.grantor = 'hitl_ops_owner'::regrole
    ) THEN
        EXECUTE format('REVOKE %I FROM %I', granted, member);
    END IF;
    RETURN NOT EXISTS (SELECT FROM hitl_ops.membership m WHERE m.granted = granted_oid)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                        WHERE m.roleid = granted_oid AND m.grantor = 'hitl_ops_owner'::regrole)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                        WHERE m.roleid = 'hitl_managed'::regrole AND m.member = granted_oid);
END
$body$;

-- Takes a membership out; who has it keeps it.
CREATE OR REPLACE FUNCTION hitl_ops.unmanage_membership(granted text, member text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    now record;
    finer boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    SELECT to_jsonb(m) AS options INTO now
      FROM pg_catalog.pg_auth_members m
      JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
      JOIN pg_catalog.pg_roles u ON u.oid = m.member
     WHERE r.rolname::text = unmanage_membership.granted
       AND u.rolname::text = unmanage_membership.member
       AND m.grantor = 'hitl_ops_owner'::regrole;
    IF FOUND AND finer THEN  -- first: somebody else must have granted it
        EXECUTE format('GRANT %I TO %I WITH ADMIN %s, INHERIT %s, SET %s', granted, member,
                       now.options ->> 'admin_option', now.options ->> 'inherit_option',
                       now.options ->> 'set_option');
    END IF;
    IF hitl_ops.forget_membership(granted, member) AND finer THEN
        EXECUTE format('REVOKE %s %I FROM hitl_ops_owner',
                       CASE WHEN granted = 'pg_read_all_stats' THEN 'ADMIN OPTION FOR' ELSE '' END, granted);
    END IF;
END
$body$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA hitl_ops FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    hitl_ops.revoke_membership(text, text, oid, oid), hitl_ops.grant_membership(text, text, oid, oid),
    hitl_ops.disable(text), hitl_ops.enable(text), hitl_ops.terminate(text),
    hitl_ops.disable(text, oid), hitl_ops.enable(text, oid), hitl_ops.terminate(text, oid),
    hitl_ops.end_sessions(text, oid, double precision),
    hitl_ops.set_verifier(text, oid, text, text), hitl_ops.create_twin(text, text, oid, text, text),
    hitl_ops.drop_twin(text, oid)
    TO hitl_operator;
GRANT EXECUTE ON FUNCTION
    hitl_ops.version(), hitl_ops.issue(text, text, oid, integer, text) TO hitl_ticket;
GRANT EXECUTE ON FUNCTION
    hitl_ops.version(), hitl_ops.sessions(oid), hitl_ops.turned_off_as(text), hitl_ops.starting() TO hitl_observer, hitl_operator;
GRANT EXECUTE ON FUNCTION
    hitl_ops.session_list(oid), hitl_ops.members(oid), hitl_ops.replicas(),
    hitl_ops.session_places(oid), hitl_ops.secret_challenge(text),
    hitl_ops.secret_in_force(text, oid, bytea[]), hitl_ops.password_state(oid),
    hitl_ops.session_origins(oid), hitl_ops.tickets(), hitl_ops.session_details(oid),
    hitl_ops.membership_state(oid, oid) TO hitl_observer;

DO $queries$
BEGIN
    IF coalesce(current_setting('hitl_ops.record_queries', true), '') = 'on' THEN
        GRANT EXECUTE ON FUNCTION hitl_ops.session_queries(oid) TO hitl_observer;
    END IF;
END
$queries$;

DO $installer$
DECLARE
    installer text := current_setting('hitl_ops.installer');
BEGIN
    IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = installer) THEN
        -- What a superuser may do anyway: to enrol roles.
        EXECUTE format('GRANT USAGE ON SCHEMA hitl_ops TO %I', installer);
        EXECUTE format('GRANT EXECUTE ON FUNCTION hitl_ops.manage(text), hitl_ops.unmanage(text),'
                       ' hitl_ops.managed_role(text), hitl_ops.take_out(text),'
                       ' hitl_ops.manage_membership(text, text), hitl_ops.adopt_membership(text, text),'
                       ' hitl_ops.unmanage_membership(text, text),'
                       ' hitl_ops.forget_membership(text, text),'
                       ' hitl_ops.issue(text, text, oid, integer, text) TO %I', installer);
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
        WHERE (m.member IN ('hitl_observer'::regrole, 'hitl_operator'::regrole,
                            'hitl_ticket'::regrole)
               AND m.roleid::regrole::text <> 'pg_use_reserved_connections')
           OR (m.roleid IN ('hitl_ops_owner'::regrole, 'hitl_observer'::regrole,
                            'hitl_operator'::regrole, 'hitl_ticket'::regrole)
               AND (coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)
                    OR coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true)))
    ) THEN
        RAISE 'hitl_observer, hitl_operator and hitl_ticket must be members of no role but'
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
