-- The two users of every installation. The owner migrates; the services connect as the other one, which owns nothing and
-- therefore cannot pass by row-level security. The migrations grant it what it needs.
CREATE ROLE tollgate_owner LOGIN;
CREATE ROLE tollgate_app LOGIN;
