-- Revert axai:20261129_0009_feed from pg

BEGIN;

SET LOCAL ROLE axai_owner;
DROP TABLE andamios_changes;
DROP TABLE andamios_history;
DROP TABLE andamios_followers;
DROP FUNCTION axai_fill_tenant();

COMMIT;
