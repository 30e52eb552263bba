-- Revert axai:20261129_0001_foundation from pg
-- The extension stays: others may use it.

BEGIN;

SET LOCAL ROLE axai_owner;
DROP PROCEDURE axai_verify_isolated(text, text);
DROP PROCEDURE axai_isolate(text, text, text, text);
DROP FUNCTION axai_note_operation(text, jsonb);
DROP FUNCTION axai_note(text, jsonb);
DROP TABLE audit_log;
DROP FUNCTION axai_audit();
DROP FUNCTION axai_refuse_change();
DROP FUNCTION axai_refuse_cycle();
DROP FUNCTION axai_fill_organization();
DROP FUNCTION axai_touch();
DROP FUNCTION axai_uuid7();

COMMIT;
