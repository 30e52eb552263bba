-- Deploy axai:20261129_0002_organizations to pg
-- requires: 20261129_0001_foundation
-- What: organisations and their users.
-- Impact: new tables only; no lock on a table in use, no rewrite, no time that grows with rows.
-- Compatibility: nothing before used these tables.

BEGIN;

SET LOCAL ROLE axai_owner;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;

CREATE TABLE organizations (
    id uuid NOT NULL DEFAULT axai_uuid7(),
    name varchar(255) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_organizations PRIMARY KEY (id),
    CONSTRAINT ck_organizations_id_not_nil CHECK (id <> '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT ck_organizations_name_not_empty CHECK (btrim(name) <> '')
);
CALL axai_isolate('organizations', tenant => 'id');

-- Unique within the organisation: that a name is taken elsewhere is nobody's business.
CREATE TABLE users (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    username varchar(255) NOT NULL,
    email varchar(320) NOT NULL,
    hashed_password varchar(255),
    is_active boolean NOT NULL DEFAULT true,
    is_admin boolean NOT NULL DEFAULT false,
    is_email_verified boolean NOT NULL DEFAULT false,
    erased_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_users PRIMARY KEY (org_id, id),
    CONSTRAINT fk_users_org_id_organizations FOREIGN KEY (org_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT uq_users_org_id_username UNIQUE (org_id, username),
    CONSTRAINT ck_users_username_not_empty CHECK (btrim(username) <> ''),
    CONSTRAINT ck_users_email_valid CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+$')
);
CREATE UNIQUE INDEX uq_users_org_id_email ON users (org_id, lower(email));
CALL axai_isolate('users');

COMMIT;
