-- Deploy axai:20261129_0008_accountability to pg
-- requires: 20261129_0002_organizations
-- What: seals of the audit log, and what persons ask about their data.
-- Impact: new tables only; no lock on a table in use, no rewrite, no time that grows with rows.
-- Compatibility: nothing before used these tables.

BEGIN;

SET LOCAL ROLE axai_owner;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;

-- A seal covers the entries of its organisation that no earlier one covers, whose transaction was
-- over (transaction_id < upto) and that happened before it: transaction ids begin anew where a
-- database is restored into another cluster. Its digest goes on from the digest before it. When its
-- entries are deleted for their age, the seal stays, so those after it can still be checked.
CREATE TABLE audit_seals (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    number integer NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    upto bigint NOT NULL,
    entries bigint NOT NULL,
    digest varchar(64) NOT NULL,
    pruned_at timestamptz,
    CONSTRAINT pk_audit_seals PRIMARY KEY (org_id, id),
    CONSTRAINT uq_audit_seals_org_id_number UNIQUE (org_id, number),
    CONSTRAINT ck_audit_seals_valid_number CHECK (number > 0)
);
CREATE INDEX ix_audit_seals_org_id_sealed_at ON audit_seals (org_id, sealed_at, number);
ALTER TABLE audit_seals ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_seals FORCE ROW LEVEL SECURITY;
CREATE POLICY axai_tenant ON audit_seals AS RESTRICTIVE TO PUBLIC
    USING (org_id = (SELECT nullif(current_setting('axai.org_id', true), '')::uuid))
    WITH CHECK (org_id = (SELECT nullif(current_setting('axai.org_id', true), '')::uuid));
CREATE POLICY axai_append ON audit_seals FOR INSERT TO axai_owner WITH CHECK (true);
CREATE POLICY axai_read ON audit_seals FOR SELECT TO axai_owner, axai_audit_reader USING (true);
CREATE POLICY axai_prune ON audit_seals FOR UPDATE TO axai_owner USING (true) WITH CHECK (true);
CREATE POLICY axai_prune ON audit_log FOR DELETE TO axai_owner USING (true);
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON audit_seals
    FOR EACH ROW EXECUTE FUNCTION axai_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION axai_refuse_change();
REVOKE ALL ON audit_seals FROM PUBLIC;
GRANT SELECT ON audit_seals TO axai_audit_reader, axai_system, axai_backup;

-- The entries of the organisation in context, the digest of each, and the seal that covers it: the
-- first one that can. Seals are in the order of their times, see axai_seal_audit().
CREATE FUNCTION axai_audit_entries() RETURNS TABLE (
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

-- The digest of a seal, from the digest of the seal before it, if any, and those of its entries.
CREATE FUNCTION axai_seal_digest(before text, entries bytea) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN encode(sha256(convert_to(coalesce(before, ''), 'UTF8') || entries), 'hex');

-- Seals what can be sealed of the organisation in context; returns how many entries that were.
CREATE FUNCTION axai_seal_audit() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    organization uuid := nullif(current_setting('axai.org_id', true), '')::uuid;
    horizon bigint;
    moment timestamptz;
    last audit_seals;
    found record;
BEGIN
    IF organization IS NULL THEN
        RAISE EXCEPTION 'no organisation in context: set axai.org_id' USING
            ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('audit_seals' || organization::text, 0));
    horizon := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    SELECT * INTO last FROM audit_seals WHERE org_id = organization ORDER BY number DESC LIMIT 1;
    moment := greatest(clock_timestamp(), last.sealed_at);  -- a clock may be set back
    SELECT count(*) AS entries, string_agg(entry.digest, '' ORDER BY entry.id) AS digests INTO found
    FROM axai_audit_entries() AS entry
    WHERE entry.seal IS NULL AND entry.transaction_id < horizon AND entry.occurred_at <= moment;
    IF found.entries > 0 THEN
        INSERT INTO audit_seals (org_id, number, sealed_at, upto, entries, digest) VALUES (
            organization, coalesce(last.number, 0) + 1, moment, horizon, found.entries,
            axai_seal_digest(last.digest, found.digests)
        );
    END IF;
    RETURN found.entries;
