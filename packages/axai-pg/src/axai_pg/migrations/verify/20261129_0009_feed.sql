-- Verify axai:20261129_0009_feed on pg

BEGIN;

SET LOCAL ROLE axai_owner;
SELECT position, time, actor, entity, key, kind, count, keys, first_key, last_key, tenant
FROM andamios_changes WHERE false;
SELECT entity, key, position, time, actor, kind, version, before, after, tenant
FROM andamios_history WHERE false;
SELECT name, position, time FROM andamios_followers WHERE false;
DO $$
DECLARE
    missing text;
BEGIN
    SELECT string_agg(name, ', ') INTO missing
    FROM (VALUES ('andamios_changes'), ('andamios_history'), ('andamios_followers')) AS feed(name)
    WHERE NOT EXISTS (
        SELECT FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid
        WHERE pg_class.oid = name::regclass AND relrowsecurity AND relforcerowsecurity
        AND NOT polpermissive AND polcmd = '*' AND polroles = '{0}'
    );
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'the policy of the tenant is missing or not forced: %', missing;
    END IF;
    SELECT string_agg(format('%s on %s', privilege_type, relname), ', ') INTO missing
    FROM pg_class, aclexplode(relacl)
    WHERE oid IN ('andamios_changes'::regclass, 'andamios_history'::regclass,
        'andamios_followers'::regclass)
    AND grantee IN (0, 'axai_app'::regrole)
    AND (relname, privilege_type) NOT IN (
        ('andamios_changes', 'SELECT'), ('andamios_changes', 'INSERT'),
        ('andamios_followers', 'SELECT')
    );
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'granted without need: %', missing;
    END IF;
END $$;

ROLLBACK;
