-- Revert axai:20261129_0002_organizations from pg

BEGIN;

SET LOCAL ROLE axai_owner;
DROP TABLE users;
DROP TABLE organizations;

COMMIT;