END $$;

-- The seals of the organisation in context that are missing, or whose entries are not what they
-- were. Of those that were pruned none is left, and what was pruned is the beginning.
CREATE FUNCTION axai_broken_seals() RETURNS SETOF integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH found AS (
        SELECT entry.seal, count(*) AS entries, string_agg(entry.digest, '' ORDER BY entry.id) AS digests
        FROM axai_audit_entries() AS entry GROUP BY entry.seal
    ), chain AS (
        SELECT number, entries, digest::text, pruned_at, lag(digest) OVER by_number AS before,
            bool_and(pruned_at IS NOT NULL) OVER by_number AS all_pruned
        FROM audit_seals WINDOW by_number AS (ORDER BY number)
    )
    SELECT place FROM generate_series(1, (SELECT max(number) FROM audit_seals)) AS place
    LEFT JOIN chain ON chain.number = place LEFT JOIN found ON found.seal = place
    WHERE CASE
        WHEN chain.number IS NULL THEN true
        WHEN chain.pruned_at IS NOT NULL THEN found.seal IS NOT NULL OR NOT chain.all_pruned
        ELSE (found.entries, axai_seal_digest(chain.before, found.digests))
            IS DISTINCT FROM (chain.entries, chain.digest)
    END
    ORDER BY 1
$$;

-- Deletes the entries of the organisation in context that seals until a moment cover, and says so
-- in the log; returns how many those were. Only the owner may, and nothing that is broken.
CREATE FUNCTION axai_prune_audit(until timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    organization uuid := nullif(current_setting('axai.org_id', true), '')::uuid;
    last integer;
    broken integer;
    gone bigint;
BEGIN
    IF organization IS NULL THEN
        RAISE EXCEPTION 'no organisation in context: set axai.org_id' USING
            ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('audit_seals' || organization::text, 0));
    SELECT max(number) INTO last FROM audit_seals WHERE sealed_at <= until AND pruned_at IS NULL;
    IF last IS NULL THEN
        RETURN 0;
    END IF;
    SELECT min(number) INTO broken FROM axai_broken_seals() AS number WHERE number <= last;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'seal % is broken: find out why before its entries are deleted', broken USING
            ERRCODE = 'object_not_in_prerequisite_state', TABLE = 'audit_seals';
    END IF;
    DELETE FROM audit_log WHERE org_id = organization
    AND id IN (SELECT entry.id FROM axai_audit_entries() AS entry WHERE entry.seal <= last);
    GET DIAGNOSTICS gone = ROW_COUNT;
    UPDATE audit_seals SET pruned_at = clock_timestamp()
    WHERE org_id = organization AND number <= last AND pruned_at IS NULL;
    PERFORM axai_note('prune', jsonb_build_object('seal', last, 'entries', gone));
    RETURN gone;
END $$;
REVOKE ALL ON FUNCTION axai_audit_entries(), axai_seal_digest(text, bytea), axai_seal_audit(),
    axai_broken_seals(), axai_prune_audit(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION axai_seal_audit() TO axai_system;
GRANT EXECUTE ON FUNCTION axai_broken_seals() TO axai_system, axai_audit_reader;

-- Users are erased, not deleted: what was asked for, and when it was done, can be shown later.
CREATE TABLE personal_data_requests (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    user_id uuid NOT NULL,
    kind varchar NOT NULL,
    status varchar NOT NULL DEFAULT 'received',
    note varchar(1000),
    completed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_personal_data_requests PRIMARY KEY (org_id, id),
    CONSTRAINT fk_personal_data_requests_org_id_user_id_users FOREIGN KEY (org_id, user_id)
        REFERENCES users (org_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_personal_data_requests_valid_kind CHECK (kind::text IN ('export', 'erasure')),
    CONSTRAINT ck_personal_data_requests_valid_status
        CHECK (status::text IN ('received', 'completed', 'refused'))
);
CREATE INDEX ix_personal_data_requests_org_id_user_id ON personal_data_requests (org_id, user_id);
CALL axai_isolate('personal_data_requests', 'users', 'user_id');

COMMIT;
