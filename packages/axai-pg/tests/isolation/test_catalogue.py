"""What holds of every object of the schema, whoever adds the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from axai_pg.utils.roles import prepare_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from andamios_orm.testing.databases import PostgresDatabases

pytestmark = [pytest.mark.integration, pytest.mark.db]

OURS = "relnamespace = 'public'::regnamespace"

NOT_BY_ORGANISATION = {
    "organizations": "it is the organisation: its key is what others begin with",
    "andamios_changes": "positions are the cluster's; its rows are under the policy by tenant",
    "andamios_history": "of andamios_orm; no model keeps history, and services may not touch it",
    "andamios_followers": "names and positions of operators' followers, no rows of organisations",
}
"""Tables whose keys and indexes do not begin with org_id, and why."""

NOT_FOR_SERVICES = {"audit_log", "audit_seals", "andamios_history"}
"""Tables in which a service has nothing to do."""


@pytest.fixture(scope="module")
def catalogue(
    andamios_postgres_databases: PostgresDatabases, schema_template: str
) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection to a database without rows, which no key can be in the way of."""
    url = andamios_postgres_databases.create(schema_template)
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        prepare_database(connection)
        connection.commit()
        yield connection
    andamios_postgres_databases.drop(url)


def column(catalogue: psycopg.Connection[Any], query: str) -> list[Any]:
    return [value for (value,) in catalogue.execute(query).fetchall()]


def test_row_security_is_forced_on_every_table(catalogue: psycopg.Connection[Any]) -> None:
    assert not column(
        catalogue,
        f"SELECT relname FROM pg_class WHERE {OURS} AND relkind IN ('r', 'p')"
        " AND NOT (relrowsecurity AND relforcerowsecurity)",
    )


def test_one_restrictive_policy_for_everybody_is_on_every_table(
    catalogue: psycopg.Connection[Any],
) -> None:
    found = catalogue.execute(
        "SELECT relname, polcmd::text, polroles::oid[], pg_get_expr(polqual, polrelid),"
        " pg_get_expr(polwithcheck, polrelid) FROM pg_class LEFT JOIN pg_policy"
        f" ON polrelid = pg_class.oid AND NOT polpermissive WHERE {OURS} AND relkind IN ('r', 'p')"
    ).fetchall()
    context = (
        "( SELECT (NULLIF(current_setting('axai.org_id'::text, true), ''::text))::uuid"
        ' AS "nullif")'
    )
    as_text = context.replace(")::uuid", ")::uuid)::text").replace("( SELECT (", "( SELECT ((")

    for name, command, roles, using, check in found:
        tenant = {
            "organizations": f"(id = {context})",
            "andamios_changes": f"((tenant)::text = {as_text})",
            "andamios_history": f"((tenant)::text = {as_text})",
            "andamios_followers": "((name)::text = 'andamios:base'::text)",
        }.get(name, f"(org_id = {context})")
        checked = {
            "audit_log": f"({tenant} OR (CURRENT_USER = 'axai_owner'::name))",
            "andamios_followers": "false",
        }.get(name, tenant)
        assert (name, command, roles, _plain(using), check) == (
            name, "*", [0], _plain(tenant), checked
        )  # fmt: skip
    assert len({name for name, *_ in found}) == len(found)


def _plain(expression: str | None) -> str:
    return str(expression).replace('AS "nullif"', "").replace('AS "text"', "")


def test_every_key_and_index_begins_with_the_organisation(
    catalogue: psycopg.Connection[Any],
) -> None:
    first = catalogue.execute(
        "SELECT relname, indexrelid::regclass::text, attname FROM pg_index"
        " JOIN pg_class ON pg_class.oid = indrelid"
        " LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]"
        f" WHERE {OURS}"
        " UNION ALL SELECT relname, conname, attname FROM pg_constraint"
        " JOIN pg_class ON pg_class.oid = conrelid"
        " JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]"
        f" WHERE {OURS} AND contype IN ('p', 'u', 'f', 'x')"
    ).fetchall()

    wrong = [each for each in first if each[2] != "org_id" and each[0] not in NOT_BY_ORGANISATION]
    assert not wrong
    assert {each[0] for each in first if each[2] != "org_id"} == set(NOT_BY_ORGANISATION)


def test_every_row_has_an_organisation(catalogue: psycopg.Connection[Any]) -> None:
    never_null = column(
        catalogue,
        "SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
        f" WHERE {OURS} AND relkind IN ('r', 'p') AND attname = 'org_id'"
        " AND atttypid = 'uuid'::regtype AND attnotnull",
    )
    tables = column(
        catalogue, f"SELECT relname FROM pg_class WHERE {OURS} AND relkind IN ('r', 'p')"
    )

    assert set(tables) - set(never_null) == set(NOT_BY_ORGANISATION)


