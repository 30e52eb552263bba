-- Verify axai:20261129_0006_collections on pg

BEGIN;

SET LOCAL ROLE axai_owner;
SELECT org_id, id, parent_id, owner_id, name, description, created_at, updated_at, deleted_at
FROM collections WHERE false;
SELECT org_id, id, collection_id, document_id, added_at FROM document_collections WHERE false;
CALL axai_verify_isolated('collections');
CALL axai_verify_isolated('document_collections');
SELECT 1 / count(*) FROM pg_trigger
WHERE tgrelid = 'collections'::regclass AND tgname = 'refuse_cycle' AND tgenabled = 'O';

ROLLBACK;
