-- Deploy axai:20261129_0003_documents to pg
-- requires: 20261129_0002_organizations
-- What: documents, and what they were before each change.
-- Impact: new tables only; no lock on a table in use, no rewrite, no time that grows with rows.
-- Compatibility: nothing before used these tables.

BEGIN;

SET LOCAL ROLE axai_owner;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;

-- A code of two letters and not a regconfig: pg_upgrade refuses columns of that type.
CREATE FUNCTION axai_text_search(language text) RETURNS regconfig
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE language
    WHEN 'ar' THEN 'pg_catalog.arabic'::regconfig
    WHEN 'da' THEN 'pg_catalog.danish'::regconfig
    WHEN 'de' THEN 'pg_catalog.german'::regconfig
    WHEN 'en' THEN 'pg_catalog.english'::regconfig
    WHEN 'es' THEN 'pg_catalog.spanish'::regconfig
    WHEN 'fi' THEN 'pg_catalog.finnish'::regconfig
    WHEN 'fr' THEN 'pg_catalog.french'::regconfig
    WHEN 'hu' THEN 'pg_catalog.hungarian'::regconfig
    WHEN 'it' THEN 'pg_catalog.italian'::regconfig
    WHEN 'nl' THEN 'pg_catalog.dutch'::regconfig
    WHEN 'no' THEN 'pg_catalog.norwegian'::regconfig
    WHEN 'pt' THEN 'pg_catalog.portuguese'::regconfig
    WHEN 'ro' THEN 'pg_catalog.romanian'::regconfig
    WHEN 'ru' THEN 'pg_catalog.russian'::regconfig
    WHEN 'sv' THEN 'pg_catalog.swedish'::regconfig
    WHEN 'tr' THEN 'pg_catalog.turkish'::regconfig
    ELSE 'pg_catalog.simple'::regconfig
END;
GRANT EXECUTE ON FUNCTION axai_text_search(text) TO axai_app, axai_system;
REVOKE ALL ON FUNCTION axai_text_search(text) FROM PUBLIC;

