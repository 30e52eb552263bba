-- Deploy axai:20261129_0010_search to pg
-- requires: 20261129_0003_documents
-- What: the functions through which documents are found by an index.
-- Impact: new functions only; no lock on a table in use, no rewrite, no time that grows with rows.
-- Compatibility: nothing before used these functions.

BEGIN;

SET LOCAL ROLE axai_owner;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;

-- Under row security PostgreSQL reads all documents of the organisation: it must not show a row
-- to @@ or @>, which are not leakproof, before the policy has seen it, and an index would. These
-- functions act as a role that no policy applies to, and say themselves whose rows they are. They
-- take data, never code, and give back keys only: the query around them is under the policy.
CREATE FUNCTION axai_find_documents(query tsquery) RETURNS TABLE (id uuid, rank real)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100 SET search_path FROM CURRENT AS $$
    SELECT document.id, ts_rank(document.search_vector, query)
    FROM documents AS document
    WHERE document.org_id = nullif(current_setting('axai.org_id', true), '')::uuid
    AND document.search_vector @@ query
$$;
CREATE FUNCTION axai_documents_with(contained jsonb) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100 SET search_path FROM CURRENT AS $$
    SELECT document.id FROM documents AS document
    WHERE document.org_id = nullif(current_setting('axai.org_id', true), '')::uuid
    AND document.metadata @> contained
$$;
REVOKE ALL ON FUNCTION axai_find_documents(tsquery), axai_documents_with(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION axai_find_documents(tsquery), axai_documents_with(jsonb)
    TO axai_app, axai_system;
GRANT SELECT (org_id, id, search_vector, metadata) ON documents TO axai_search;

-- Whoever is given a function has to be allowed to make one, for this moment.
DO $$ BEGIN
    EXECUTE format('GRANT CREATE ON SCHEMA %I TO axai_search', current_schema());
    ALTER FUNCTION axai_find_documents(tsquery) OWNER TO axai_search;
    ALTER FUNCTION axai_documents_with(jsonb) OWNER TO axai_search;
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM axai_search', current_schema());
END $$;

COMMIT;
