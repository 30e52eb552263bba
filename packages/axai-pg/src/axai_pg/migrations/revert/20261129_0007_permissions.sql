-- Revert axai:20261129_0007_permissions from pg

BEGIN;

SET LOCAL ROLE axai_owner;
DROP TABLE document_permissions;
DROP TABLE user_roles;
DROP TABLE role_permissions;
DROP TABLE roles;

COMMIT;
