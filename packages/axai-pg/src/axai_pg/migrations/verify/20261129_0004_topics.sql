-- Verify axai:20261129_0004_topics on pg

BEGIN;

SET LOCAL ROLE axai_owner;
SELECT org_id, id, document_id, content, summary_type, target_audience, tool_agent, tool_version,
    config_parameters, confidence_score, word_count, language_code, processing_time_ms, status,
    created_at, updated_at
FROM summaries WHERE false;
SELECT org_id, id, parent_topic_id, name, description, keywords, extraction_method,
    global_importance, created_by_tool, is_active, created_at, updated_at
FROM topics WHERE false;
SELECT org_id, id, document_id, topic_id, relevance_score, context, extracted_by_tool,
    extracted_at, created_at, updated_at
FROM document_topics WHERE false;
CALL axai_verify_isolated('summaries');
CALL axai_verify_isolated('topics');
CALL axai_verify_isolated('document_topics');
SELECT 1 / count(*) FROM pg_trigger
WHERE tgrelid = 'topics'::regclass AND tgname = 'refuse_cycle' AND tgenabled = 'O';

ROLLBACK;
