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

-- A seal covers the rows of its organisation that no earlier one covers, whose transaction was
-- over (transaction_id < upto) and that happened before it: transaction ids begin anew where a
-- database is restored into another cluster. Its digest goes on from the digest before it.
CREATE TABLE audit_seals (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    number integer NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    upto bigint NOT NULL,
    entries bigint NOT NULL,
    digest varchar(64) NOT NULL,
    CONSTRAINT pk_audit_seals PRIMARY KEY (org_id, id),
    CONSTRAINT uq_audit_seals_org_id_number UNIQUE (org_id, number),
    CONSTRAINT ck_audit_seals_valid_number CHECK (number > 0)
);
ALTER TABLE audit_seals ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_seals FORCE ROW LEVEL SECURITY;
CREATE POLICY axai_tenant ON audit_seals AS RESTRICTIVE TO PUBLIC
    USING (org_id = (SELECT nullif(current_setting('axai.org_id', true), '')::uuid))
    WITH CHECK (org_id = (SELECT nullif(current_setting('axai.org_id', true), '')::uuid));
CREATE POLICY axai_append ON audit_seals FOR INSERT TO axai_owner WITH CHECK (true);
CREATE POLICY axai_read ON audit_seals FOR SELECT TO axai_owner, axai_audit_reader USING (true);
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON audit_seals
    FOR EACH ROW EXECUTE FUNCTION axai_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION axai_refuse_change();
REVOKE ALL ON audit_seals FROM PUBLIC;
GRANT SELECT ON audit_seals TO axai_audit_reader, axai_system, axai_backup;

-- The number and the digest of the rows that a seal covers, of the organisation in context.
CREATE FUNCTION axai_audit_digest(
    seal integer, upto bigint, sealed_at timestamptz, OUT entries bigint, OUT digest text
)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT count(*), encode(sha256(convert_to(
        coalesce((SELECT before.digest FROM audit_seals AS before WHERE before.number = seal - 1), '')
        || coalesce(string_agg(jsonb_build_array(
            entry.org_id, entry.id, extract(epoch FROM entry.occurred_at), entry.transaction_id,
            entry.actor_id, entry.login, entry.action, entry.table_name, entry.row_id,
            entry.columns, entry.details
        )::text, chr(10) ORDER BY entry.id), ''), 'UTF8')), 'hex')
    FROM audit_log AS entry
    WHERE entry.transaction_id < upto AND entry.occurred_at <= axai_audit_digest.sealed_at
    AND NOT EXISTS (
        SELECT FROM audit_seals AS earlier
        WHERE earlier.number < seal AND entry.transaction_id < earlier.upto
        AND entry.occurred_at <= earlier.sealed_at
    )
$$;

-- Seals what can be sealed of the organisation in context; returns how many rows that were.
CREATE FUNCTION axai_seal_audit() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    organization uuid := nullif(current_setting('axai.org_id', true), '')::uuid;
    upto bigint;
    moment timestamptz;
    next integer;
    found record;
BEGIN
    IF organization IS NULL THEN
        RAISE EXCEPTION 'no organisation in context: set axai.org_id' USING
            ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('audit_seals' || organization::text, 0));
    upto := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    moment := clock_timestamp();
    SELECT coalesce(max(number), 0) + 1 INTO next FROM audit_seals WHERE org_id = organization;
    SELECT * INTO found FROM axai_audit_digest(next, upto, moment);
    IF found.entries > 0 THEN
        INSERT INTO audit_seals (org_id, number, sealed_at, upto, entries, digest)
        VALUES (organization, next, moment, upto, found.entries, found.digest);
    END IF;
    RETURN found.entries;
END $$;

-- The seals of the organisation in context whose rows are not what they were.
CREATE FUNCTION axai_broken_seals() RETURNS SETOF integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT seal.number
    FROM audit_seals AS seal,
        LATERAL axai_audit_digest(seal.number, seal.upto, seal.sealed_at) AS found
    WHERE (found.entries, found.digest) IS DISTINCT FROM (seal.entries, seal.digest::text)
    UNION ALL
    SELECT number FROM generate_series(1, (SELECT max(number) FROM audit_seals)) AS number
    WHERE NOT EXISTS (SELECT FROM audit_seals AS seal WHERE seal.number = number.number)
    ORDER BY 1
$$;
REVOKE ALL ON FUNCTION axai_audit_digest(integer, bigint, timestamptz), axai_seal_audit(),
    axai_broken_seals() FROM PUBLIC;
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
