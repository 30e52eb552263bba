-- Revert axai:20261129_0011_erasure from pg
-- Seals over entries with details that were made with it do not hold without it: it is refused.

BEGIN;

SET LOCAL ROLE axai_owner;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;

-- The owner reads no organisation but the one in context; this is about all of them.
ALTER TABLE audit_log NO FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_seals NO FORCE ROW LEVEL SECURITY;
DO $$ BEGIN
    IF EXISTS (
        SELECT FROM audit_log AS entry JOIN audit_seals AS seal ON seal.org_id = entry.org_id
        AND seal.sealed_at >= entry.occurred_at AND seal.upto > entry.transaction_id
        WHERE entry.details_digest IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'seals of the audit log are over digests of details, and would break' USING
            ERRCODE = 'object_not_in_prerequisite_state', TABLE = 'audit_seals',
            HINT = 'prune what is sealed with axai_prune_audit(), or stay with this change';
    END IF;
END $$;
ALTER TABLE audit_log FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_seals FORCE ROW LEVEL SECURITY;

DROP POLICY axai_read ON andamios_changes;
DROP POLICY axai_erase ON andamios_changes;
DROP POLICY axai_erase ON audit_log;
DROP TRIGGER refuse_rewrite ON audit_log;
DROP FUNCTION axai_refuse_rewrite();
DROP TRIGGER erase_traces ON users;
DROP FUNCTION axai_erase_traces();
DROP TRIGGER check_erasure ON users;
DROP FUNCTION axai_check_erasure();
ALTER TABLE users
    DROP CONSTRAINT ck_users_username_is_no_address, DROP CONSTRAINT ck_users_erased_is_nobody;
CREATE OR REPLACE FUNCTION axai_note(action text, details jsonb DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    organization uuid := nullif(current_setting('axai.org_id', true), '')::uuid;
BEGIN
    IF organization IS NULL THEN
        RAISE EXCEPTION 'no organisation in context: set axai.org_id' USING
            ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO audit_log (org_id, actor_id, action, details) VALUES (
        organization, nullif(current_setting('axai.user_id', true), '')::uuid,
        axai_note.action, axai_note.details
    );
END $$;
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
