-- Deploy axai:20261129_0009_feed to pg
-- requires: 20261129_0001_foundation
-- What: the tables of andamios_orm's change feed; models of axai leave keys in it, no values.
-- Impact: new tables only; no lock on a table in use, no rewrite, no time that grows with rows.
-- Compatibility: nothing before used these tables.

BEGIN;

SET LOCAL ROLE axai_owner;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;

CREATE TABLE andamios_changes (
    position bigint NOT NULL,
    time timestamptz NOT NULL,
    actor varchar,
    entity varchar NOT NULL,
    key varchar,
    kind varchar NOT NULL,
    count bigint NOT NULL,
    keys jsonb,
    first_key varchar,
    last_key varchar,
    tenant varchar,
    CONSTRAINT pk_andamios_changes PRIMARY KEY (position)
);
CREATE INDEX ix_andamios_changes_tenant_position ON andamios_changes (tenant, position);
CREATE TABLE andamios_history (
    entity varchar NOT NULL,
    key varchar NOT NULL,
    position bigint NOT NULL,
    time timestamptz NOT NULL,
    actor varchar,
    kind varchar NOT NULL,
    version bigint,
    before jsonb,
    after jsonb,
    tenant varchar,
    CONSTRAINT pk_andamios_history PRIMARY KEY (entity, key, position)
);
CREATE TABLE andamios_followers (
    name varchar NOT NULL,
    position bigint NOT NULL,
    time timestamptz NOT NULL,
    CONSTRAINT pk_andamios_followers PRIMARY KEY (name)
);

-- Not every change is of one row whose organisation is known: an UPDATE of many is not.
CREATE FUNCTION axai_fill_tenant() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.tenant := nullif(current_setting('axai.org_id', true), '')::uuid;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION axai_fill_tenant() FROM PUBLIC;
CREATE TRIGGER fill_tenant BEFORE INSERT ON andamios_changes FOR EACH ROW
    WHEN (NEW.tenant IS NULL) EXECUTE FUNCTION axai_fill_tenant();

DO $$
DECLARE
    feed text;
BEGIN
    FOREACH feed IN ARRAY ARRAY['andamios_changes', 'andamios_history', 'andamios_followers'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', feed);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', feed);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', feed);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO axai_system', feed);
        EXECUTE format('GRANT SELECT ON %I TO axai_backup', feed);
    END LOOP;
    FOREACH feed IN ARRAY ARRAY['andamios_changes', 'andamios_history'] LOOP
        EXECUTE format(
            $policy$CREATE POLICY axai_tenant ON %I AS RESTRICTIVE TO PUBLIC
            USING (tenant = (SELECT nullif(current_setting('axai.org_id', true), '')::uuid::text))
            WITH CHECK (tenant = (SELECT nullif(current_setting('axai.org_id', true), '')::uuid::text))
            $policy$, feed
        );
    END LOOP;
END $$;

-- Positions are the cluster's, so that "taken" would tell of another organisation: a position
-- has to be one of this transaction's own, before the index is asked.
CREATE POLICY axai_base ON andamios_changes FOR SELECT TO axai_app USING (true);
CREATE POLICY axai_append ON andamios_changes FOR INSERT TO axai_app WITH CHECK (
    position >> 20 = pg_current_xact_id()::text::bigint + coalesce((
        SELECT base.position FROM andamios_followers AS base WHERE base.name = 'andamios:base'
    ), 0)
);
GRANT SELECT, INSERT ON andamios_changes TO axai_app;

-- Followers serve all organisations, so they are an operator's; writers look up one number.
CREATE POLICY axai_tenant ON andamios_followers AS RESTRICTIVE TO PUBLIC
    USING (name = 'andamios:base') WITH CHECK (false);
CREATE POLICY axai_base ON andamios_followers FOR SELECT TO axai_app USING (true);
GRANT SELECT ON andamios_followers TO axai_app;

COMMIT;
