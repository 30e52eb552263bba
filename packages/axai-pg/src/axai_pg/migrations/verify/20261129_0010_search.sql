-- Verify axai:20261129_0010_search on pg

BEGIN;

SET LOCAL ROLE axai_owner;
SELECT 1 / (CASE WHEN count(*) = 2 THEN 1 ELSE 0 END) FROM pg_proc
WHERE proname IN ('axai_find_documents', 'axai_documents_with')
AND pronamespace = current_schema()::regnamespace AND prosecdef
AND proowner = 'axai_search'::regrole AND proconfig::text LIKE '%search_path=%pg_temp%'
AND prosrc LIKE '%org_id = nullif(current_setting(''axai.org_id'', true), '''')::uuid%'
AND has_function_privilege('axai_app', oid, 'EXECUTE');

ROLLBACK;