def test_every_key_to_another_table_has_the_organisation_in_it(
    catalogue: psycopg.Connection[Any],
) -> None:
    """And what it sets to NULL is not the organisation."""
    keys = catalogue.execute(
        "SELECT conname, confrelid::regclass::text, array_length(conkey, 1), conkey[1], confkey[1],"
        " confdeltype::text, confdelsetcols, conkey FROM pg_constraint"
        " WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
    ).fetchall()

    assert keys
    for name, parent, count, _, _, action, sets, own in keys:
        assert (name, count) == (name, 1 if parent == "organizations" else 2)
        assert action != "n" or sets == own[1:], name


def test_no_index_is_the_beginning_of_another(catalogue: psycopg.Connection[Any]) -> None:
    assert not catalogue.execute(
        "SELECT short.indexrelid::regclass::text, long.indexrelid::regclass::text"
        " FROM pg_index AS short JOIN pg_index AS long USING (indrelid)"
        " JOIN pg_class ON pg_class.oid = indrelid"
        f" WHERE {OURS} AND short.indexrelid <> long.indexrelid"
        " AND (SELECT relam FROM pg_class WHERE oid = short.indexrelid)"
        "  = (SELECT relam FROM pg_class WHERE oid = long.indexrelid)"
        " AND NOT short.indisunique AND short.indexprs IS NULL"
        " AND pg_get_expr(short.indpred, indrelid)"
        "  IS NOT DISTINCT FROM pg_get_expr(long.indpred, indrelid)"
        " AND starts_with(long.indkey::text || ' ', short.indkey::text || ' ')"
    ).fetchall()


def test_services_have_no_more_than_they_need(catalogue: psycopg.Connection[Any]) -> None:
    granted = catalogue.execute(
        "SELECT relname, array_agg(privilege_type ORDER BY privilege_type) FROM pg_class"
        " LEFT JOIN LATERAL aclexplode(relacl) ON grantee = 'axai_app'::regrole"
        f" WHERE {OURS} AND relkind IN ('r', 'p') GROUP BY relname"
    ).fetchall()

    for name, privileges in granted:
        wanted = {
            "andamios_changes": ["INSERT", "SELECT"],
            "andamios_followers": ["SELECT"],
        }.get(name, ["DELETE", "INSERT", "SELECT", "UPDATE"])
        expected = [None] if name in NOT_FOR_SERVICES else wanted
        assert (name, privileges) == (name, expected)


def test_nothing_is_granted_to_everybody(catalogue: psycopg.Connection[Any]) -> None:
    assert not column(
        catalogue,
        f"SELECT relname FROM pg_class, aclexplode(relacl) WHERE {OURS} AND grantee = 0",
    )
    assert not column(
        catalogue,
        "SELECT function.oid::regprocedure::text FROM pg_proc AS function,"
        " aclexplode(coalesce(proacl, acldefault('f', proowner)))"
        " WHERE pronamespace = 'public'::regnamespace AND grantee = 0 AND NOT EXISTS"
        " (SELECT FROM pg_depend WHERE objid = function.oid AND deptype = 'e')",
    )
    assert not column(
        catalogue,
        "SELECT privilege_type FROM pg_database, aclexplode(datacl)"
        " WHERE datname = current_database() AND grantee = 0 AND privilege_type = 'TEMPORARY'",
    )
    assert not column(catalogue, "SELECT defaclobjtype FROM pg_default_acl")


def test_everything_belongs_to_the_owner(catalogue: psycopg.Connection[Any]) -> None:
    assert column(
        catalogue,
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " AND proowner = 'axai_search'::regrole ORDER BY 1",
    ) == ["axai_documents_with", "axai_find_documents"]
    assert column(
        catalogue,
        f"SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE {OURS}"
        " UNION SELECT pg_get_userbyid(proowner) FROM pg_proc AS function"
        " WHERE pronamespace = 'public'::regnamespace AND NOT EXISTS"
        " (SELECT FROM pg_depend WHERE objid = function.oid AND deptype = 'e')"
        " AND proowner <> 'axai_search'::regrole",
    ) == ["axai_owner"]


