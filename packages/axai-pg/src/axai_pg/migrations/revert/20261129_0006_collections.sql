-- Revert axai:20261129_0006_collections from pg

BEGIN;

SET LOCAL ROLE axai_owner;
DROP TABLE document_collections;
DROP TABLE collections;

COMMIT;
