-- Deploy axai:20261129_0006_collections to pg
-- requires: 20261129_0003_documents
-- What: collections of documents, one inside another.
-- Impact: new tables only; no lock on a table in use, no rewrite, no time that grows with rows.
-- Compatibility: nothing before used these tables.

BEGIN;

SET LOCAL ROLE axai_owner;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;

CREATE TABLE collections (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    parent_id uuid,
    owner_id uuid NOT NULL,
    name varchar(255) NOT NULL,
    description varchar(5000),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    CONSTRAINT pk_collections PRIMARY KEY (org_id, id),
    CONSTRAINT fk_collections_org_id_organizations FOREIGN KEY (org_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT fk_collections_org_id_parent_id_collections FOREIGN KEY (org_id, parent_id)
        REFERENCES collections (org_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_collections_org_id_owner_id_users FOREIGN KEY (org_id, owner_id)
        REFERENCES users (org_id, id),
    CONSTRAINT ck_collections_name_not_empty CHECK (btrim(name) <> '')
);
CREATE INDEX ix_collections_org_id_parent_id ON collections (org_id, parent_id, name);
CREATE INDEX ix_collections_org_id_owner_id ON collections (org_id, owner_id);
CALL axai_isolate('collections');
CREATE TRIGGER refuse_cycle BEFORE INSERT OR UPDATE OF parent_id ON collections
    FOR EACH ROW EXECUTE FUNCTION axai_refuse_cycle('parent_id');

CREATE TABLE document_collections (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    collection_id uuid NOT NULL,
    document_id uuid NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_document_collections PRIMARY KEY (org_id, id),
    CONSTRAINT fk_document_collections_org_id_collection_id_collections
        FOREIGN KEY (org_id, collection_id) REFERENCES collections (org_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_document_collections_org_id_document_id_documents
        FOREIGN KEY (org_id, document_id) REFERENCES documents (org_id, id) ON DELETE CASCADE,
    CONSTRAINT uq_document_collections_org_id_collection_id_document_id
        UNIQUE (org_id, collection_id, document_id)
);
CREATE INDEX ix_document_collections_org_id_document_id
    ON document_collections (org_id, document_id);
CALL axai_isolate('document_collections', 'documents', 'document_id');

COMMIT;
