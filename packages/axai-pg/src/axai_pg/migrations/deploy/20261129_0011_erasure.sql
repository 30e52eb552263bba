-- Deploy axai:20261129_0011_erasure to pg
-- requires: 20261129_0008_accountability
-- requires: 20261129_0009_feed
-- What: what names an erased person goes from the audit log and the feed; seals hold all the same.
-- Impact: two columns without a default, so no rewrite; audit_log is locked for a moment, users
-- until its rows have been checked.
-- Compatibility: an entry from before keeps its details until it is pruned: seals are over them.
-- A user name with @, or a row that is erased and not empty, has to be changed before.

BEGIN;

SET LOCAL ROLE axai_owner;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;

-- A seal is over the digest of details, not over them. With the salt gone, nobody can try out
-- which details the digest may have been of.
ALTER TABLE audit_log ADD COLUMN details_salt bytea, ADD COLUMN details_digest bytea;
CREATE FUNCTION axai_details_digest(salt bytea, details jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE
RETURN sha256(salt || convert_to(details::text, 'UTF8'));
CREATE FUNCTION axai_digest_details() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.details_salt := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
    NEW.details_digest := axai_details_digest(NEW.details_salt, NEW.details);
    RETURN NEW;
END $$;
CREATE TRIGGER digest_details BEFORE INSERT ON audit_log
    FOR EACH ROW WHEN (NEW.details IS NOT NULL) EXECUTE FUNCTION axai_digest_details();

-- As before, but details that are there have to be those of the digest, and those that are not
-- have to be listed by the entry of an erasure.
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
        entry.columns, CASE
            WHEN entry.details_digest IS NULL THEN entry.details
            WHEN entry.details IS NOT NULL THEN to_jsonb(encode(
                axai_details_digest(entry.details_salt, entry.details), 'hex'
            ))
            WHEN EXISTS (
                SELECT FROM audit_log AS erasure
                WHERE erasure.org_id = entry.org_id AND erasure.action = 'erase'
                AND erasure.table_name = 'audit_log'
                AND erasure.details -> 'entries' ? entry.id::text
            ) THEN to_jsonb(encode(entry.details_digest, 'hex'))
        END
    )::text, 'UTF8'))
    FROM audit_log AS entry
    WHERE entry.org_id = nullif(current_setting('axai.org_id', true), '')::uuid
$$;

-- A user name is no address, so nobody is taken for whose address it is. Who is erased is nobody.
ALTER TABLE users
    ADD CONSTRAINT ck_users_username_is_no_address CHECK (strpos(username, '@') = 0),
    ADD CONSTRAINT ck_users_erased_is_nobody CHECK (
        erased_at IS NULL OR username ~ '^erased-[0-9a-f]{32}$'
        AND email = username || '@erased.invalid' AND hashed_password IS NULL
        AND NOT is_active AND NOT is_admin AND NOT is_email_verified
    );

-- An erasure is for good, and replaces name and address in the same statement. What others are
-- called as well is theirs: axai_erase_traces() leaves it. It is the next trigger, of the owner,
-- who does not read users.
CREATE FUNCTION axai_check_erasure() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    context text := current_setting('axai.org_id', true);
    problem text := CASE
        WHEN OLD.erased_at IS NOT NULL THEN 'erased_at stays as it is'
        WHEN OLD.username = NEW.username OR lower(OLD.email) = lower(NEW.email)
            THEN 'what sets erased_at has to replace username and email'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'users %: %', OLD.id, problem USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = 'erased_at', CONSTRAINT = 'ck_users_erased_is_nobody';
    END IF;
    PERFORM set_config('axai.org_id', OLD.org_id::text, true);
    PERFORM set_config('axai.shared', coalesce(jsonb_agg(word), '[]')::text, true)
    FROM unnest(ARRAY[lower(OLD.username), lower(OLD.email), OLD.id::text]) AS word
    WHERE EXISTS (
        SELECT FROM users AS other
        WHERE other.org_id = OLD.org_id AND other.id <> OLD.id AND other.erased_at IS NULL
        AND word IN (lower(other.username), lower(other.email), other.id::text)
    );
    PERFORM set_config('axai.org_id', coalesce(context, ''), true);
    RETURN NEW;
END $$;
CREATE TRIGGER check_erasure BEFORE UPDATE ON users FOR EACH ROW
    WHEN (OLD.erased_at IS DISTINCT FROM NEW.erased_at) EXECUTE FUNCTION axai_check_erasure();

-- When a user is erased: details with the address or the name go, from when the user got it, and
-- so does who acted in the feed. The entry that says so lists entries, and the key of the user; it
-- is sealed no sooner than they are, so that it is not pruned before them.
CREATE FUNCTION axai_erase_traces() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    context text := current_setting('axai.org_id', true);
    shared jsonb := current_setting('axai.shared');
    address text := '(^|[^[:alnum:]_.+-])' || regexp_replace(
        lower(OLD.email), '([^[:alnum:][:space:]])', '\\\1', 'g'
    ) || '($|[^[:alnum:]_.-]|\.($|[^[:alnum:]]))';
    word text := '(^|[^[:alnum:]_])' || regexp_replace(
        lower(OLD.username), '([^[:alnum:][:space:]])', '\\\1', 'g'
    ) || '($|[^[:alnum:]_])';
    since record;
    found record;
    changes bigint;