def test_a_function_that_acts_as_the_owner_knows_where_to_look(
    catalogue: psycopg.Connection[Any],
) -> None:
    definers = catalogue.execute(
        "SELECT proname, proconfig FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    ).fetchall()

    assert {name for name, _ in definers} == {
        "axai_audit",
        "axai_note",
        "axai_note_operation",
        "axai_seal_audit",
        "axai_broken_seals",
        "axai_erase_traces",
        "axai_find_documents",
        "axai_documents_with",
    }
    assert {tuple(settings or ()) for _, settings in definers} == {("search_path=public, pg_temp",)}


def test_services_call_what_they_need(catalogue: psycopg.Connection[Any]) -> None:
    callable_ = column(
        catalogue,
        "SELECT proname FROM pg_proc AS function WHERE pronamespace = 'public'::regnamespace"
        " AND has_function_privilege('axai_app', function.oid, 'EXECUTE') AND NOT EXISTS"
        " (SELECT FROM pg_depend WHERE objid = function.oid AND deptype = 'e') ORDER BY 1",
    )

    assert callable_ == [
        "axai_documents_with",
        "axai_find_documents",
        "axai_note",
        "axai_text_search",
        "axai_uuid7",
    ]


def test_who_finds_documents_reads_nothing_else(catalogue: psycopg.Connection[Any]) -> None:
    assert not column(
        catalogue,
        "SELECT relname FROM pg_class, aclexplode(relacl) WHERE grantee = 'axai_search'::regrole",
    )
    assert catalogue.execute(
        "SELECT attrelid::regclass::text, privilege_type, array_agg(attname::text ORDER BY attname)"
        " FROM pg_attribute, aclexplode(attacl) WHERE grantee = 'axai_search'::regrole"
        " GROUP BY 1, 2"
    ).fetchall() == [("documents", "SELECT", ["id", "metadata", "org_id", "search_vector"])]
    assert column(catalogue, "SELECT has_schema_privilege('axai_search', 'public', 'CREATE')") == [
        False
    ]


def test_no_view_shows_what_its_owner_sees(catalogue: psycopg.Connection[Any]) -> None:
    assert not column(
        catalogue,
        f"SELECT relname FROM pg_class WHERE {OURS} AND (relkind IN ('m', 'f') OR relkind = 'v'"
        " AND NOT coalesce(reloptions @> '{security_invoker=true}', false))",
    )


def test_no_table_is_reached_through_another(catalogue: psycopg.Connection[Any]) -> None:
    """A partition, or a child, that is read directly needs a policy of its own."""
    assert not column(catalogue, "SELECT inhrelid::regclass::text FROM pg_inherits"
                      " JOIN pg_class ON oid = inhrelid AND relkind IN ('r', 'p')")  # fmt: skip


def test_the_roles_are_as_weak_as_they_should_be(catalogue: psycopg.Connection[Any]) -> None:
    found = catalogue.execute(
        "SELECT rolname, rolbypassrls, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication,"
        " ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = role.oid"
        " ORDER BY 1)"
        " FROM pg_roles AS role WHERE rolname LIKE 'axai\\_%'"
        " AND rolname NOT LIKE 'axai\\_test\\_%' ORDER BY 1"
    ).fetchall()

    assert found == [
        ("axai_app", False, False, []),
        ("axai_audit_reader", False, False, []),
        ("axai_backup", True, False, []),
        ("axai_migrate", False, False, ["axai_owner", "axai_system"]),
        ("axai_owner", False, False, ["axai_search"]),
        ("axai_search", True, False, []),
        ("axai_system", True, False, []),
    ]


TESTS = (
    test_row_security_is_forced_on_every_table,
    test_one_restrictive_policy_for_everybody_is_on_every_table,
    test_every_key_and_index_begins_with_the_organisation,
    test_every_row_has_an_organisation,
    test_every_key_to_another_table_has_the_organisation_in_it,
    test_no_index_is_the_beginning_of_another,
    test_services_have_no_more_than_they_need,
    test_nothing_is_granted_to_everybody,
    test_everything_belongs_to_the_owner,
    test_a_function_that_acts_as_the_owner_knows_where_to_look,
    test_services_call_what_they_need,
    test_who_finds_documents_reads_nothing_else,
    test_no_view_shows_what_its_owner_sees,
    test_no_table_is_reached_through_another,
    test_the_roles_are_as_weak_as_they_should_be,
)
"""What a mutant of the schema may be noticed by."""

MUTANTS = {
    "ALTER TABLE topics DISABLE ROW LEVEL SECURITY": test_row_security_is_forced_on_every_table,
    "ALTER TABLE topics NO FORCE ROW LEVEL SECURITY": test_row_security_is_forced_on_every_table,
    "CREATE TABLE added (org_id uuid)": test_row_security_is_forced_on_every_table,
    "DROP POLICY axai_tenant ON audit_log": (
        test_one_restrictive_policy_for_everybody_is_on_every_table
    ),
    "ALTER POLICY axai_tenant ON users TO axai_app": (
        test_one_restrictive_policy_for_everybody_is_on_every_table
    ),
    "ALTER POLICY axai_tenant ON users WITH CHECK (true)": (
        test_one_restrictive_policy_for_everybody_is_on_every_table
    ),
    "ALTER POLICY axai_tenant ON andamios_changes USING (true)": (
        test_one_restrictive_policy_for_everybody_is_on_every_table
    ),
    "CREATE INDEX added ON topics (name)": test_every_key_and_index_begins_with_the_organisation,
    "ALTER TABLE topics ADD UNIQUE (name)": test_every_key_and_index_begins_with_the_organisation,
    "CREATE UNIQUE INDEX added ON topics (lower(name))": (
        test_every_key_and_index_begins_with_the_organisation
    ),
    "CREATE TABLE added (id uuid)": test_every_row_has_an_organisation,
    "CREATE TABLE added (org_id uuid, id uuid)": test_every_row_has_an_organisation,
    "ALTER TABLE users ADD UNIQUE (id); ALTER TABLE topics"
    " ADD FOREIGN KEY (id) REFERENCES users (id) NOT VALID": (
        test_every_key_to_another_table_has_the_organisation_in_it
    ),
    "ALTER TABLE documents ADD FOREIGN KEY (org_id, changed_by_id)"
    " REFERENCES users (org_id, id) ON DELETE SET NULL": (
        test_every_key_to_another_table_has_the_organisation_in_it
    ),
    "CREATE INDEX added ON summaries (org_id, document_id)": (
        test_no_index_is_the_beginning_of_another
    ),
    "CREATE INDEX added ON topics (org_id, name)": test_no_index_is_the_beginning_of_another,
    "GRANT TRUNCATE ON users TO axai_app": test_services_have_no_more_than_they_need,
    "GRANT INSERT ON audit_log TO axai_app": test_services_have_no_more_than_they_need,
    "GRANT SELECT ON users TO PUBLIC": test_nothing_is_granted_to_everybody,
    "GRANT EXECUTE ON FUNCTION axai_audit() TO PUBLIC": test_nothing_is_granted_to_everybody,
    "CREATE FUNCTION added() RETURNS int LANGUAGE sql RETURN 1": (
        test_nothing_is_granted_to_everybody
    ),
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO axai_app": (
        test_nothing_is_granted_to_everybody
    ),
    "ALTER TABLE users OWNER TO CURRENT_USER": test_everything_belongs_to_the_owner,
    "ALTER FUNCTION axai_note(text, jsonb) OWNER TO CURRENT_USER": (
        test_everything_belongs_to_the_owner
    ),
    "ALTER FUNCTION axai_note(text, jsonb) RESET search_path": (
        test_a_function_that_acts_as_the_owner_knows_where_to_look
    ),
    "ALTER FUNCTION axai_note(text, jsonb) SET search_path = pg_temp, public": (
        test_a_function_that_acts_as_the_owner_knows_where_to_look
    ),
    "ALTER FUNCTION axai_touch() SECURITY DEFINER": (
        test_a_function_that_acts_as_the_owner_knows_where_to_look
    ),
    "GRANT EXECUTE ON FUNCTION axai_seal_audit() TO axai_app": test_services_call_what_they_need,
    "GRANT SELECT ON users TO axai_search": test_who_finds_documents_reads_nothing_else,
    "GRANT SELECT (content) ON documents TO axai_search": (
        test_who_finds_documents_reads_nothing_else
    ),
    "GRANT CREATE ON SCHEMA public TO axai_search": test_who_finds_documents_reads_nothing_else,
    "ALTER FUNCTION axai_touch() OWNER TO axai_search": test_everything_belongs_to_the_owner,
    "CREATE VIEW added AS SELECT * FROM users": test_no_view_shows_what_its_owner_sees,
    "CREATE MATERIALIZED VIEW added AS SELECT * FROM users": test_no_view_shows_what_its_owner_sees,
    "CREATE TABLE added () INHERITS (users)": test_no_table_is_reached_through_another,
    "ALTER ROLE axai_app BYPASSRLS": test_the_roles_are_as_weak_as_they_should_be,
    "GRANT axai_owner TO axai_app": test_the_roles_are_as_weak_as_they_should_be,
}


@pytest.mark.parametrize("statement", MUTANTS)
def test_each_of_these_tests_can_fail(catalogue: psycopg.Connection[Any], statement: str) -> None:
    with catalogue.transaction(force_rollback=True):
        catalogue.execute(statement)
        with pytest.raises(AssertionError):
            MUTANTS[statement](catalogue)
