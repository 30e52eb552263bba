-- Deploy axai:20261129_0005_graph to pg
-- requires: 20261129_0003_documents
-- What: nodes and relationships of a graph, found in documents.
-- Impact: new tables only; no lock on a table in use, no rewrite, no time that grows with rows.
-- Compatibility: nothing before used these tables.

BEGIN;

SET LOCAL ROLE axai_owner;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;

CREATE TABLE graph_nodes (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    document_id uuid,
    entity_id varchar(255),
    node_type varchar(50) NOT NULL,
    name varchar(255) NOT NULL,
    description varchar(5000),
    properties jsonb NOT NULL DEFAULT '{}',
    created_by_tool varchar(100) NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_graph_nodes PRIMARY KEY (org_id, id),
    CONSTRAINT fk_graph_nodes_org_id_organizations FOREIGN KEY (org_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT fk_graph_nodes_org_id_document_id_documents FOREIGN KEY (org_id, document_id)
        REFERENCES documents (org_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_graph_nodes_name_not_empty CHECK (btrim(name) <> ''),
    CONSTRAINT ck_graph_nodes_node_type_not_empty CHECK (btrim(node_type) <> '')
);
CREATE INDEX ix_graph_nodes_org_id_document_id ON graph_nodes (org_id, document_id);
CREATE INDEX ix_graph_nodes_org_id_node_type_name ON graph_nodes (org_id, node_type, name);
CREATE INDEX ix_graph_nodes_org_id_entity_id ON graph_nodes (org_id, entity_id)
    WHERE entity_id IS NOT NULL;
CALL axai_isolate('graph_nodes');

CREATE TABLE graph_relationships (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    source_node_id uuid NOT NULL,
    target_node_id uuid NOT NULL,
    document_id uuid,
    relationship_type varchar(50) NOT NULL,
    is_directed boolean NOT NULL DEFAULT true,
    weight numeric(10, 5),
    confidence_score numeric(5, 4),
    properties jsonb NOT NULL DEFAULT '{}',
    created_by_tool varchar(100) NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_graph_relationships PRIMARY KEY (org_id, id),
    CONSTRAINT fk_graph_relationships_org_id_source_node_id_graph_nodes
        FOREIGN KEY (org_id, source_node_id) REFERENCES graph_nodes (org_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_graph_relationships_org_id_target_node_id_graph_nodes
        FOREIGN KEY (org_id, target_node_id) REFERENCES graph_nodes (org_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_graph_relationships_org_id_document_id_documents
        FOREIGN KEY (org_id, document_id) REFERENCES documents (org_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_graph_relationships_relationship_type_not_empty
        CHECK (btrim(relationship_type) <> ''),
    CONSTRAINT ck_graph_relationships_valid_weight CHECK (weight > 0),
    CONSTRAINT ck_graph_relationships_valid_confidence CHECK (confidence_score BETWEEN 0 AND 1)
);
CREATE INDEX ix_graph_relationships_org_id_source_node_id
    ON graph_relationships (org_id, source_node_id, target_node_id);
CREATE INDEX ix_graph_relationships_org_id_target_node_id
    ON graph_relationships (org_id, target_node_id, source_node_id);
CREATE INDEX ix_graph_relationships_org_id_document_id
    ON graph_relationships (org_id, document_id) WHERE document_id IS NOT NULL;
CALL axai_isolate('graph_relationships', 'graph_nodes', 'source_node_id');

COMMIT;
