-- Verify axai:20261129_0003_documents on pg

BEGIN;

SET LOCAL ROLE axai_owner;
SELECT org_id, id, owner_id, title, description, content, language, filename, file_path,
    file_format, content_type, document_type, status, processing_status, source, external_ref_id,
    metadata, size, word_count, content_hash, changed_by_id, change_description, search_vector,
    created_at, updated_at, version, deleted_at
FROM documents WHERE false;
SELECT org_id, id, document_id, version, title, description, content, language, filename,
    file_path, content_type, document_type, status, metadata, changed_columns, created_by_id,
    change_description, created_at
FROM document_versions WHERE false;
CALL axai_verify_isolated('documents');
CALL axai_verify_isolated('document_versions');
SELECT 1 / count(*) FROM pg_trigger
WHERE tgrelid = 'documents'::regclass AND tgname = 'keep_version' AND tgenabled = 'O';

ROLLBACK;
