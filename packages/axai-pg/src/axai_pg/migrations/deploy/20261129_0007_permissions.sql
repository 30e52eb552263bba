-- Deploy axai:20261129_0007_permissions to pg
-- requires: 20261129_0003_documents
-- What: roles inside an organisation, what they permit, and who may do what with a document.
-- Impact: new tables only; no lock on a table in use, no rewrite, no time that grows with rows.
-- Compatibility: nothing before used these tables.

BEGIN;

SET LOCAL ROLE axai_owner;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;

CREATE TABLE roles (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    name varchar(100) NOT NULL,
    description varchar(1000),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_roles PRIMARY KEY (org_id, id),
    CONSTRAINT fk_roles_org_id_organizations FOREIGN KEY (org_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT uq_roles_org_id_name UNIQUE (org_id, name),
    CONSTRAINT ck_roles_name_not_empty CHECK (btrim(name) <> '')
);
CALL axai_isolate('roles');

CREATE TABLE role_permissions (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    role_id uuid NOT NULL,
    resource varchar(100) NOT NULL,
    action varchar NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_role_permissions PRIMARY KEY (org_id, id),
    CONSTRAINT fk_role_permissions_org_id_role_id_roles FOREIGN KEY (org_id, role_id)
        REFERENCES roles (org_id, id) ON DELETE CASCADE,
    CONSTRAINT uq_role_permissions_org_id_role_id_resource_action
        UNIQUE (org_id, role_id, resource, action),
    CONSTRAINT ck_role_permissions_resource_not_empty CHECK (btrim(resource) <> ''),
    CONSTRAINT ck_role_permissions_valid_action
        CHECK (action::text IN ('create', 'read', 'update', 'delete', 'share'))
);
CALL axai_isolate('role_permissions', 'roles', 'role_id');

CREATE TABLE user_roles (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    user_id uuid NOT NULL,
    role_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_user_roles PRIMARY KEY (org_id, id),
    CONSTRAINT fk_user_roles_org_id_user_id_users FOREIGN KEY (org_id, user_id)
        REFERENCES users (org_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_user_roles_org_id_role_id_roles FOREIGN KEY (org_id, role_id)
        REFERENCES roles (org_id, id) ON DELETE CASCADE,
    CONSTRAINT uq_user_roles_org_id_user_id_role_id UNIQUE (org_id, user_id, role_id)
);
CREATE INDEX ix_user_roles_org_id_role_id ON user_roles (org_id, role_id);
CALL axai_isolate('user_roles', 'users', 'user_id');

CREATE TABLE document_permissions (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    document_id uuid NOT NULL,
    user_id uuid,
    role_id uuid,
    permission varchar NOT NULL,
    granted_by_id uuid,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_document_permissions PRIMARY KEY (org_id, id),
    CONSTRAINT fk_document_permissions_org_id_document_id_documents
        FOREIGN KEY (org_id, document_id) REFERENCES documents (org_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_document_permissions_org_id_user_id_users
        FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_document_permissions_org_id_role_id_roles
        FOREIGN KEY (org_id, role_id) REFERENCES roles (org_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_document_permissions_org_id_granted_by_id_users
        FOREIGN KEY (org_id, granted_by_id) REFERENCES users (org_id, id)
        ON DELETE SET NULL (granted_by_id),
    CONSTRAINT ck_document_permissions_one_grantee CHECK (num_nonnulls(user_id, role_id) = 1),
    CONSTRAINT ck_document_permissions_valid_permission
        CHECK (permission::text IN ('read', 'write', 'share')),
    CONSTRAINT uq_document_permissions_grant
        UNIQUE NULLS NOT DISTINCT (org_id, document_id, user_id, role_id, permission)
);
CREATE INDEX ix_document_permissions_org_id_user_id ON document_permissions (org_id, user_id)
    WHERE user_id IS NOT NULL;
CREATE INDEX ix_document_permissions_org_id_role_id ON document_permissions (org_id, role_id)
    WHERE role_id IS NOT NULL;
CREATE INDEX ix_document_permissions_org_id_expires_at ON document_permissions (org_id, expires_at)
    WHERE expires_at IS NOT NULL;
CALL axai_isolate('document_permissions', 'documents', 'document_id');

COMMIT;
