-- Verify axai:20261129_0001_foundation on pg

BEGIN;

SET LOCAL ROLE axai_owner;
SELECT org_id, id, occurred_at, transaction_id, actor_id, login, action, table_name, row_id,
    columns, details
FROM audit_log WHERE false;
SELECT 1 / (CASE WHEN substring(axai_uuid7()::text FROM 15 FOR 1) = '7' THEN 1 ELSE 0 END);
DO $$
BEGIN
    IF NOT (
        SELECT relrowsecurity AND relforcerowsecurity FROM pg_class
        WHERE oid = 'audit_log'::regclass
    ) THEN
        RAISE EXCEPTION 'audit_log: row security is not forced';
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_policy
        WHERE polrelid = 'audit_log'::regclass AND NOT polpermissive AND polcmd = '*'
        AND polroles = '{0}'
    ) THEN
        RAISE EXCEPTION 'audit_log: the policy of the tenant is missing';
    END IF;
    IF EXISTS (
        SELECT FROM pg_class, aclexplode(relacl)
        WHERE oid = 'audit_log'::regclass AND grantee <> 'axai_owner'::regrole
        AND privilege_type <> 'SELECT'
    ) THEN
        RAISE EXCEPTION 'audit_log: somebody may do more than read it';
    END IF;
    IF (
        SELECT count(*) FROM pg_trigger
        WHERE tgrelid = 'audit_log'::regclass AND tgname IN ('refuse_change', 'refuse_truncate')
        AND tgenabled = 'O'
    ) <> 2 THEN
        RAISE EXCEPTION 'audit_log: changes are not refused';
    END IF;
    IF EXISTS (
        SELECT FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND proname LIKE 'axai\_%'
        AND prosecdef AND NOT coalesce(proconfig::text LIKE '%search_path=%pg_temp%', false)
    ) THEN
        RAISE EXCEPTION 'a function that acts as the owner looks for tables anywhere';
    END IF;
END $$;

ROLLBACK;