BEGIN
    PERFORM set_config('axai.org_id', OLD.org_id::text, true);
    -- created_at is what a client says. Where the entry is gone, so are those from before it.
    SELECT
        coalesce(max(occurred_at) FILTER (
            WHERE action = 'insert' OR columns && '{org_id,id,username}'
        ), '-infinity') AS username,
        coalesce(max(occurred_at) FILTER (
            WHERE action = 'insert' OR columns && '{org_id,id,email}'
        ), '-infinity') AS email
    INTO since FROM audit_log
    WHERE org_id = OLD.org_id AND row_id = OLD.id AND table_name = 'users';
    WITH erased AS (
        UPDATE audit_log AS entry SET details = NULL, details_salt = NULL
        WHERE org_id = OLD.org_id AND details_digest IS NOT NULL
        AND NOT (action = 'erase' AND table_name IS NOT DISTINCT FROM 'audit_log') AND EXISTS (
            SELECT FROM (
                SELECT part #>> '{}' FROM jsonb_path_query(
                    details, 'strict $.** ? (@.type() == "string")'
                ) AS part UNION ALL SELECT part #>> '{}' FROM jsonb_path_query(
                    details, 'strict $.** ? (@.type() == "object").keyvalue().key'
                ) AS part
            ) AS said(words)
            WHERE occurred_at >= since.email AND NOT shared ? lower(OLD.email)
            AND lower(words) ~ address
            OR occurred_at >= since.username AND NOT shared ? lower(OLD.username)
            AND lower(words) ~ word
        ) RETURNING entry.id, entry.transaction_id, entry.occurred_at
    ) SELECT
        coalesce(jsonb_agg(id), '[]') AS entries, count(*) AS number,
        max(transaction_id) AS transaction_id, max(occurred_at) AS occurred_at
    INTO found FROM erased;
    UPDATE andamios_changes SET actor = NULL WHERE tenant = OLD.org_id::text
    AND lower(actor) IN (lower(OLD.email), lower(OLD.username), OLD.id::text)
    AND NOT shared ? lower(actor);
    GET DIAGNOSTICS changes = ROW_COUNT;
    INSERT INTO audit_log (
        org_id, occurred_at, transaction_id, actor_id, action, table_name, row_id, details
    ) VALUES (
        OLD.org_id, greatest(clock_timestamp(), found.occurred_at),
        greatest(pg_current_xact_id()::text::bigint, found.transaction_id),
        nullif(current_setting('axai.user_id', true), '')::uuid, 'erase', 'audit_log', OLD.id,
        jsonb_build_object('entries', found.entries)
    );
    PERFORM set_config('axai.erased', jsonb_build_object(
        'audit_log', found.number, 'andamios_changes', changes
    )::text, true);
    PERFORM set_config('axai.org_id', coalesce(context, ''), true);
    RETURN NEW;
END $$;
CREATE TRIGGER erase_traces BEFORE UPDATE ON users FOR EACH ROW
    WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL) EXECUTE FUNCTION axai_erase_traces();

-- The owner may empty details, once: the policy says so, and the trigger that nothing else changes.
CREATE FUNCTION axai_refuse_rewrite() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'of an entry in % only details are emptied', TG_TABLE_NAME USING
        ERRCODE = 'insufficient_privilege', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER refuse_rewrite BEFORE UPDATE ON audit_log FOR EACH ROW WHEN (
    to_jsonb(OLD) - '{details,details_salt}'::text[]
    IS DISTINCT FROM to_jsonb(NEW) - '{details,details_salt}'::text[]
) EXECUTE FUNCTION axai_refuse_rewrite();
REVOKE ALL ON FUNCTION axai_details_digest(bytea, jsonb), axai_digest_details(),
    axai_check_erasure(), axai_erase_traces(), axai_refuse_rewrite() FROM PUBLIC;

CREATE POLICY axai_erase ON audit_log FOR UPDATE TO axai_owner
    USING (details IS NOT NULL) WITH CHECK (details IS NULL AND details_salt IS NULL);
CREATE POLICY axai_erase ON andamios_changes FOR UPDATE TO axai_owner
    USING (actor IS NOT NULL) WITH CHECK (actor IS NULL);
CREATE POLICY axai_read ON andamios_changes FOR SELECT TO axai_owner USING (true);

-- As before, but a service cannot say what operators and the owner do.
CREATE OR REPLACE FUNCTION axai_note(action text, details jsonb DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    organization uuid := nullif(current_setting('axai.org_id', true), '')::uuid;
BEGIN
    IF organization IS NULL THEN
        RAISE EXCEPTION 'no organisation in context: set axai.org_id' USING
            ERRCODE = 'insufficient_privilege';
    END IF;
    IF (
        organization = '00000000-0000-0000-0000-000000000000'
        OR axai_note.action IN ('system_scope', 'erase', 'prune')
    ) AND NOT pg_has_role(session_user, 'axai_system', 'MEMBER')
    AND NOT pg_has_role(session_user, 'axai_owner', 'MEMBER') THEN
        RAISE EXCEPTION 'only an operator notes % for organisation %', axai_note.action, organization
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO audit_log (org_id, actor_id, action, details) VALUES (
        organization, nullif(current_setting('axai.user_id', true), '')::uuid,
        axai_note.action, axai_note.details
    );
END $$;

COMMIT;
