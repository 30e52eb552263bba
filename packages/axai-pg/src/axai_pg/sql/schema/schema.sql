-- What the changes in axai_pg/migrations build, read from the catalogue: do not edit.
-- It needs the roles of axai_pg.utils.roles, and an empty schema that comes first in search_path.

BEGIN;
SET LOCAL ROLE axai_owner;
SET LOCAL check_function_bodies = off;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;
CREATE EXTENSION IF NOT EXISTS btree_gin;

CREATE OR REPLACE FUNCTION axai_audit()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path FROM CURRENT
AS $function$
DECLARE
    organization uuid;
    key uuid;
    changed text[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        key := OLD.id;
    ELSE
        key := NEW.id;
    END IF;
    IF TG_TABLE_NAME = 'organizations' THEN
        organization := key;
    ELSIF TG_OP = 'DELETE' THEN
        organization := OLD.org_id;
    ELSE
        organization := NEW.org_id;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF TG_TABLE_NAME = 'documents' THEN
            -- It follows from other columns, and is large.
            NEW.search_vector := NULL;
            OLD.search_vector := NULL;
        END IF;
        changed := ARRAY(
            SELECT after.key FROM jsonb_each(to_jsonb(NEW)) AS after
            JOIN jsonb_each(to_jsonb(OLD)) AS before USING (key)
            WHERE after.value IS DISTINCT FROM before.value
            ORDER BY after.key
        );
    END IF;
    INSERT INTO audit_log (org_id, actor_id, action, table_name, row_id, columns)
    VALUES (
        organization, nullif(current_setting('axai.user_id', true), '')::uuid,
        lower(TG_OP), TG_TABLE_NAME, key, changed
    );
    RETURN NULL;
END $function$
;
REVOKE ALL ON FUNCTION axai_audit() FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_audit_entries()
 RETURNS TABLE(id uuid, seal integer, occurred_at timestamp with time zone, transaction_id bigint, digest bytea)
 LANGUAGE sql
 STABLE
AS $function$
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
$function$
;
REVOKE ALL ON FUNCTION axai_audit_entries() FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_broken_seals()
 RETURNS SETOF integer
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path FROM CURRENT
AS $function$
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
$function$
;
REVOKE ALL ON FUNCTION axai_broken_seals() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION axai_broken_seals() TO axai_audit_reader;
GRANT EXECUTE ON FUNCTION axai_broken_seals() TO axai_system;

CREATE OR REPLACE FUNCTION axai_change_document()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
DECLARE
    actor uuid := nullif(current_setting('axai.user_id', true), '')::uuid;
    searched regconfig;
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.title, NEW.description, NEW.content, NEW.language)
        IS NOT DISTINCT FROM (OLD.title, OLD.description, OLD.content, OLD.language)
    THEN
        NEW.search_vector := OLD.search_vector;
    ELSE
        -- A tsvector holds 1 MB, so only the beginning of a very long text can be searched for.
        searched := axai_text_search(NEW.language);
        NEW.search_vector := setweight(to_tsvector(searched, NEW.title), 'A')
            || setweight(to_tsvector(searched, coalesce(NEW.description, '')), 'B')
            || setweight(to_tsvector(searched, left(coalesce(NEW.content, ''), 200000)), 'B');
    END IF;
    IF actor IS NOT NULL THEN
        SELECT id INTO actor FROM users WHERE org_id = NEW.org_id AND id = actor;
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.changed_by_id := coalesce(actor, NEW.changed_by_id);
        RETURN NEW;
    END IF;
    IF NEW.version = OLD.version THEN
        NEW.version := OLD.version + 1;
    END IF;
    IF (NEW.title, NEW.description, NEW.content, NEW.language, NEW.filename, NEW.file_path,
        NEW.content_type, NEW.document_type, NEW.status, NEW.metadata)
        IS DISTINCT FROM
        (OLD.title, OLD.description, OLD.content, OLD.language, OLD.filename, OLD.file_path,
        OLD.content_type, OLD.document_type, OLD.status, OLD.metadata)
    THEN
        IF actor IS NOT NULL OR NEW.changed_by_id IS NOT DISTINCT FROM OLD.changed_by_id THEN
            NEW.changed_by_id := actor;
        END IF;
        IF NEW.change_description IS NOT DISTINCT FROM OLD.change_description THEN
            NEW.change_description := nullif(current_setting('axai.change_description', true), '');
        END IF;
    ELSIF actor IS NOT NULL AND NEW.changed_by_id IS NOT NULL THEN  -- it is when a user goes
        NEW.changed_by_id := OLD.changed_by_id;
    END IF;
    RETURN NEW;
END $function$
;
REVOKE ALL ON FUNCTION axai_change_document() FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_check_erasure()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
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
END $function$
;
REVOKE ALL ON FUNCTION axai_check_erasure() FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_details_digest(salt bytea, details jsonb)
 RETURNS bytea
 LANGUAGE sql
 IMMUTABLE
