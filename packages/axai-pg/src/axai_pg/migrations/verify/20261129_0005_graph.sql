-- Verify axai:20261129_0005_graph on pg

BEGIN;

SET LOCAL ROLE axai_owner;
SELECT org_id, id, document_id, entity_id, node_type, name, description, properties,
    created_by_tool, is_active, created_at, updated_at
FROM graph_nodes WHERE false;
SELECT org_id, id, source_node_id, target_node_id, document_id, relationship_type, is_directed,
    weight, confidence_score, properties, created_by_tool, is_active, created_at, updated_at
FROM graph_relationships WHERE false;
CALL axai_verify_isolated('graph_nodes');
CALL axai_verify_isolated('graph_relationships');

ROLLBACK;
