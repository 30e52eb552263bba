-- Revert axai:20261129_0003_documents from pg

BEGIN;

SET LOCAL ROLE axai_owner;
DROP TABLE document_versions;
DROP TABLE documents;
DROP FUNCTION axai_keep_version();
DROP FUNCTION axai_change_document();
DROP FUNCTION axai_text_search(text);

COMMIT;