RETURN sha256((salt || convert_to((details)::text, 'UTF8'::name)))
;
REVOKE ALL ON FUNCTION axai_details_digest(bytea,jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_digest_details()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
BEGIN
    NEW.details_salt := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
    NEW.details_digest := axai_details_digest(NEW.details_salt, NEW.details);
    RETURN NEW;
END $function$
;
REVOKE ALL ON FUNCTION axai_digest_details() FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_documents_with(contained jsonb)
 RETURNS SETOF uuid
 LANGUAGE sql
 STABLE SECURITY DEFINER ROWS 100
 SET search_path FROM CURRENT
AS $function$
    SELECT document.id FROM documents AS document
    WHERE document.org_id = nullif(current_setting('axai.org_id', true), '')::uuid
    AND document.metadata @> contained
$function$
;
REVOKE ALL ON FUNCTION axai_documents_with(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION axai_documents_with(jsonb) TO axai_app;
GRANT EXECUTE ON FUNCTION axai_documents_with(jsonb) TO axai_system;
DO $$ BEGIN
    EXECUTE format('GRANT CREATE ON SCHEMA %I TO axai_search', current_schema());
    ALTER FUNCTION axai_documents_with(jsonb) OWNER TO axai_search;
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM axai_search', current_schema());
END $$;

CREATE OR REPLACE FUNCTION axai_erase_traces()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path FROM CURRENT
AS $function$
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
END $function$
;
REVOKE ALL ON FUNCTION axai_erase_traces() FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_fill_organization()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
BEGIN
    NEW.org_id := nullif(current_setting('axai.org_id', true), '')::uuid;
    IF NEW.org_id IS NULL AND TG_NARGS = 2 THEN
        EXECUTE format(
            'SELECT (array_agg(org_id))[1] FROM %I WHERE id = ($1).%I HAVING count(*) = 1',
            TG_ARGV[0], TG_ARGV[1]
        ) INTO NEW.org_id USING NEW;
    END IF;
    RETURN NEW;
END $function$
;
REVOKE ALL ON FUNCTION axai_fill_organization() FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_fill_tenant()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    NEW.tenant := nullif(current_setting('axai.org_id', true), '')::uuid;
    RETURN NEW;
END $function$
;
REVOKE ALL ON FUNCTION axai_fill_tenant() FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_find_documents(query tsquery)
 RETURNS TABLE(id uuid, rank real)
 LANGUAGE sql
 STABLE SECURITY DEFINER ROWS 100
 SET search_path FROM CURRENT
AS $function$
    SELECT document.id, ts_rank(document.search_vector, query)
    FROM documents AS document
    WHERE document.org_id = nullif(current_setting('axai.org_id', true), '')::uuid
    AND document.search_vector @@ query
$function$
;
REVOKE ALL ON FUNCTION axai_find_documents(tsquery) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION axai_find_documents(tsquery) TO axai_app;
GRANT EXECUTE ON FUNCTION axai_find_documents(tsquery) TO axai_system;
DO $$ BEGIN
    EXECUTE format('GRANT CREATE ON SCHEMA %I TO axai_search', current_schema());
    ALTER FUNCTION axai_find_documents(tsquery) OWNER TO axai_search;
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM axai_search', current_schema());
END $$;

CREATE OR REPLACE PROCEDURE axai_isolate(IN target text, IN parent text DEFAULT NULL::text, IN parent_key text DEFAULT NULL::text, IN tenant text DEFAULT 'org_id'::text)
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $procedure$
DECLARE
    condition text := format(
        '%I = (SELECT nullif(current_setting(''axai.org_id'', true), '''')::uuid)', tenant
    );
    arguments text := CASE WHEN parent IS NULL THEN '' ELSE format('%L, %L', parent, parent_key) END;
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', target);
    EXECUTE format(
        'CREATE POLICY axai_tenant ON %I AS RESTRICTIVE TO PUBLIC USING (%s) WITH CHECK (%s)',
        target, condition, condition
    );
    EXECUTE format(
        'CREATE POLICY axai_base ON %I TO axai_app USING (true) WITH CHECK (true)', target
    );
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', target);
    EXECUTE format(
        'GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO axai_app, axai_system', target
    );
    EXECUTE format('GRANT SELECT ON %I TO axai_backup', target);
    IF tenant = 'org_id' THEN
        EXECUTE format(
            'CREATE TRIGGER fill_organization BEFORE INSERT ON %I FOR EACH ROW
            WHEN (NEW.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization(%s)',
            target, arguments
        );
    END IF;
    IF EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = target::regclass AND attname = 'updated_at'
    ) THEN
        EXECUTE format(
            'CREATE TRIGGER touch BEFORE UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION axai_touch()',
            target
        );
    END IF;
    EXECUTE format(
        'CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON %I
        FOR EACH ROW EXECUTE FUNCTION axai_audit()', target
    );
END $procedure$
;
REVOKE ALL ON PROCEDURE axai_isolate(text,text,text,text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_keep_version()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
DECLARE
    changed text[] := array_remove(ARRAY[
        CASE WHEN NEW.title IS DISTINCT FROM OLD.title THEN 'title' END,
        CASE WHEN NEW.description IS DISTINCT FROM OLD.description THEN 'description' END,
        CASE WHEN NEW.content IS DISTINCT FROM OLD.content THEN 'content' END,
        CASE WHEN NEW.language IS DISTINCT FROM OLD.language THEN 'language' END,
        CASE WHEN NEW.filename IS DISTINCT FROM OLD.filename THEN 'filename' END,
        CASE WHEN NEW.file_path IS DISTINCT FROM OLD.file_path THEN 'file_path' END,
        CASE WHEN NEW.content_type IS DISTINCT FROM OLD.content_type THEN 'content_type' END,
        CASE WHEN NEW.document_type IS DISTINCT FROM OLD.document_type THEN 'document_type' END,
        CASE WHEN NEW.status IS DISTINCT FROM OLD.status THEN 'status' END,
        CASE WHEN NEW.metadata IS DISTINCT FROM OLD.metadata THEN 'metadata' END
    ], NULL);
BEGIN
    IF changed <> '{}' THEN
        INSERT INTO document_versions (
            org_id, document_id, version, title, description, content, language, filename, file_path,
            content_type, document_type, status, metadata, changed_columns, created_by_id,
            change_description, created_at
        ) VALUES (
            OLD.org_id, OLD.id, OLD.version, OLD.title, OLD.description, OLD.content, OLD.language,
            OLD.filename, OLD.file_path, OLD.content_type, OLD.document_type, OLD.status,
            OLD.metadata, changed, OLD.changed_by_id, OLD.change_description, OLD.updated_at
        )
        -- Somebody has stored a version of that number by hand; this is what it was.
        ON CONFLICT (org_id, document_id, version) DO UPDATE SET
            title = EXCLUDED.title, description = EXCLUDED.description,
            content = EXCLUDED.content, language = EXCLUDED.language,
            filename = EXCLUDED.filename, file_path = EXCLUDED.file_path,
            content_type = EXCLUDED.content_type, document_type = EXCLUDED.document_type,
            status = EXCLUDED.status, metadata = EXCLUDED.metadata,
            changed_columns = EXCLUDED.changed_columns, created_by_id = EXCLUDED.created_by_id,
            change_description = EXCLUDED.change_description, created_at = EXCLUDED.created_at;
    END IF;
    RETURN NULL;
END $function$
;
REVOKE ALL ON FUNCTION axai_keep_version() FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_note(action text, details jsonb DEFAULT NULL::jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path FROM CURRENT
AS $function$
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
END $function$
;
REVOKE ALL ON FUNCTION axai_note(text,jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION axai_note(text,jsonb) TO axai_app;
GRANT EXECUTE ON FUNCTION axai_note(text,jsonb) TO axai_system;

CREATE OR REPLACE FUNCTION axai_note_operation(action text, details jsonb DEFAULT NULL::jsonb)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path FROM CURRENT
AS $function$
    INSERT INTO audit_log (org_id, actor_id, action, details) VALUES (
        coalesce(
            nullif(current_setting('axai.org_id', true), ''), '00000000-0000-0000-0000-000000000000'
        )::uuid,
        nullif(current_setting('axai.user_id', true), '')::uuid, action, details
    )
$function$
;
REVOKE ALL ON FUNCTION axai_note_operation(text,jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION axai_note_operation(text,jsonb) TO axai_system;

CREATE OR REPLACE FUNCTION axai_prune_audit(until timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
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
END $function$
;
REVOKE ALL ON FUNCTION axai_prune_audit(timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF current_user = 'axai_owner' THEN
        RETURN coalesce(NEW, OLD);
    END IF;
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING
        ERRCODE = 'insufficient_privilege', TABLE = TG_TABLE_NAME;
END $function$
;
REVOKE ALL ON FUNCTION axai_refuse_change() FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_refuse_cycle()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
DECLARE
    above uuid := to_jsonb(NEW) ->> TG_ARGV[0];
    path uuid[];
BEGIN
    IF above IS NULL THEN
        RETURN NEW;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(TG_TABLE_NAME || NEW.org_id::text, 0));
    EXECUTE format(
        'WITH RECURSIVE path(id) AS (
            SELECT $1 UNION
            SELECT parent.%1$I FROM %2$I AS parent JOIN path ON parent.id = path.id
            WHERE parent.org_id = $2 AND parent.%1$I IS NOT NULL
        ) SELECT array_agg(id) FROM path',
        TG_ARGV[0], TG_TABLE_NAME
    ) INTO path USING above, NEW.org_id;
    IF NEW.id = ANY (path) THEN
        RAISE EXCEPTION '% % would be above itself', TG_TABLE_NAME, NEW.id USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = TG_ARGV[0],
            CONSTRAINT = format('ck_%s_no_cycle', TG_TABLE_NAME);
    END IF;
    IF TG_OP = 'UPDATE' THEN
        BEGIN
            EXECUTE format(
                'SELECT FROM %I WHERE org_id = $1 AND id = ANY ($2) ORDER BY id FOR SHARE NOWAIT',
                TG_TABLE_NAME
            ) USING NEW.org_id, path;
        EXCEPTION WHEN lock_not_available THEN
            RAISE EXCEPTION 'another transaction changes what is above % %', TG_TABLE_NAME, NEW.id
                USING ERRCODE = 'serialization_failure';
        END;
    END IF;
    RETURN NEW;
END $function$
;
REVOKE ALL ON FUNCTION axai_refuse_cycle() FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_refuse_rewrite()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE EXCEPTION 'of an entry in % only details are emptied', TG_TABLE_NAME USING
        ERRCODE = 'insufficient_privilege', TABLE = TG_TABLE_NAME;
END $function$
;
REVOKE ALL ON FUNCTION axai_refuse_rewrite() FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_seal_audit()
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path FROM CURRENT
AS $function$
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
END $function$
;
REVOKE ALL ON FUNCTION axai_seal_audit() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION axai_seal_audit() TO axai_system;

CREATE OR REPLACE FUNCTION axai_seal_digest(before text, entries bytea)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN encode(sha256((convert_to(COALESCE(before, ''::text), 'UTF8'::name) || entries)), 'hex'::text)
;
REVOKE ALL ON FUNCTION axai_seal_digest(text,bytea) FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_text_search(language text)
 RETURNS regconfig
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE language WHEN 'ar'::text THEN 'arabic'::regconfig WHEN 'da'::text THEN 'danish'::regconfig WHEN 'de'::text THEN 'german'::regconfig WHEN 'en'::text THEN 'english'::regconfig WHEN 'es'::text THEN 'spanish'::regconfig WHEN 'fi'::text THEN 'finnish'::regconfig WHEN 'fr'::text THEN 'french'::regconfig WHEN 'hu'::text THEN 'hungarian'::regconfig WHEN 'it'::text THEN 'italian'::regconfig WHEN 'nl'::text THEN 'dutch'::regconfig WHEN 'no'::text THEN 'norwegian'::regconfig WHEN 'pt'::text THEN 'portuguese'::regconfig WHEN 'ro'::text THEN 'romanian'::regconfig WHEN 'ru'::text THEN 'russian'::regconfig WHEN 'sv'::text THEN 'swedish'::regconfig WHEN 'tr'::text THEN 'turkish'::regconfig ELSE 'simple'::regconfig END
;
REVOKE ALL ON FUNCTION axai_text_search(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION axai_text_search(text) TO axai_app;
GRANT EXECUTE ON FUNCTION axai_text_search(text) TO axai_system;

CREATE OR REPLACE FUNCTION axai_touch()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NEW.updated_at = OLD.updated_at THEN
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END $function$
;
REVOKE ALL ON FUNCTION axai_touch() FROM PUBLIC;

CREATE OR REPLACE FUNCTION axai_uuid7()
 RETURNS uuid
 LANGUAGE sql
 PARALLEL SAFE
RETURN (SELECT (encode(((SUBSTRING(int8send((moment.micros / 1000)) FROM 3) || int2send(((28672 + (((moment.micros % (1000)::bigint) * 4096) / 1000)))::smallint)) || SUBSTRING(uuid_send(gen_random_uuid()) FROM 9)), 'hex'::text))::uuid AS encode FROM (SELECT ((EXTRACT(epoch FROM clock_timestamp()) * (1000000)::numeric))::bigint AS micros) moment)
;
REVOKE ALL ON FUNCTION axai_uuid7() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION axai_uuid7() TO axai_app;
GRANT EXECUTE ON FUNCTION axai_uuid7() TO axai_system;

CREATE OR REPLACE PROCEDURE axai_verify_isolated(IN target text, IN tenant text DEFAULT 'org_id'::text)
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $procedure$
DECLARE
    relation oid := target::regclass;
    wanted text := format(
        $condition$(%I = ( SELECT (NULLIF(current_setting('axai.org_id'::text, true), ''::text))::uuid AS "nullif"))$condition$,
        tenant
    );
    missing text;
BEGIN
    SELECT string_agg(what, ', ') INTO missing FROM (
        SELECT 'row security that is forced' FROM pg_class
        WHERE oid = relation AND NOT (relrowsecurity AND relforcerowsecurity)
        UNION ALL
        SELECT 'the policy of the tenant' WHERE NOT EXISTS (
            SELECT FROM pg_policy
            WHERE polrelid = relation AND NOT polpermissive AND polcmd = '*' AND polroles = '{0}'
            AND pg_get_expr(polqual, polrelid) = wanted
            AND pg_get_expr(polwithcheck, polrelid) = wanted
        )
        UNION ALL
        SELECT 'the one policy that permits' WHERE (
            SELECT count(*) FILTER (WHERE polname = 'axai_base') <> 1 OR count(*) <> 1
            FROM pg_policy WHERE polrelid = relation AND polpermissive
        )
        UNION ALL
        SELECT 'the grants of axai_app' WHERE (
            SELECT string_agg(privilege_type, ' ' ORDER BY privilege_type)
            FROM pg_class, aclexplode(relacl)
            WHERE oid = relation AND grantee = 'axai_app'::regrole
        ) IS DISTINCT FROM 'DELETE INSERT SELECT UPDATE'
        UNION ALL
        SELECT 'nothing for PUBLIC' WHERE EXISTS (
            SELECT FROM pg_class, aclexplode(relacl) WHERE oid = relation AND grantee = 0
        )
        UNION ALL
        SELECT 'an owner that nobody logs in as' FROM pg_class
        WHERE oid = relation AND relowner <> 'axai_owner'::regrole
        UNION ALL
        SELECT 'the trigger ' || name FROM (
            VALUES ('audit'), ('fill_organization'), ('touch')
        ) AS triggers(name)
        WHERE NOT EXISTS (
            SELECT FROM pg_trigger
            WHERE tgrelid = relation AND tgname = name AND tgenabled = 'O'
        ) AND (name <> 'fill_organization' OR tenant = 'org_id')
        AND (name <> 'touch' OR EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = relation AND attname = 'updated_at'
        ))
    ) AS failures(what);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION '% lacks %', target, missing;
    END IF;
END $procedure$
;
REVOKE ALL ON PROCEDURE axai_verify_isolated(text,text) FROM PUBLIC;

CREATE TABLE andamios_changes (
    "position" bigint NOT NULL,
    "time" timestamp with time zone NOT NULL,
    actor character varying,
    entity character varying NOT NULL,
    key character varying,
    kind character varying NOT NULL,
    count bigint NOT NULL,
    keys jsonb,
    first_key character varying,
    last_key character varying,
    tenant character varying,
    CONSTRAINT pk_andamios_changes PRIMARY KEY ("position")
);
CREATE INDEX ix_andamios_changes_tenant_position ON andamios_changes USING btree (tenant, "position");
ALTER TABLE andamios_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE andamios_changes FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE andamios_changes FROM PUBLIC;
GRANT INSERT, SELECT ON TABLE andamios_changes TO axai_app;
GRANT SELECT ON TABLE andamios_changes TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE andamios_changes TO axai_system;

CREATE TABLE andamios_followers (
    name character varying NOT NULL,
    "position" bigint NOT NULL,
    "time" timestamp with time zone NOT NULL,
    CONSTRAINT pk_andamios_followers PRIMARY KEY (name)
);
ALTER TABLE andamios_followers ENABLE ROW LEVEL SECURITY;
ALTER TABLE andamios_followers FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE andamios_followers FROM PUBLIC;
GRANT SELECT ON TABLE andamios_followers TO axai_app;
GRANT SELECT ON TABLE andamios_followers TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE andamios_followers TO axai_system;

CREATE TABLE andamios_history (
    entity character varying NOT NULL,
    key character varying NOT NULL,
    "position" bigint NOT NULL,
    "time" timestamp with time zone NOT NULL,
    actor character varying,
    kind character varying NOT NULL,
    version bigint,
    before jsonb,
    after jsonb,
    tenant character varying,
    CONSTRAINT pk_andamios_history PRIMARY KEY (entity, key, "position")
);
ALTER TABLE andamios_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE andamios_history FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE andamios_history FROM PUBLIC;
GRANT SELECT ON TABLE andamios_history TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE andamios_history TO axai_system;

CREATE TABLE audit_log (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    transaction_id bigint DEFAULT ((pg_current_xact_id())::text)::bigint NOT NULL,
    actor_id uuid,
    login character varying(63) DEFAULT SESSION_USER NOT NULL,
    action character varying(50) NOT NULL,
    table_name character varying(63),
    row_id uuid,
    columns text[],
    details jsonb,
    details_salt bytea,
    details_digest bytea,
    CONSTRAINT pk_audit_log PRIMARY KEY (org_id, id)
);
CREATE INDEX ix_audit_log_org_id_occurred_at ON audit_log USING btree (org_id, occurred_at DESC, id);
CREATE INDEX ix_audit_log_org_id_row_id ON audit_log USING btree (org_id, row_id);
ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_log FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE audit_log FROM PUBLIC;
GRANT SELECT ON TABLE audit_log TO axai_audit_reader;
GRANT SELECT ON TABLE audit_log TO axai_backup;
GRANT SELECT ON TABLE audit_log TO axai_system;

CREATE TABLE audit_seals (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    number integer NOT NULL,
    sealed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    upto bigint NOT NULL,
    entries bigint NOT NULL,
    digest character varying(64) NOT NULL,
    pruned_at timestamp with time zone,
    CONSTRAINT pk_audit_seals PRIMARY KEY (org_id, id),
    CONSTRAINT ck_audit_seals_valid_number CHECK (number > 0),
    CONSTRAINT uq_audit_seals_org_id_number UNIQUE (org_id, number)
);
CREATE INDEX ix_audit_seals_org_id_sealed_at ON audit_seals USING btree (org_id, sealed_at, number);
ALTER TABLE audit_seals ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_seals FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE audit_seals FROM PUBLIC;
GRANT SELECT ON TABLE audit_seals TO axai_audit_reader;
GRANT SELECT ON TABLE audit_seals TO axai_backup;
GRANT SELECT ON TABLE audit_seals TO axai_system;

CREATE TABLE collections (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    parent_id uuid,
    owner_id uuid NOT NULL,
    name character varying(255) NOT NULL,
    description character varying(5000),
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT pk_collections PRIMARY KEY (org_id, id),
    CONSTRAINT ck_collections_name_not_empty CHECK (btrim(name::text) <> ''::text)
);
CREATE INDEX ix_collections_org_id_owner_id ON collections USING btree (org_id, owner_id);
CREATE INDEX ix_collections_org_id_parent_id ON collections USING btree (org_id, parent_id, name);
ALTER TABLE collections ENABLE ROW LEVEL SECURITY;
ALTER TABLE collections FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE collections FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE collections TO axai_app;
GRANT SELECT ON TABLE collections TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE collections TO axai_system;

CREATE TABLE document_collections (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    collection_id uuid NOT NULL,
    document_id uuid NOT NULL,
    added_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pk_document_collections PRIMARY KEY (org_id, id),
    CONSTRAINT uq_document_collections_org_id_collection_id_document_id UNIQUE (org_id, collection_id, document_id)
);
CREATE INDEX ix_document_collections_org_id_document_id ON document_collections USING btree (org_id, document_id);
ALTER TABLE document_collections ENABLE ROW LEVEL SECURITY;
ALTER TABLE document_collections FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE document_collections FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE document_collections TO axai_app;
GRANT SELECT ON TABLE document_collections TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE document_collections TO axai_system;

CREATE TABLE document_permissions (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    document_id uuid NOT NULL,
    user_id uuid,
    role_id uuid,
    permission character varying NOT NULL,
    granted_by_id uuid,
    expires_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pk_document_permissions PRIMARY KEY (org_id, id),
    CONSTRAINT ck_document_permissions_one_grantee CHECK (num_nonnulls(user_id, role_id) = 1),
    CONSTRAINT ck_document_permissions_valid_permission CHECK (permission::text = ANY (ARRAY['read'::text, 'write'::text, 'share'::text])),
    CONSTRAINT uq_document_permissions_grant UNIQUE NULLS NOT DISTINCT (org_id, document_id, user_id, role_id, permission)
);
CREATE INDEX ix_document_permissions_org_id_expires_at ON document_permissions USING btree (org_id, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX ix_document_permissions_org_id_role_id ON document_permissions USING btree (org_id, role_id) WHERE role_id IS NOT NULL;
CREATE INDEX ix_document_permissions_org_id_user_id ON document_permissions USING btree (org_id, user_id) WHERE user_id IS NOT NULL;
ALTER TABLE document_permissions ENABLE ROW LEVEL SECURITY;
ALTER TABLE document_permissions FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE document_permissions FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE document_permissions TO axai_app;
GRANT SELECT ON TABLE document_permissions TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE document_permissions TO axai_system;

CREATE TABLE document_topics (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    document_id uuid NOT NULL,
    topic_id uuid NOT NULL,
    relevance_score numeric(5,4) DEFAULT 1 NOT NULL,
    context jsonb,
    extracted_by_tool character varying(100) NOT NULL,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pk_document_topics PRIMARY KEY (org_id, id),
    CONSTRAINT ck_document_topics_valid_relevance CHECK (relevance_score >= 0::numeric AND relevance_score <= 1::numeric),
    CONSTRAINT uq_document_topics_org_id_document_id_topic_id UNIQUE (org_id, document_id, topic_id)
);
CREATE INDEX ix_document_topics_org_id_topic_id ON document_topics USING btree (org_id, topic_id, relevance_score DESC);
ALTER TABLE document_topics ENABLE ROW LEVEL SECURITY;
ALTER TABLE document_topics FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE document_topics FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE document_topics TO axai_app;
GRANT SELECT ON TABLE document_topics TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE document_topics TO axai_system;

CREATE TABLE document_versions (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    title character varying(500) NOT NULL,
    description character varying(5000),
    content text,
    language character varying(10) DEFAULT 'en'::character varying NOT NULL,
    filename character varying(255),
    file_path character varying(1000),
    content_type character varying(255) DEFAULT 'text/plain'::character varying NOT NULL,
    document_type character varying(50) DEFAULT 'document'::character varying NOT NULL,
    status character varying DEFAULT 'draft'::character varying NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    changed_columns text[] DEFAULT '{}'::text[] NOT NULL,
    created_by_id uuid,
    change_description character varying(1000),
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pk_document_versions PRIMARY KEY (org_id, id),
    CONSTRAINT ck_document_versions_metadata_object CHECK (jsonb_typeof(metadata) = 'object'::text),
    CONSTRAINT ck_document_versions_valid_status CHECK (status::text = ANY (ARRAY['draft'::text, 'published'::text, 'archived'::text])),
    CONSTRAINT ck_document_versions_valid_version CHECK (version > 0),
    CONSTRAINT uq_document_versions_org_id_document_id_version UNIQUE (org_id, document_id, version)
);
ALTER TABLE document_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE document_versions FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE document_versions FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE document_versions TO axai_app;
GRANT SELECT ON TABLE document_versions TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE document_versions TO axai_system;

CREATE TABLE documents (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    owner_id uuid NOT NULL,
    title character varying(500) NOT NULL,
    description character varying(5000),
    content text,
    language character varying(10) DEFAULT 'en'::character varying NOT NULL,
    filename character varying(255),
    file_path character varying(1000),
    file_format character varying(50),
    content_type character varying(255) DEFAULT 'text/plain'::character varying NOT NULL,
    document_type character varying(50) DEFAULT 'document'::character varying NOT NULL,
    status character varying DEFAULT 'draft'::character varying NOT NULL,
    processing_status character varying DEFAULT 'pending'::character varying NOT NULL,
    source character varying(100),
    external_ref_id character varying(100),
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    size bigint,
    word_count integer,
    content_hash character varying(64),
    changed_by_id uuid,
    change_description character varying(1000),
    search_vector tsvector,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT pk_documents PRIMARY KEY (org_id, id),
    CONSTRAINT ck_documents_metadata_object CHECK (jsonb_typeof(metadata) = 'object'::text),
    CONSTRAINT ck_documents_title_not_empty CHECK (btrim(title::text) <> ''::text),
    CONSTRAINT ck_documents_valid_processing_status CHECK (processing_status::text = ANY (ARRAY['pending'::text, 'processing'::text, 'complete'::text, 'error'::text])),
    CONSTRAINT ck_documents_valid_status CHECK (status::text = ANY (ARRAY['draft'::text, 'published'::text, 'archived'::text])),
    CONSTRAINT ck_documents_valid_version CHECK (version > 0)
);
CREATE INDEX ix_documents_listed ON documents USING btree (org_id, created_at DESC, id) WHERE deleted_at IS NULL;
CREATE INDEX ix_documents_metadata ON documents USING gin (org_id, metadata jsonb_path_ops);
CREATE INDEX ix_documents_org_id_owner_id ON documents USING btree (org_id, owner_id, created_at DESC, id);
CREATE INDEX ix_documents_search ON documents USING gin (org_id, search_vector);
CREATE INDEX ix_documents_status ON documents USING btree (org_id, status, created_at DESC, id) WHERE deleted_at IS NULL;
ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE documents FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE documents FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE documents TO axai_app;
GRANT SELECT ON TABLE documents TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE documents TO axai_system;
GRANT SELECT (org_id, id, metadata, search_vector) ON documents TO axai_search;

CREATE TABLE graph_nodes (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    document_id uuid,
    entity_id character varying(255),
    node_type character varying(50) NOT NULL,
    name character varying(255) NOT NULL,
    description character varying(5000),
    properties jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_by_tool character varying(100) NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pk_graph_nodes PRIMARY KEY (org_id, id),
    CONSTRAINT ck_graph_nodes_name_not_empty CHECK (btrim(name::text) <> ''::text),
    CONSTRAINT ck_graph_nodes_node_type_not_empty CHECK (btrim(node_type::text) <> ''::text)
);
CREATE INDEX ix_graph_nodes_org_id_document_id ON graph_nodes USING btree (org_id, document_id);
CREATE INDEX ix_graph_nodes_org_id_entity_id ON graph_nodes USING btree (org_id, entity_id) WHERE entity_id IS NOT NULL;
CREATE INDEX ix_graph_nodes_org_id_node_type_name ON graph_nodes USING btree (org_id, node_type, name);
ALTER TABLE graph_nodes ENABLE ROW LEVEL SECURITY;
ALTER TABLE graph_nodes FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE graph_nodes FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE graph_nodes TO axai_app;
GRANT SELECT ON TABLE graph_nodes TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE graph_nodes TO axai_system;

CREATE TABLE graph_relationships (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    source_node_id uuid NOT NULL,
    target_node_id uuid NOT NULL,
    document_id uuid,
    relationship_type character varying(50) NOT NULL,
    is_directed boolean DEFAULT true NOT NULL,
    weight numeric(10,5),
    confidence_score numeric(5,4),
    properties jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_by_tool character varying(100) NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pk_graph_relationships PRIMARY KEY (org_id, id),
    CONSTRAINT ck_graph_relationships_relationship_type_not_empty CHECK (btrim(relationship_type::text) <> ''::text),
    CONSTRAINT ck_graph_relationships_valid_confidence CHECK (confidence_score >= 0::numeric AND confidence_score <= 1::numeric),
    CONSTRAINT ck_graph_relationships_valid_weight CHECK (weight > 0::numeric)
);
CREATE INDEX ix_graph_relationships_org_id_document_id ON graph_relationships USING btree (org_id, document_id) WHERE document_id IS NOT NULL;
CREATE INDEX ix_graph_relationships_org_id_source_node_id ON graph_relationships USING btree (org_id, source_node_id, target_node_id);
CREATE INDEX ix_graph_relationships_org_id_target_node_id ON graph_relationships USING btree (org_id, target_node_id, source_node_id);
ALTER TABLE graph_relationships ENABLE ROW LEVEL SECURITY;
ALTER TABLE graph_relationships FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE graph_relationships FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE graph_relationships TO axai_app;
GRANT SELECT ON TABLE graph_relationships TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE graph_relationships TO axai_system;

CREATE TABLE organizations (
    id uuid DEFAULT axai_uuid7() NOT NULL,
    name character varying(255) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pk_organizations PRIMARY KEY (id),
    CONSTRAINT ck_organizations_id_not_nil CHECK (id <> '00000000-0000-0000-0000-000000000000'::uuid),
    CONSTRAINT ck_organizations_name_not_empty CHECK (btrim(name::text) <> ''::text)
);
ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE organizations FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE organizations TO axai_app;
GRANT SELECT ON TABLE organizations TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE organizations TO axai_system;

CREATE TABLE personal_data_requests (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    user_id uuid NOT NULL,
    kind character varying NOT NULL,
    status character varying DEFAULT 'received'::character varying NOT NULL,
    note character varying(1000),
    completed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pk_personal_data_requests PRIMARY KEY (org_id, id),
    CONSTRAINT ck_personal_data_requests_valid_kind CHECK (kind::text = ANY (ARRAY['export'::text, 'erasure'::text])),
    CONSTRAINT ck_personal_data_requests_valid_status CHECK (status::text = ANY (ARRAY['received'::text, 'completed'::text, 'refused'::text]))
);
CREATE INDEX ix_personal_data_requests_org_id_user_id ON personal_data_requests USING btree (org_id, user_id);
ALTER TABLE personal_data_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE personal_data_requests FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE personal_data_requests FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE personal_data_requests TO axai_app;
GRANT SELECT ON TABLE personal_data_requests TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE personal_data_requests TO axai_system;

CREATE TABLE role_permissions (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    role_id uuid NOT NULL,
    resource character varying(100) NOT NULL,
    action character varying NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pk_role_permissions PRIMARY KEY (org_id, id),
    CONSTRAINT ck_role_permissions_resource_not_empty CHECK (btrim(resource::text) <> ''::text),
    CONSTRAINT ck_role_permissions_valid_action CHECK (action::text = ANY (ARRAY['create'::text, 'read'::text, 'update'::text, 'delete'::text, 'share'::text])),
    CONSTRAINT uq_role_permissions_org_id_role_id_resource_action UNIQUE (org_id, role_id, resource, action)
);
ALTER TABLE role_permissions ENABLE ROW LEVEL SECURITY;
ALTER TABLE role_permissions FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE role_permissions FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE role_permissions TO axai_app;
GRANT SELECT ON TABLE role_permissions TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE role_permissions TO axai_system;

CREATE TABLE roles (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    name character varying(100) NOT NULL,
    description character varying(1000),
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pk_roles PRIMARY KEY (org_id, id),
    CONSTRAINT ck_roles_name_not_empty CHECK (btrim(name::text) <> ''::text),
    CONSTRAINT uq_roles_org_id_name UNIQUE (org_id, name)
);
ALTER TABLE roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE roles FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE roles FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE roles TO axai_app;
GRANT SELECT ON TABLE roles TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE roles TO axai_system;

CREATE TABLE summaries (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    document_id uuid NOT NULL,
    content text NOT NULL,
    summary_type character varying(50) DEFAULT 'abstract'::character varying NOT NULL,
    target_audience character varying(50),
    tool_agent character varying(100) NOT NULL,
    tool_version character varying(50),
    config_parameters jsonb,
    confidence_score numeric(5,4),
    word_count integer,
    language_code character varying(10) DEFAULT 'en'::character varying NOT NULL,
    processing_time_ms integer,
    status character varying DEFAULT 'draft'::character varying NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pk_summaries PRIMARY KEY (org_id, id),
    CONSTRAINT ck_summaries_content_not_empty CHECK (btrim(content) <> ''::text),
    CONSTRAINT ck_summaries_tool_agent_not_empty CHECK (btrim(tool_agent::text) <> ''::text),
    CONSTRAINT ck_summaries_valid_confidence CHECK (confidence_score >= 0::numeric AND confidence_score <= 1::numeric),
    CONSTRAINT ck_summaries_valid_status CHECK (status::text = ANY (ARRAY['draft'::text, 'published'::text, 'archived'::text]))
);
CREATE INDEX ix_summaries_org_id_document_id ON summaries USING btree (org_id, document_id, created_at DESC);
ALTER TABLE summaries ENABLE ROW LEVEL SECURITY;
ALTER TABLE summaries FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE summaries FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE summaries TO axai_app;
GRANT SELECT ON TABLE summaries TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE summaries TO axai_system;

CREATE TABLE topics (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    parent_topic_id uuid,
    name character varying(100) NOT NULL,
    description character varying(5000),
    keywords text[] DEFAULT '{}'::text[] NOT NULL,
    extraction_method character varying(50),
    global_importance numeric(5,4),
    created_by_tool character varying(100),
    is_active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pk_topics PRIMARY KEY (org_id, id),
    CONSTRAINT ck_topics_name_not_empty CHECK (btrim(name::text) <> ''::text),
    CONSTRAINT ck_topics_valid_importance CHECK (global_importance >= 0::numeric AND global_importance <= 1::numeric),
    CONSTRAINT uq_topics_org_id_name UNIQUE (org_id, name)
);
CREATE INDEX ix_topics_org_id_parent_topic_id ON topics USING btree (org_id, parent_topic_id);
ALTER TABLE topics ENABLE ROW LEVEL SECURITY;
ALTER TABLE topics FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE topics FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE topics TO axai_app;
GRANT SELECT ON TABLE topics TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE topics TO axai_system;

CREATE TABLE user_roles (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    user_id uuid NOT NULL,
    role_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pk_user_roles PRIMARY KEY (org_id, id),
    CONSTRAINT uq_user_roles_org_id_user_id_role_id UNIQUE (org_id, user_id, role_id)
);
CREATE INDEX ix_user_roles_org_id_role_id ON user_roles USING btree (org_id, role_id);
ALTER TABLE user_roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_roles FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE user_roles FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE user_roles TO axai_app;
GRANT SELECT ON TABLE user_roles TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE user_roles TO axai_system;

CREATE TABLE users (
    org_id uuid NOT NULL,
    id uuid DEFAULT axai_uuid7() NOT NULL,
    username character varying(255) NOT NULL,
    email character varying(320) NOT NULL,
    hashed_password character varying(255),
    is_active boolean DEFAULT true NOT NULL,
    is_admin boolean DEFAULT false NOT NULL,
    is_email_verified boolean DEFAULT false NOT NULL,
    erased_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (org_id, id),
    CONSTRAINT ck_users_email_valid CHECK (email::text ~ '^[^@[:space:]]+@[^@[:space:]]+$'::text),
    CONSTRAINT ck_users_erased_is_nobody CHECK (erased_at IS NULL OR username::text ~ '^erased-[0-9a-f]{32}$'::text AND email::text = (username::text || '@erased.invalid'::text) AND hashed_password IS NULL AND NOT is_active AND NOT is_admin AND NOT is_email_verified),
    CONSTRAINT ck_users_username_is_no_address CHECK (strpos(username::text, '@'::text) = 0),
    CONSTRAINT ck_users_username_not_empty CHECK (btrim(username::text) <> ''::text),
    CONSTRAINT uq_users_org_id_username UNIQUE (org_id, username)
);
CREATE UNIQUE INDEX uq_users_org_id_email ON users USING btree (org_id, lower(email::text));
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE users FROM PUBLIC;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE users TO axai_app;
GRANT SELECT ON TABLE users TO axai_backup;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE users TO axai_system;

CREATE TRIGGER fill_tenant BEFORE INSERT ON andamios_changes FOR EACH ROW WHEN (new.tenant IS NULL) EXECUTE FUNCTION axai_fill_tenant();
CREATE POLICY axai_append ON andamios_changes AS PERMISSIVE FOR INSERT TO axai_app
    WITH CHECK (("position" >> 20) = (pg_current_xact_id()::text::bigint + COALESCE(( SELECT base."position"
   FROM andamios_followers base
  WHERE base.name::text = 'andamios:base'::text), 0::bigint)));
CREATE POLICY axai_base ON andamios_changes AS PERMISSIVE FOR SELECT TO axai_app
    USING (true);
CREATE POLICY axai_erase ON andamios_changes AS PERMISSIVE FOR UPDATE TO axai_owner
    USING (actor IS NOT NULL)
    WITH CHECK (actor IS NULL);
CREATE POLICY axai_read ON andamios_changes AS PERMISSIVE FOR SELECT TO axai_owner
    USING (true);
CREATE POLICY axai_tenant ON andamios_changes AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (tenant::text = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid::text AS "nullif")))
    WITH CHECK (tenant::text = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid::text AS "nullif")));
CREATE POLICY axai_base ON andamios_followers AS PERMISSIVE FOR SELECT TO axai_app
    USING (true);
CREATE POLICY axai_tenant ON andamios_followers AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (name::text = 'andamios:base'::text)
    WITH CHECK (false);
CREATE POLICY axai_tenant ON andamios_history AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (tenant::text = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid::text AS "nullif")))
    WITH CHECK (tenant::text = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid::text AS "nullif")));
CREATE TRIGGER digest_details BEFORE INSERT ON audit_log FOR EACH ROW WHEN (new.details IS NOT NULL) EXECUTE FUNCTION axai_digest_details();
CREATE TRIGGER refuse_change BEFORE DELETE OR UPDATE ON audit_log FOR EACH ROW EXECUTE FUNCTION axai_refuse_change();
CREATE TRIGGER refuse_rewrite BEFORE UPDATE ON audit_log FOR EACH ROW WHEN ((to_jsonb(old.*) - '{details,details_salt}'::text[]) IS DISTINCT FROM (to_jsonb(new.*) - '{details,details_salt}'::text[])) EXECUTE FUNCTION axai_refuse_rewrite();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION axai_refuse_change();
CREATE POLICY axai_append ON audit_log AS PERMISSIVE FOR INSERT TO axai_owner
    WITH CHECK (true);
CREATE POLICY axai_erase ON audit_log AS PERMISSIVE FOR UPDATE TO axai_owner
    USING (details IS NOT NULL)
    WITH CHECK (details IS NULL AND details_salt IS NULL);
CREATE POLICY axai_prune ON audit_log AS PERMISSIVE FOR DELETE TO axai_owner
    USING (true);
CREATE POLICY axai_read ON audit_log AS PERMISSIVE FOR SELECT TO axai_owner, axai_audit_reader
    USING (true);
CREATE POLICY axai_tenant ON audit_log AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")) OR CURRENT_USER = 'axai_owner'::name);
CREATE TRIGGER refuse_change BEFORE DELETE OR UPDATE ON audit_seals FOR EACH ROW EXECUTE FUNCTION axai_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit_seals FOR EACH STATEMENT EXECUTE FUNCTION axai_refuse_change();
CREATE POLICY axai_append ON audit_seals AS PERMISSIVE FOR INSERT TO axai_owner
    WITH CHECK (true);
CREATE POLICY axai_prune ON audit_seals AS PERMISSIVE FOR UPDATE TO axai_owner
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_read ON audit_seals AS PERMISSIVE FOR SELECT TO axai_owner, axai_audit_reader
    USING (true);
CREATE POLICY axai_tenant ON audit_seals AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE collections ADD CONSTRAINT fk_collections_org_id_organizations FOREIGN KEY (org_id) REFERENCES organizations(id) ON DELETE CASCADE;
ALTER TABLE collections ADD CONSTRAINT fk_collections_org_id_owner_id_users FOREIGN KEY (org_id, owner_id) REFERENCES users(org_id, id);
ALTER TABLE collections ADD CONSTRAINT fk_collections_org_id_parent_id_collections FOREIGN KEY (org_id, parent_id) REFERENCES collections(org_id, id) ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON collections FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER fill_organization BEFORE INSERT ON collections FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization();
CREATE TRIGGER refuse_cycle BEFORE INSERT OR UPDATE OF parent_id ON collections FOR EACH ROW EXECUTE FUNCTION axai_refuse_cycle('parent_id');
CREATE TRIGGER touch BEFORE UPDATE ON collections FOR EACH ROW EXECUTE FUNCTION axai_touch();
CREATE POLICY axai_base ON collections AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON collections AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE document_collections ADD CONSTRAINT fk_document_collections_org_id_collection_id_collections FOREIGN KEY (org_id, collection_id) REFERENCES collections(org_id, id) ON DELETE CASCADE;
ALTER TABLE document_collections ADD CONSTRAINT fk_document_collections_org_id_document_id_documents FOREIGN KEY (org_id, document_id) REFERENCES documents(org_id, id) ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON document_collections FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER fill_organization BEFORE INSERT ON document_collections FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization('documents', 'document_id');
CREATE POLICY axai_base ON document_collections AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON document_collections AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE document_permissions ADD CONSTRAINT fk_document_permissions_org_id_document_id_documents FOREIGN KEY (org_id, document_id) REFERENCES documents(org_id, id) ON DELETE CASCADE;
ALTER TABLE document_permissions ADD CONSTRAINT fk_document_permissions_org_id_granted_by_id_users FOREIGN KEY (org_id, granted_by_id) REFERENCES users(org_id, id) ON DELETE SET NULL (granted_by_id);
ALTER TABLE document_permissions ADD CONSTRAINT fk_document_permissions_org_id_role_id_roles FOREIGN KEY (org_id, role_id) REFERENCES roles(org_id, id) ON DELETE CASCADE;
ALTER TABLE document_permissions ADD CONSTRAINT fk_document_permissions_org_id_user_id_users FOREIGN KEY (org_id, user_id) REFERENCES users(org_id, id) ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON document_permissions FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER fill_organization BEFORE INSERT ON document_permissions FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization('documents', 'document_id');
CREATE POLICY axai_base ON document_permissions AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON document_permissions AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE document_topics ADD CONSTRAINT fk_document_topics_org_id_document_id_documents FOREIGN KEY (org_id, document_id) REFERENCES documents(org_id, id) ON DELETE CASCADE;
ALTER TABLE document_topics ADD CONSTRAINT fk_document_topics_org_id_topic_id_topics FOREIGN KEY (org_id, topic_id) REFERENCES topics(org_id, id) ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON document_topics FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER fill_organization BEFORE INSERT ON document_topics FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization('documents', 'document_id');
CREATE TRIGGER touch BEFORE UPDATE ON document_topics FOR EACH ROW EXECUTE FUNCTION axai_touch();
CREATE POLICY axai_base ON document_topics AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON document_topics AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE document_versions ADD CONSTRAINT fk_document_versions_org_id_created_by_id_users FOREIGN KEY (org_id, created_by_id) REFERENCES users(org_id, id) ON DELETE SET NULL (created_by_id);
ALTER TABLE document_versions ADD CONSTRAINT fk_document_versions_org_id_document_id_documents FOREIGN KEY (org_id, document_id) REFERENCES documents(org_id, id) ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON document_versions FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER fill_organization BEFORE INSERT ON document_versions FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization('documents', 'document_id');
CREATE POLICY axai_base ON document_versions AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON document_versions AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE documents ADD CONSTRAINT fk_documents_org_id_changed_by_id_users FOREIGN KEY (org_id, changed_by_id) REFERENCES users(org_id, id) ON DELETE SET NULL (changed_by_id);
ALTER TABLE documents ADD CONSTRAINT fk_documents_org_id_organizations FOREIGN KEY (org_id) REFERENCES organizations(id) ON DELETE CASCADE;
ALTER TABLE documents ADD CONSTRAINT fk_documents_org_id_owner_id_users FOREIGN KEY (org_id, owner_id) REFERENCES users(org_id, id);
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON documents FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER change_document BEFORE UPDATE ON documents FOR EACH ROW EXECUTE FUNCTION axai_change_document();
CREATE TRIGGER fill_organization BEFORE INSERT ON documents FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization();
CREATE TRIGGER keep_version AFTER UPDATE ON documents FOR EACH ROW EXECUTE FUNCTION axai_keep_version();
CREATE TRIGGER made_by BEFORE INSERT ON documents FOR EACH ROW EXECUTE FUNCTION axai_change_document();
CREATE TRIGGER touch BEFORE UPDATE ON documents FOR EACH ROW EXECUTE FUNCTION axai_touch();
CREATE POLICY axai_base ON documents AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON documents AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE graph_nodes ADD CONSTRAINT fk_graph_nodes_org_id_document_id_documents FOREIGN KEY (org_id, document_id) REFERENCES documents(org_id, id) ON DELETE CASCADE;
ALTER TABLE graph_nodes ADD CONSTRAINT fk_graph_nodes_org_id_organizations FOREIGN KEY (org_id) REFERENCES organizations(id) ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON graph_nodes FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER fill_organization BEFORE INSERT ON graph_nodes FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization();
CREATE TRIGGER touch BEFORE UPDATE ON graph_nodes FOR EACH ROW EXECUTE FUNCTION axai_touch();
CREATE POLICY axai_base ON graph_nodes AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON graph_nodes AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE graph_relationships ADD CONSTRAINT fk_graph_relationships_org_id_document_id_documents FOREIGN KEY (org_id, document_id) REFERENCES documents(org_id, id) ON DELETE CASCADE;
ALTER TABLE graph_relationships ADD CONSTRAINT fk_graph_relationships_org_id_source_node_id_graph_nodes FOREIGN KEY (org_id, source_node_id) REFERENCES graph_nodes(org_id, id) ON DELETE CASCADE;
ALTER TABLE graph_relationships ADD CONSTRAINT fk_graph_relationships_org_id_target_node_id_graph_nodes FOREIGN KEY (org_id, target_node_id) REFERENCES graph_nodes(org_id, id) ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON graph_relationships FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER fill_organization BEFORE INSERT ON graph_relationships FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization('graph_nodes', 'source_node_id');
CREATE TRIGGER touch BEFORE UPDATE ON graph_relationships FOR EACH ROW EXECUTE FUNCTION axai_touch();
CREATE POLICY axai_base ON graph_relationships AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON graph_relationships AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON organizations FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER touch BEFORE UPDATE ON organizations FOR EACH ROW EXECUTE FUNCTION axai_touch();
CREATE POLICY axai_base ON organizations AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON organizations AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE personal_data_requests ADD CONSTRAINT fk_personal_data_requests_org_id_user_id_users FOREIGN KEY (org_id, user_id) REFERENCES users(org_id, id) ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON personal_data_requests FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER fill_organization BEFORE INSERT ON personal_data_requests FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization('users', 'user_id');
CREATE TRIGGER touch BEFORE UPDATE ON personal_data_requests FOR EACH ROW EXECUTE FUNCTION axai_touch();
CREATE POLICY axai_base ON personal_data_requests AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON personal_data_requests AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE role_permissions ADD CONSTRAINT fk_role_permissions_org_id_role_id_roles FOREIGN KEY (org_id, role_id) REFERENCES roles(org_id, id) ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON role_permissions FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER fill_organization BEFORE INSERT ON role_permissions FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization('roles', 'role_id');
CREATE POLICY axai_base ON role_permissions AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON role_permissions AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE roles ADD CONSTRAINT fk_roles_org_id_organizations FOREIGN KEY (org_id) REFERENCES organizations(id) ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON roles FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER fill_organization BEFORE INSERT ON roles FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization();
CREATE TRIGGER touch BEFORE UPDATE ON roles FOR EACH ROW EXECUTE FUNCTION axai_touch();
CREATE POLICY axai_base ON roles AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON roles AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE summaries ADD CONSTRAINT fk_summaries_org_id_document_id_documents FOREIGN KEY (org_id, document_id) REFERENCES documents(org_id, id) ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON summaries FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER fill_organization BEFORE INSERT ON summaries FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization('documents', 'document_id');
CREATE TRIGGER touch BEFORE UPDATE ON summaries FOR EACH ROW EXECUTE FUNCTION axai_touch();
CREATE POLICY axai_base ON summaries AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON summaries AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE topics ADD CONSTRAINT fk_topics_org_id_organizations FOREIGN KEY (org_id) REFERENCES organizations(id) ON DELETE CASCADE;
ALTER TABLE topics ADD CONSTRAINT fk_topics_org_id_parent_topic_id_topics FOREIGN KEY (org_id, parent_topic_id) REFERENCES topics(org_id, id) ON DELETE SET NULL (parent_topic_id);
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON topics FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER fill_organization BEFORE INSERT ON topics FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization();
CREATE TRIGGER refuse_cycle BEFORE INSERT OR UPDATE OF parent_topic_id ON topics FOR EACH ROW EXECUTE FUNCTION axai_refuse_cycle('parent_topic_id');
CREATE TRIGGER touch BEFORE UPDATE ON topics FOR EACH ROW EXECUTE FUNCTION axai_touch();
CREATE POLICY axai_base ON topics AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON topics AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE user_roles ADD CONSTRAINT fk_user_roles_org_id_role_id_roles FOREIGN KEY (org_id, role_id) REFERENCES roles(org_id, id) ON DELETE CASCADE;
ALTER TABLE user_roles ADD CONSTRAINT fk_user_roles_org_id_user_id_users FOREIGN KEY (org_id, user_id) REFERENCES users(org_id, id) ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON user_roles FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER fill_organization BEFORE INSERT ON user_roles FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization('users', 'user_id');
CREATE POLICY axai_base ON user_roles AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON user_roles AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));
ALTER TABLE users ADD CONSTRAINT fk_users_org_id_organizations FOREIGN KEY (org_id) REFERENCES organizations(id) ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION axai_audit();
CREATE TRIGGER check_erasure BEFORE UPDATE ON users FOR EACH ROW WHEN (old.erased_at IS DISTINCT FROM new.erased_at) EXECUTE FUNCTION axai_check_erasure();
CREATE TRIGGER erase_traces BEFORE UPDATE ON users FOR EACH ROW WHEN (old.erased_at IS NULL AND new.erased_at IS NOT NULL) EXECUTE FUNCTION axai_erase_traces();
CREATE TRIGGER fill_organization BEFORE INSERT ON users FOR EACH ROW WHEN (new.org_id IS NULL) EXECUTE FUNCTION axai_fill_organization();
CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION axai_touch();
CREATE POLICY axai_base ON users AS PERMISSIVE FOR ALL TO axai_app
    USING (true)
    WITH CHECK (true);
CREATE POLICY axai_tenant ON users AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")))
    WITH CHECK (org_id = (( SELECT NULLIF(current_setting('axai.org_id'::text, true), ''::text)::uuid AS "nullif")));

COMMIT;
