-- Revert axai:20261129_0008_accountability from pg

BEGIN;

SET LOCAL ROLE axai_owner;
DROP TABLE personal_data_requests;
DROP FUNCTION axai_broken_seals();
DROP FUNCTION axai_seal_audit();
DROP FUNCTION axai_audit_digest(integer, bigint, timestamptz);
DROP TABLE audit_seals;

COMMIT;
