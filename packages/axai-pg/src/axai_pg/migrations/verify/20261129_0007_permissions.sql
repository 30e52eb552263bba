-- Verify axai:20261129_0007_permissions on pg

BEGIN;

SET LOCAL ROLE axai_owner;
SELECT org_id, id, name, description, created_at, updated_at FROM roles WHERE false;
SELECT org_id, id, role_id, resource, action, created_at FROM role_permissions WHERE false;
SELECT org_id, id, user_id, role_id, created_at FROM user_roles WHERE false;
SELECT org_id, id, document_id, user_id, role_id, permission, granted_by_id, expires_at, created_at
FROM document_permissions WHERE false;
CALL axai_verify_isolated('roles');
CALL axai_verify_isolated('role_permissions');
CALL axai_verify_isolated('user_roles');
CALL axai_verify_isolated('document_permissions');

ROLLBACK;
