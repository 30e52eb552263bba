-- Deploy axai:20261129_0004_topics to pg
-- requires: 20261129_0003_documents
-- What: summaries of documents, a tree of topics, and what each document is about.
-- Impact: new tables only; no lock on a table in use, no rewrite, no time that grows with rows.
-- Compatibility: nothing before used these tables.

BEGIN;

SET LOCAL ROLE axai_owner;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;

CREATE TABLE summaries (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    document_id uuid NOT NULL,
    content text NOT NULL,
    summary_type varchar(50) NOT NULL DEFAULT 'abstract',
    target_audience varchar(50),
    tool_agent varchar(100) NOT NULL,
    tool_version varchar(50),
    config_parameters jsonb,
    confidence_score numeric(5, 4),
    word_count integer,
    language_code varchar(10) NOT NULL DEFAULT 'en',
    processing_time_ms integer,
    status varchar NOT NULL DEFAULT 'draft',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_summaries PRIMARY KEY (org_id, id),
    CONSTRAINT fk_summaries_org_id_document_id_documents FOREIGN KEY (org_id, document_id)
        REFERENCES documents (org_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_summaries_content_not_empty CHECK (btrim(content) <> ''),
    CONSTRAINT ck_summaries_tool_agent_not_empty CHECK (btrim(tool_agent) <> ''),
    CONSTRAINT ck_summaries_valid_confidence CHECK (confidence_score BETWEEN 0 AND 1),
    CONSTRAINT ck_summaries_valid_status CHECK (status::text IN ('draft', 'published', 'archived'))
);
CREATE INDEX ix_summaries_org_id_document_id ON summaries (org_id, document_id, created_at DESC);
CALL axai_isolate('summaries', 'documents', 'document_id');

CREATE TABLE topics (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    parent_topic_id uuid,
    name varchar(100) NOT NULL,
    description varchar(5000),
    keywords text[] NOT NULL DEFAULT '{}',
    extraction_method varchar(50),
    global_importance numeric(5, 4),
    created_by_tool varchar(100),
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_topics PRIMARY KEY (org_id, id),
    CONSTRAINT fk_topics_org_id_organizations FOREIGN KEY (org_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT fk_topics_org_id_parent_topic_id_topics FOREIGN KEY (org_id, parent_topic_id)
        REFERENCES topics (org_id, id) ON DELETE SET NULL (parent_topic_id),
    CONSTRAINT uq_topics_org_id_name UNIQUE (org_id, name),
    CONSTRAINT ck_topics_name_not_empty CHECK (btrim(name) <> ''),
    CONSTRAINT ck_topics_valid_importance CHECK (global_importance BETWEEN 0 AND 1)
);
CREATE INDEX ix_topics_org_id_parent_topic_id ON topics (org_id, parent_topic_id);
CALL axai_isolate('topics');
CREATE TRIGGER refuse_cycle BEFORE INSERT OR UPDATE OF parent_topic_id ON topics
    FOR EACH ROW EXECUTE FUNCTION axai_refuse_cycle('parent_topic_id');

CREATE TABLE document_topics (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    document_id uuid NOT NULL,
    topic_id uuid NOT NULL,
    relevance_score numeric(5, 4) NOT NULL DEFAULT 1,
    context jsonb,
    extracted_by_tool varchar(100) NOT NULL,
    extracted_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_document_topics PRIMARY KEY (org_id, id),
    CONSTRAINT fk_document_topics_org_id_document_id_documents FOREIGN KEY (org_id, document_id)
        REFERENCES documents (org_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_document_topics_org_id_topic_id_topics FOREIGN KEY (org_id, topic_id)
        REFERENCES topics (org_id, id) ON DELETE CASCADE,
    CONSTRAINT uq_document_topics_org_id_document_id_topic_id
        UNIQUE (org_id, document_id, topic_id),
    CONSTRAINT ck_document_topics_valid_relevance CHECK (relevance_score BETWEEN 0 AND 1)
);
CREATE INDEX ix_document_topics_org_id_topic_id
    ON document_topics (org_id, topic_id, relevance_score DESC);
CALL axai_isolate('document_topics', 'documents', 'document_id');

COMMIT;
