-- The functions that hitlportal may call on a PostgreSQL cluster that it protects. A superuser installs
-- them once per cluster, in the database of the worker's DSNs. Safe to run again (for an upgrade).
-- PostgreSQL 14-18. Plain SQL: psql -v ON_ERROR_STOP=1 -f hitl_ops.sql, or one psycopg execute().
--
-- Afterwards, by hand, with passwords of your own:
--   ALTER ROLE hitl_observer LOGIN PASSWORD '...';   -- the worker's observe_dsn
--   ALTER ROLE hitl_operator LOGIN PASSWORD '...';   -- the worker's operate_dsn_file
--   SELECT hitl_ops.manage('orders_app');            -- once for each role that may be disabled
--
-- Ownership: the functions run with the rights of hitl_ops_owner (SECURITY DEFINER), a role that
-- cannot log in and has no members. From PostgreSQL 16 on, CREATEROLE can change only roles on which
-- it has ADMIN, and manage() grants that for enrolled roles only: even a mistake in these functions
-- cannot change another role. On 14 and 15 CREATEROLE can change every role that is not a superuser,
-- so managed_role() is the only limit. Ownership by a superuser would be worse on every version, and
-- a CREATEROLE login for the worker even worse.

BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;

DO $roles$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['hitl_managed', 'hitl_observer', 'hitl_operator', 'hitl_ops_owner']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
        EXECUTE format(
            'ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', name);
    END LOOP;
    -- The logins have no rights but EXECUTE on the functions below; they inherit none.
    IF EXISTS (
        SELECT FROM pg_catalog.pg_auth_members
        WHERE member IN (SELECT oid FROM pg_catalog.pg_roles
                         WHERE rolname IN ('hitl_observer', 'hitl_operator'))
           OR roleid IN (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = 'hitl_ops_owner')
    ) THEN
        RAISE 'hitl_observer and hitl_operator must be members of no role; hitl_ops_owner must have none'
            USING ERRCODE = 'check_violation';
    END IF;
END
$roles$;

ALTER ROLE hitl_ops_owner NOLOGIN CREATEROLE;
GRANT pg_signal_backend, pg_read_all_stats TO hitl_ops_owner;

CREATE SCHEMA IF NOT EXISTS hitl_ops;
ALTER SCHEMA hitl_ops OWNER TO hitl_ops_owner;
REVOKE ALL ON SCHEMA hitl_ops FROM PUBLIC;
GRANT USAGE ON SCHEMA hitl_ops TO hitl_observer, hitl_operator;

SET LOCAL ROLE hitl_ops_owner;

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

-- Enrols a role. A superuser of the cluster runs it with their own rights (SECURITY INVOKER).
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
    hitl_ops.disable(text), hitl_ops.enable(text), hitl_ops.terminate(text) TO hitl_operator;
GRANT EXECUTE ON FUNCTION hitl_ops.sessions(oid) TO hitl_observer, hitl_operator;

RESET ROLE;
COMMIT;
