-- Revert axai:20261129_0004_topics from pg

BEGIN;

SET LOCAL ROLE axai_owner;
DROP TABLE document_topics;
DROP TABLE topics;
DROP TABLE summaries;

COMMIT;
