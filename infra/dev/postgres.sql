-- The two roles of every installation. The owner migrates; the services connect as the other one, which
-- owns nothing and therefore cannot pass by row-level security.
CREATE ROLE tollgate_owner LOGIN;
CREATE ROLE tollgate_app LOGIN;
CREATE DATABASE tollgate_template OWNER tollgate_owner;
\connect tollgate_template
ALTER DEFAULT PRIVILEGES FOR ROLE tollgate_owner GRANT USAGE ON SCHEMAS TO tollgate_app;
ALTER DEFAULT PRIVILEGES FOR ROLE tollgate_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO tollgate_app;
ALTER DEFAULT PRIVILEGES FOR ROLE tollgate_owner GRANT USAGE, SELECT ON SEQUENCES TO tollgate_app;