CREATE TABLE documents (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    owner_id uuid NOT NULL,
    title varchar(500) NOT NULL,
    description varchar(5000),
    content text,
    language varchar(10) NOT NULL DEFAULT 'en',
    filename varchar(255),
    file_path varchar(1000),
    file_format varchar(50),
    content_type varchar(255) NOT NULL DEFAULT 'text/plain',
    document_type varchar(50) NOT NULL DEFAULT 'document',
    status varchar NOT NULL DEFAULT 'draft',
    processing_status varchar NOT NULL DEFAULT 'pending',
    source varchar(100),
    external_ref_id varchar(100),
    metadata jsonb NOT NULL DEFAULT '{}',
    size bigint,
    word_count integer,
    content_hash varchar(64),
    changed_by_id uuid,
    change_description varchar(1000),
    search_vector tsvector,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL DEFAULT 1,
    deleted_at timestamptz,
    CONSTRAINT pk_documents PRIMARY KEY (org_id, id),
    CONSTRAINT fk_documents_org_id_organizations FOREIGN KEY (org_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT fk_documents_org_id_owner_id_users FOREIGN KEY (org_id, owner_id)
        REFERENCES users (org_id, id),
    CONSTRAINT fk_documents_org_id_changed_by_id_users FOREIGN KEY (org_id, changed_by_id)
        REFERENCES users (org_id, id) ON DELETE SET NULL (changed_by_id),
    CONSTRAINT ck_documents_title_not_empty CHECK (btrim(title) <> ''),
    CONSTRAINT ck_documents_valid_status CHECK (status::text IN ('draft', 'published', 'archived')),
    CONSTRAINT ck_documents_valid_processing_status
        CHECK (processing_status::text IN ('pending', 'processing', 'complete', 'error')),
    CONSTRAINT ck_documents_valid_version CHECK (version > 0),
    CONSTRAINT ck_documents_metadata_object CHECK (jsonb_typeof(metadata) = 'object')
);
CREATE INDEX ix_documents_listed ON documents (org_id, created_at DESC, id) WHERE deleted_at IS NULL;
CREATE INDEX ix_documents_status ON documents (org_id, status, created_at DESC, id)
    WHERE deleted_at IS NULL;
CREATE INDEX ix_documents_org_id_owner_id ON documents (org_id, owner_id, created_at DESC, id);
CREATE INDEX ix_documents_search ON documents USING gin (org_id, search_vector);
CREATE INDEX ix_documents_metadata ON documents USING gin (org_id, metadata jsonb_path_ops);
CALL axai_isolate('documents');

-- Each is a document as it was before a change: version 3 is what it was until it became 4.
-- Changes of other columns count as well, so numbers may be missing here; what a document was
-- at version n is the row with the lowest version that is at least n, else the document.
CREATE TABLE document_versions (
    org_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT axai_uuid7(),
    document_id uuid NOT NULL,
    version integer NOT NULL,
    title varchar(500) NOT NULL,
    description varchar(5000),
    content text,
    language varchar(10) NOT NULL DEFAULT 'en',
    filename varchar(255),
    file_path varchar(1000),
    content_type varchar(255) NOT NULL DEFAULT 'text/plain',
    document_type varchar(50) NOT NULL DEFAULT 'document',
    status varchar NOT NULL DEFAULT 'draft',
    metadata jsonb NOT NULL DEFAULT '{}',
    changed_columns text[] NOT NULL DEFAULT '{}',
    created_by_id uuid,
    change_description varchar(1000),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_document_versions PRIMARY KEY (org_id, id),
    CONSTRAINT fk_document_versions_org_id_document_id_documents
        FOREIGN KEY (org_id, document_id) REFERENCES documents (org_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_document_versions_org_id_created_by_id_users
        FOREIGN KEY (org_id, created_by_id) REFERENCES users (org_id, id)
        ON DELETE SET NULL (created_by_id),
    CONSTRAINT uq_document_versions_org_id_document_id_version
        UNIQUE (org_id, document_id, version),
    CONSTRAINT ck_document_versions_valid_version CHECK (version > 0),
    CONSTRAINT ck_document_versions_valid_status
        CHECK (status::text IN ('draft', 'published', 'archived')),
    CONSTRAINT ck_document_versions_metadata_object CHECK (jsonb_typeof(metadata) = 'object')
);
CALL axai_isolate('document_versions', 'documents', 'document_id');

-- A client that counts versions itself, as the models do, is obeyed; for others it is counted.
-- Who changes it is the user in context, if that is one of the organisation, whoever else is
-- named: an operator is not, and names whom they like.
-- A description is for the change that gives it: in its column, or as axai.change_description,
-- for instance when the last one was the same.
-- What is searched is made of what the document says, whatever is given for it. It is no generated
-- column: where there are BEFORE triggers, those are computed again by each update of any column.
CREATE FUNCTION axai_change_document() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    actor uuid := nullif(current_setting('axai.user_id', true), '')::uuid;
    searched regconfig;
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.title, NEW.description, NEW.content, NEW.language)
        IS NOT DISTINCT FROM (OLD.title, OLD.description, OLD.content, OLD.language)
    THEN
        NEW.search_vector := OLD.search_vector;
    ELSE
        -- A tsvector holds 1 MB, so only the beginning of a very long text can be searched for.
        searched := axai_text_search(NEW.language);
        NEW.search_vector := setweight(to_tsvector(searched, NEW.title), 'A')
            || setweight(to_tsvector(searched, coalesce(NEW.description, '')), 'B')
            || setweight(to_tsvector(searched, left(coalesce(NEW.content, ''), 200000)), 'B');
    END IF;
    IF actor IS NOT NULL THEN
        SELECT id INTO actor FROM users WHERE org_id = NEW.org_id AND id = actor;
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.changed_by_id := coalesce(actor, NEW.changed_by_id);
        RETURN NEW;
    END IF;
    IF NEW.version = OLD.version THEN
        NEW.version := OLD.version + 1;
    END IF;
    IF (NEW.title, NEW.description, NEW.content, NEW.language, NEW.filename, NEW.file_path,
        NEW.content_type, NEW.document_type, NEW.status, NEW.metadata)
        IS DISTINCT FROM
        (OLD.title, OLD.description, OLD.content, OLD.language, OLD.filename, OLD.file_path,
        OLD.content_type, OLD.document_type, OLD.status, OLD.metadata)
    THEN
        IF actor IS NOT NULL OR NEW.changed_by_id IS NOT DISTINCT FROM OLD.changed_by_id THEN
            NEW.changed_by_id := actor;
        END IF;
        IF NEW.change_description IS NOT DISTINCT FROM OLD.change_description THEN
            NEW.change_description := nullif(current_setting('axai.change_description', true), '');
        END IF;
    ELSIF actor IS NOT NULL AND NEW.changed_by_id IS NOT NULL THEN  -- it is when a user goes
        NEW.changed_by_id := OLD.changed_by_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER made_by BEFORE INSERT ON documents
    FOR EACH ROW EXECUTE FUNCTION axai_change_document();
CREATE TRIGGER change_document BEFORE UPDATE ON documents
    FOR EACH ROW EXECUTE FUNCTION axai_change_document();

-- It runs with the rights of whoever changes the document.
CREATE FUNCTION axai_keep_version() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    changed text[] := array_remove(ARRAY[
        CASE WHEN NEW.title IS DISTINCT FROM OLD.title THEN 'title' END,
        CASE WHEN NEW.description IS DISTINCT FROM OLD.description THEN 'description' END,
        CASE WHEN NEW.content IS DISTINCT FROM OLD.content THEN 'content' END,
        CASE WHEN NEW.language IS DISTINCT FROM OLD.language THEN 'language' END,
        CASE WHEN NEW.filename IS DISTINCT FROM OLD.filename THEN 'filename' END,
        CASE WHEN NEW.file_path IS DISTINCT FROM OLD.file_path THEN 'file_path' END,
        CASE WHEN NEW.content_type IS DISTINCT FROM OLD.content_type THEN 'content_type' END,
        CASE WHEN NEW.document_type IS DISTINCT FROM OLD.document_type THEN 'document_type' END,
        CASE WHEN NEW.status IS DISTINCT FROM OLD.status THEN 'status' END,
        CASE WHEN NEW.metadata IS DISTINCT FROM OLD.metadata THEN 'metadata' END
    ], NULL);
BEGIN
    IF changed <> '{}' THEN
        INSERT INTO document_versions (
            org_id, document_id, version, title, description, content, language, filename, file_path,
            content_type, document_type, status, metadata, changed_columns, created_by_id,
            change_description, created_at
        ) VALUES (
            OLD.org_id, OLD.id, OLD.version, OLD.title, OLD.description, OLD.content, OLD.language,
            OLD.filename, OLD.file_path, OLD.content_type, OLD.document_type, OLD.status,
            OLD.metadata, changed, OLD.changed_by_id, OLD.change_description, OLD.updated_at
        )
        -- Somebody has stored a version of that number by hand; this is what it was.
        ON CONFLICT (org_id, document_id, version) DO UPDATE SET
            title = EXCLUDED.title, description = EXCLUDED.description,
            content = EXCLUDED.content, language = EXCLUDED.language,
            filename = EXCLUDED.filename, file_path = EXCLUDED.file_path,
            content_type = EXCLUDED.content_type, document_type = EXCLUDED.document_type,
            status = EXCLUDED.status, metadata = EXCLUDED.metadata,
            changed_columns = EXCLUDED.changed_columns, created_by_id = EXCLUDED.created_by_id,
            change_description = EXCLUDED.change_description, created_at = EXCLUDED.created_at;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_version AFTER UPDATE ON documents
    FOR EACH ROW EXECUTE FUNCTION axai_keep_version();
REVOKE ALL ON FUNCTION axai_change_document(), axai_keep_version() FROM PUBLIC;

COMMIT;
