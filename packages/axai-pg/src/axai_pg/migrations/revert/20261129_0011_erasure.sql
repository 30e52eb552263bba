-- Revert axai:20261129_0011_erasure from pg
-- Seals over entries with details that were made with it do not hold without it.

BEGIN;

SET LOCAL ROLE axai_owner;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;
DROP POLICY axai_read ON andamios_changes;
DROP POLICY axai_erase ON andamios_changes;
DROP POLICY axai_erase ON audit_log;
DROP TRIGGER erase_traces ON users;
DROP FUNCTION axai_erase_traces();
CREATE OR REPLACE FUNCTION axai_audit_entries() RETURNS TABLE (
    id uuid, seal integer, occurred_at timestamptz, transaction_id bigint, digest bytea
)
LANGUAGE sql STABLE AS $$
    SELECT entry.id, (
        SELECT seal.number FROM audit_seals AS seal
        WHERE seal.org_id = entry.org_id AND seal.sealed_at >= entry.occurred_at
        AND seal.upto > entry.transaction_id
        ORDER BY seal.sealed_at, seal.number LIMIT 1
    ), entry.occurred_at, entry.transaction_id, sha256(convert_to(jsonb_build_array(
        entry.org_id, entry.id, extract(epoch FROM entry.occurred_at), entry.transaction_id,
        entry.actor_id, entry.login, entry.action, entry.table_name, entry.row_id,
        entry.columns, entry.details
    )::text, 'UTF8'))
    FROM audit_log AS entry
    WHERE entry.org_id = nullif(current_setting('axai.org_id', true), '')::uuid
$$;
DROP TRIGGER digest_details ON audit_log;
DROP FUNCTION axai_digest_details();
DROP FUNCTION axai_details_digest(bytea, jsonb);
ALTER TABLE audit_log DROP COLUMN details_salt, DROP COLUMN details_digest;

COMMIT;
