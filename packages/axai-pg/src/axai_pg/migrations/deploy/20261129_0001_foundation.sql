-- Deploy axai:20261129_0001_foundation to pg
-- What: keys, the procedure that isolates a table, and the audit log with its trigger.
-- Impact: new objects only; no lock on a table in use, no rewrite, no time that grows with rows.
-- Compatibility: PostgreSQL 15 or newer; the roles of axai_pg.utils.roles, and btree_gin.

BEGIN;

SET LOCAL ROLE axai_owner;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;

CREATE EXTENSION IF NOT EXISTS btree_gin;

-- The layout of PostgreSQL 18's uuidv7(), on every version: 48 bits of milliseconds, 12 of
-- their fraction, 62 at random. Python makes its keys itself; this is for other clients.
CREATE FUNCTION axai_uuid7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN (
    SELECT encode(
        substring(int8send(micros / 1000) FROM 3)
        || int2send((28672 + (micros % 1000) * 4096 / 1000)::smallint)
        || substring(uuid_send(gen_random_uuid()) FROM 9),
        'hex'
    )::uuid
    FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros) AS moment
);

-- What SQL clients leave to us. A client that sets updated_at itself, as the models do, is obeyed.
CREATE FUNCTION axai_touch() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.updated_at = OLD.updated_at THEN
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END $$;

-- Called only for rows without org_id: it is the context's. Where there is none, as in the
-- scope of an operator, it is the parent's: argument 0 is its table, argument 1 the key to it.
-- An id is unique within an organisation only: where two have it, none is guessed.
CREATE FUNCTION axai_fill_organization() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.org_id := nullif(current_setting('axai.org_id', true), '')::uuid;
    IF NEW.org_id IS NULL AND TG_NARGS = 2 THEN
        EXECUTE format(
            'SELECT (array_agg(org_id))[1] FROM %I WHERE id = ($1).%I HAVING count(*) = 1',
            TG_ARGV[0], TG_ARGV[1]
        ) INTO NEW.org_id USING NEW;
    END IF;
    RETURN NEW;
END $$;

-- Rows form a tree: argument 0 is the column with the key of the parent. Writers of one
-- organisation take turns, or two moves at the same time could close a circle together. Who
-- has waited may see the tree of before: what is above a row that moves is locked, which fails
-- where another has moved or removed some of it since. It does not wait for one who does so
-- now: that one may wait for its turn.
CREATE FUNCTION axai_refuse_cycle() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
END $$;

CREATE FUNCTION axai_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = 'axai_owner' THEN
        RETURN coalesce(NEW, OLD);
    END IF;
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING
        ERRCODE = 'insufficient_privilege', TABLE = TG_TABLE_NAME;
END $$;

-- No foreign keys: what happened stays, also when whoever it happened to has gone. Columns
-- are named, their values are not kept: the log holds nothing that an erasure would look for.
CREATE TABLE audit_log (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    transaction_id bigint NOT NULL DEFAULT (pg_current_xact_id()::text)::bigint,
    actor_id uuid,
    login varchar(63) NOT NULL DEFAULT session_user,
    action varchar(50) NOT NULL,
    table_name varchar(63),
    row_id uuid,
    columns text[],
    details jsonb,
    CONSTRAINT pk_audit_log PRIMARY KEY (org_id, id)
);
CREATE INDEX ix_audit_log_org_id_occurred_at ON audit_log (org_id, occurred_at DESC, id);
CREATE INDEX ix_audit_log_org_id_row_id ON audit_log (org_id, row_id);

CREATE FUNCTION axai_audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
END $$;

-- Everything that makes a table safe, in one place. The policy of the tenant is restrictive
-- and for everybody: no policy that is added later can open what it closes.
CREATE PROCEDURE axai_isolate(
    target text, parent text DEFAULT NULL, parent_key text DEFAULT NULL, tenant text DEFAULT 'org_id'
)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
END $$;

-- Raises unless a table is as axai_isolate() leaves it; for the scripts that verify.
CREATE PROCEDURE axai_verify_isolated(target text, tenant text DEFAULT 'org_id')
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
END $$;

ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_log FORCE ROW LEVEL SECURITY;
-- The trigger writes as the owner, and what an operator changes belongs to many organisations.
CREATE POLICY axai_tenant ON audit_log AS RESTRICTIVE TO PUBLIC
    USING (org_id = (SELECT nullif(current_setting('axai.org_id', true), '')::uuid))
    WITH CHECK (
        org_id = (SELECT nullif(current_setting('axai.org_id', true), '')::uuid)
        OR current_user = 'axai_owner'
    );
CREATE POLICY axai_append ON audit_log FOR INSERT TO axai_owner WITH CHECK (true);
CREATE POLICY axai_read ON audit_log FOR SELECT TO axai_owner, axai_audit_reader USING (true);
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION axai_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION axai_refuse_change();
REVOKE ALL ON audit_log FROM PUBLIC;
GRANT SELECT ON audit_log TO axai_audit_reader, axai_system, axai_backup;

-- What is no change of a row: an export, a refusal, a scope of an operator. What concerns no
-- single organisation is filed under the nil UUID, which no organisation can have.
CREATE FUNCTION axai_note(action text, details jsonb DEFAULT NULL) RETURNS void
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
CREATE FUNCTION axai_note_operation(action text, details jsonb DEFAULT NULL) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    INSERT INTO audit_log (org_id, actor_id, action, details) VALUES (
        coalesce(
            nullif(current_setting('axai.org_id', true), ''), '00000000-0000-0000-0000-000000000000'
        )::uuid,
        nullif(current_setting('axai.user_id', true), '')::uuid, action, details
    )
$$;

REVOKE ALL ON FUNCTION axai_uuid7(), axai_touch(), axai_fill_organization(), axai_refuse_cycle(),
    axai_refuse_change(), axai_audit(), axai_note(text, jsonb), axai_note_operation(text, jsonb)
    FROM PUBLIC;
REVOKE ALL ON PROCEDURE axai_isolate(text, text, text, text), axai_verify_isolated(text, text)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION axai_uuid7() TO axai_app, axai_system;
GRANT EXECUTE ON FUNCTION axai_note(text, jsonb) TO axai_app, axai_system;
GRANT EXECUTE ON FUNCTION axai_note_operation(text, jsonb) TO axai_system;

COMMIT;
