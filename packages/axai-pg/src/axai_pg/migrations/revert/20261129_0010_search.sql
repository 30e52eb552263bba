-- Revert axai:20261129_0010_search from pg

BEGIN;

SET LOCAL ROLE axai_search;
DROP FUNCTION axai_documents_with(jsonb);
DROP FUNCTION axai_find_documents(tsquery);
SET LOCAL ROLE axai_owner;
REVOKE SELECT (org_id, id, search_vector, metadata) ON documents FROM axai_search;

COMMIT;
