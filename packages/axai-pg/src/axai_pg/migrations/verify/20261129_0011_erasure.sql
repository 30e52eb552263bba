-- Verify axai:20261129_0011_erasure on pg

BEGIN;

SET LOCAL ROLE axai_owner;
SELECT details_salt, details_digest FROM audit_log WHERE false;
SELECT 1 / (CASE WHEN count(*) = 4 THEN 1 ELSE 0 END) FROM pg_trigger
WHERE tgrelid IN ('audit_log'::regclass, 'users'::regclass)
AND tgname IN ('digest_details', 'check_erasure', 'erase_traces', 'refuse_rewrite')
AND tgenabled = 'O';
SELECT 1 / (CASE WHEN count(*) = 3 THEN 1 ELSE 0 END) FROM pg_policy
WHERE polrelid IN ('audit_log'::regclass, 'andamios_changes'::regclass) AND polpermissive
AND polroles = ARRAY['axai_owner'::regrole::oid] AND (polname, polcmd) IN (
    ('axai_erase', 'w'), ('axai_read', CASE polrelid WHEN 'andamios_changes'::regclass THEN 'r' END)
);
SELECT 1 / (CASE WHEN count(*) = 1 THEN 1 ELSE 0 END) FROM pg_proc
WHERE proname = 'axai_audit_entries' AND pronamespace = current_schema()::regnamespace
AND prosrc LIKE '%axai_details_digest%';
SELECT 1 / (CASE WHEN count(*) = 2 THEN 1 ELSE 0 END) FROM pg_constraint
WHERE conrelid = 'users'::regclass AND convalidated
AND conname IN ('ck_users_username_is_no_address', 'ck_users_erased_is_nobody');
SELECT 1 / (CASE WHEN count(*) = 1 THEN 1 ELSE 0 END) FROM pg_proc
WHERE proname = 'axai_note' AND pronamespace = current_schema()::regnamespace
AND prosrc LIKE '%only an operator notes%';

ROLLBACK;
