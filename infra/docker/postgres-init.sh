#!/bin/sh
# Runs once, when the database's volume is empty. The owner migrates; the services connect as the other user, which owns
# nothing and therefore cannot pass by row-level security.
set -eu
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" -v owner="$TOLLGATE_OWNER_PASSWORD" -v app="$TOLLGATE_APP_PASSWORD" <<'SQL'
CREATE ROLE tollgate_owner LOGIN PASSWORD :'owner';
CREATE ROLE tollgate_app LOGIN PASSWORD :'app';
CREATE DATABASE tollgate OWNER tollgate_owner;
SQL
