-- Verify axai:20261129_0002_organizations on pg

BEGIN;

SET LOCAL ROLE axai_owner;
SELECT id, name, created_at, updated_at FROM organizations WHERE false;
SELECT org_id, id, username, email, hashed_password, is_active, is_admin, is_email_verified,
    erased_at, created_at, updated_at
FROM users WHERE false;
CALL axai_verify_isolated('organizations', tenant => 'id');
CALL axai_verify_isolated('users');

ROLLBACK;
