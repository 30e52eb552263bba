-- Verify axai:20261129_0008_accountability on pg

BEGIN;

SET LOCAL ROLE axai_owner;
SELECT org_id, id, number, sealed_at, upto, entries, digest, pruned_at FROM audit_seals WHERE false;
SELECT org_id, id, user_id, kind, status, note, completed_at, created_at, updated_at
FROM personal_data_requests WHERE false;
CALL axai_verify_isolated('personal_data_requests');
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid
        WHERE pg_class.oid = 'audit_seals'::regclass AND relrowsecurity AND relforcerowsecurity
        AND NOT polpermissive AND polcmd = '*' AND polroles = '{0}'
    ) THEN
        RAISE EXCEPTION 'audit_seals: the policy of the tenant is missing or not forced';
    END IF;
    IF EXISTS (
        SELECT FROM pg_class, aclexplode(relacl)
        WHERE oid = 'audit_seals'::regclass AND grantee <> 'axai_owner'::regrole
        AND privilege_type <> 'SELECT'
    ) THEN
        RAISE EXCEPTION 'audit_seals: somebody may do more than read it';
    END IF;
    IF (
        SELECT count(*) FROM pg_trigger
        WHERE tgrelid = 'audit_seals'::regclass AND tgname IN ('refuse_change', 'refuse_truncate')
        AND tgenabled = 'O'
    ) <> 2 THEN
        RAISE EXCEPTION 'audit_seals: changes are not refused';
    END IF;
END $$;

ROLLBACK;
