-- Revert axai:20261129_0005_graph from pg

BEGIN;

SET LOCAL ROLE axai_owner;
DROP TABLE graph_relationships;
DROP TABLE graph_nodes;

COMMIT;
