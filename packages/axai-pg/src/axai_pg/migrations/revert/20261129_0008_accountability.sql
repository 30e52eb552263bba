-- Revert axai:20261129_0008_accountability from pg

BEGIN;

SET LOCAL ROLE axai_owner;
DROP TABLE personal_data_requests;
DROP FUNCTION axai_prune_audit(timestamptz);
DROP FUNCTION axai_broken_seals();
DROP FUNCTION axai_seal_audit();
DROP FUNCTION axai_seal_digest(text, bytea);
DROP FUNCTION axai_audit_entries();
DROP POLICY axai_prune ON audit_log;
DROP TABLE audit_seals;

COMMIT;
