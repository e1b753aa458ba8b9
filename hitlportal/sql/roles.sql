-- Made once per cluster, by a superuser, under an advisory lock in database postgres (roles are
-- cluster-wide, and concurrent ALTER ROLE fails). Passwords are set by install_roles.
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['hitl_owner', 'hitl_web', 'hitl_worker', 'hitl_sequencer', 'hitl_auditor', 'hitl_eraser',
                           'hitl_operator'] LOOP
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = r) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN', r);
    END IF;
    EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', r);
  END LOOP;
END $$;
ALTER ROLE hitl_owner LOGIN;
ALTER ROLE hitl_web LOGIN;
ALTER ROLE hitl_worker LOGIN;
ALTER ROLE hitl_sequencer LOGIN;
ALTER ROLE hitl_auditor LOGIN;
ALTER ROLE hitl_eraser LOGIN;
ALTER ROLE hitl_operator LOGIN;
-- A page that hangs on a slow query is a failed page; an owner migrates as long as it takes.
ALTER ROLE hitl_web SET statement_timeout = '15s';
ALTER ROLE hitl_auditor SET statement_timeout = '60s';
-- A lock that somebody holds on one proposal must not delay the others.
ALTER ROLE hitl_worker SET lock_timeout = '5s';
ALTER ROLE hitl_auditor SET default_transaction_read_only = on;
-- One query cannot fill the disk with temporary files; a login cannot raise this limit.
ALTER ROLE hitl_web SET temp_file_limit = '1GB';
ALTER ROLE hitl_worker SET temp_file_limit = '1GB';
ALTER ROLE hitl_sequencer SET temp_file_limit = '1GB';
ALTER ROLE hitl_auditor SET temp_file_limit = '1GB';
ALTER ROLE hitl_eraser SET temp_file_limit = '1GB';
ALTER ROLE hitl_operator SET temp_file_limit = '1GB';
