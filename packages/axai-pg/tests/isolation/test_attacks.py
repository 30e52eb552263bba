"""Attacks by whoever has the rights of a service and the context of another organisation.

The tables, keys and unique indexes come from the catalogue, so a new table is attacked, too.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from psycopg import errors, sql

from axai_pg.testing.rows import insert_row, tenant_tables

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.integration, pytest.mark.db]

KEYS = """
SELECT conrelid::regclass::text, conname, (
    SELECT array_agg(attname ORDER BY place)
    FROM unnest(conkey) WITH ORDINALITY AS at(number, place)
    JOIN pg_attribute ON attrelid = conrelid AND attnum = number
), confrelid::regclass::text
FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
"""
UNIQUE = """
SELECT indrelid::regclass::text, indexrelid::regclass::text FROM pg_index
JOIN pg_class ON pg_class.oid = indrelid
WHERE indisunique AND NOT indisprimary AND relnamespace = 'public'::regnamespace
AND has_table_privilege('axai_app', indrelid, 'INSERT')
"""
FILLED_FROM_PARENTS = """
SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'fill_organization' AND tgnargs = 2
"""


def state_of(connection: psycopg.Connection[Any], query: sql.Composed, *values: Any) -> str:
    """Return how many rows a statement touched, or the state of its error; undo it."""
    try:
        with connection.transaction(force_rollback=True):
            return str(connection.execute(query, values).rowcount)
    except psycopg.Error as error:
        return str(error.sqlstate)


def names(connection: psycopg.Connection[Any]) -> list[str]:
    return ["organizations", *(table.name for table in tenant_tables(connection))]


def every(
    connection: psycopg.Connection[Any], statement: LiteralString, *values: Any
) -> dict[str, str]:
    """Return what a statement does to each table."""
    return {
        name: state_of(connection, sql.SQL(statement).format(sql.Identifier(name)), *values)
        for name in names(connection)
    }


@pytest.fixture
def app(connect: Any, shared_url: str, ours: Any, theirs: Any) -> Any:
    with connect(shared_url, "axai_app", ours.id) as connection:
        yield connection


@pytest.fixture
def stranger(connect: Any, shared_url: str, ours: Any, theirs: Any) -> Any:
    """Yield a connection without an organisation."""
    with connect(shared_url, "axai_app") as connection:
        yield connection


def test_the_attacked_tables_are_those_of_the_models(app: psycopg.Connection[Any]) -> None:
    from axai_pg.data.models import Base

    assert set(names(app)) == {
        name for name in Base.metadata.tables if not name.startswith(("andamios_", "audit_"))
    }


def test_without_a_context_nothing_is_there(stranger: psycopg.Connection[Any]) -> None:
    assert set(every(stranger, "SELECT * FROM {}").values()) == {"0"}


def test_without_a_context_nothing_is_written(
    stranger: psycopg.Connection[Any], theirs: Any
) -> None:
    refused: dict[Any, str | None] = {}
    for table in tenant_tables(stranger):
        for org_id in (theirs.id, None):
            try:
                with stranger.transaction(force_rollback=True):
                    insert_row(stranger, table, org_id, theirs.keys)
                refused[table.name, org_id] = "written"
            except psycopg.Error as error:
                refused[table.name, org_id] = error.sqlstate

    assert {state for (_, org_id), state in refused.items() if org_id} == {"42501"}
    assert {state for (_, org_id), state in refused.items() if not org_id} <= {"42501", "23502"}
    assert set(every(stranger, "UPDATE {} SET id = id").values()) == {"0"}
    assert set(every(stranger, "DELETE FROM {}").values()) == {"0"}


def test_a_context_ends_with_its_transaction(connect: Any, shared_url: str, ours: Any) -> None:
    with connect(shared_url, "axai_app", ours.id) as connection:
        assert set(every(connection, "SELECT * FROM {}").values()) == {"1"}
        connection.commit()
        # What is left is an empty text, which is no UUID: it has to count as nothing.
        assert connection.execute("SELECT current_setting('axai.org_id')").fetchone() == ("",)
        assert set(every(connection, "SELECT * FROM {}").values()) == {"0"}


def test_a_context_that_is_no_organisation_shows_nothing(connect: Any, shared_url: str) -> None:
    with connect(shared_url, "axai_app", uuid.uuid4()) as connection:
        assert set(every(connection, "SELECT * FROM {}").values()) == {"0"}


def test_a_context_that_is_no_uuid_is_an_error(stranger: psycopg.Connection[Any]) -> None:
    stranger.execute("SELECT set_config('axai.org_id', 'x'' OR true', true)")

    assert set(every(stranger, "SELECT * FROM {}").values()) == {"22P02"}


def test_a_savepoint_that_is_rolled_back_gives_the_context_back(
    app: psycopg.Connection[Any], ours: Any, theirs: Any
) -> None:
    with app.transaction(force_rollback=True):
        app.execute("SELECT set_config('axai.org_id', %s, true)", [str(theirs.id)])

    found = app.execute("SELECT id FROM organizations").fetchall()
    assert found == [(ours.id,)]


def test_rows_of_others_are_neither_seen_nor_changed_nor_deleted(
    app: psycopg.Connection[Any], theirs: Any
) -> None:
    keys = theirs.keys
    for name in names(app):
        table = sql.Identifier(name)
        for statement in (
            "SELECT * FROM {} WHERE id = %s",
            "UPDATE {} SET id = id WHERE id = %s",
            "DELETE FROM {} WHERE id = %s",
            "SELECT * FROM {} WHERE id = %s FOR UPDATE",
        ):
            found = state_of(app, sql.SQL(statement).format(table), keys[name])
            assert (name, statement, found) == (name, statement, "0")


def test_a_row_is_not_inserted_for_others(app: psycopg.Connection[Any], theirs: Any) -> None:
    states: dict[str, str | None] = {}
    for table in tenant_tables(app):
        with pytest.raises(psycopg.Error) as refused, app.transaction():
            insert_row(app, table, theirs.id, theirs.keys)
        states[table.name] = refused.value.sqlstate

    assert set(states.values()) == {"42501"}
    assert states.keys() == theirs.keys.keys() - {"organizations"}


def test_a_row_is_not_moved_to_others(app: psycopg.Connection[Any], theirs: Any) -> None:
    moved = every(app, "UPDATE {} SET org_id = %s", theirs.id)
    del moved["organizations"]

    assert set(moved.values()) == {"42501"}


def test_an_organisation_is_neither_made_nor_renamed_into_another(
    app: psycopg.Connection[Any], theirs: Any
) -> None:
    insert = sql.SQL("INSERT INTO organizations (id, name) VALUES (%s, 'x')").format()
    update = sql.SQL("UPDATE organizations SET id = %s").format()

    for statement in (insert, update):
        assert state_of(app, statement, theirs.id) == "42501"
        assert state_of(app, statement, uuid.uuid4()) == "42501"


def test_a_key_to_a_row_of_others_is_refused_like_one_to_nothing(
    app: psycopg.Connection[Any], ours: Any, theirs: Any
) -> None:
    tables = {table.name: table for table in tenant_tables(app)}
    tried = 0
    for name, constraint, columns, parent in app.execute(KEYS).fetchall():
        if name not in tables or columns == ["org_id"]:
            continue
        column = columns[-1]
        answers = []
        for key in (theirs.keys[parent], uuid.uuid4()):
            with pytest.raises(errors.ForeignKeyViolation) as refused, app.transaction():
                app.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
                insert_row(app, tables[name], ours.id, ours.keys, **_fitting(name, column, key))
            said = f"{refused.value.diag.message_detail}".replace(str(key), "…")
            answers.append((refused.value.diag.constraint_name, said))
        assert answers[0] == answers[1]
        assert answers[0][0] == constraint
        tried += 1

    assert tried >= len(tables)


def _fitting(name: str, column: str, key: uuid.UUID) -> dict[str, Any]:
    """Return the values with which only the key is wrong."""
    if (name, column) == ("document_permissions", "role_id"):
        return {"role_id": key, "user_id": None}
    return {column: key}


def test_what_is_unique_is_so_within_an_organisation(
    connect: Any, shared_url: str, app: psycopg.Connection[Any], ours: Any, theirs: Any
) -> None:
    """A value that others have is free here, so nobody learns that they have it."""
    tables = {table.name: table for table in tenant_tables(app)}
    unique = [name for name, _ in app.execute(UNIQUE).fetchall()]
    for name in unique:
        own = [each for each in tables[name].required if each not in tables[name].parents]
        if not own:  # of keys alone, and those cannot be of others
            continue
        listed = sql.SQL(", ").join(map(sql.Identifier, own))
        table = sql.Identifier(name)
        with connect(shared_url, "axai_app", theirs.id) as other:
            query = sql.SQL("SELECT {} FROM {}").format(listed, table)
            [values] = other.execute(query).fetchall()
        update = sql.SQL("UPDATE {} SET ({}) = ROW ({})").format(
            table, listed, sql.SQL(", ").join(sql.Placeholder() * len(own))
        )
        assert (name, state_of(app, update, *values)) == (name, "1")

    assert {"users", "topics", "roles", "document_versions"} <= set(unique)


def test_an_organisation_is_not_guessed_where_two_have_the_parent(
    connect: Any, shared_url: str, theirs: Any
) -> None:
    """Keys are unique within an organisation only, so those of the parents can be forged."""
    with connect(shared_url, "axai_system") as system:
        tables = {table.name: table for table in tenant_tables(system)}
        children = [name for (name,) in system.execute(FILLED_FROM_PARENTS).fetchall()]
        forger = uuid.uuid4()
        system.execute("INSERT INTO organizations (id, name) VALUES (%s, 'x')", [forger])
        for table in tables.values():
            insert_row(system, table, forger, theirs.keys, id=theirs.keys[table.name])

        for name in children:
            system.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
            with pytest.raises(errors.NotNullViolation), system.transaction():
                insert_row(system, tables[name], None, theirs.keys)
            insert_row(system, tables[name], theirs.id, theirs.keys)

    assert {"summaries", "document_versions", "user_roles"} <= set(children)


def test_what_goes_with_a_parent_are_rows_of_its_organisation(
    connect: Any, shared_url: str, theirs: Any
) -> None:
    """A parent has the key of a row of others, as far as ``id`` goes, and is deleted."""
    with connect(shared_url, "axai_system") as system:
        before = every(system, "SELECT * FROM {} WHERE org_id = %s", theirs.id)
        before["organizations"] = "1"
        attacker = uuid.uuid4()
        system.execute("INSERT INTO organizations (id, name) VALUES (%s, 'x')", [attacker])
        for table in tenant_tables(system):
            insert_row(system, table, attacker, theirs.keys, id=theirs.keys[table.name])
        for table in reversed(tenant_tables(system)):
            system.execute(
                sql.SQL("DELETE FROM {} WHERE org_id = %s").format(sql.Identifier(table.name)),
                [attacker],
            )

        after = every(system, "SELECT * FROM {} WHERE org_id = %s", theirs.id)
        after["organizations"] = "1"
        assert after == before
        assert set(after.values()) == {"1"}


def test_an_organisation_goes_with_everything_it_has(
    connect: Any, shared_url: str, ours: Any, theirs: Any
) -> None:
    with connect(shared_url, "axai_system") as system:
        system.execute("DELETE FROM organizations WHERE id = %s", [ours.id])

        for org_id, left in ((ours.id, "0"), (theirs.id, "1")):
            found = every(system, "SELECT * FROM {} WHERE org_id = %s", org_id)
            del found["organizations"]
            assert set(found.values()) == {left}


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE {} CASCADE",
        "ALTER TABLE {} DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE {} NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE {} DISABLE TRIGGER audit",
        "CREATE POLICY opened ON {} USING (true)",
        "DROP POLICY axai_tenant ON {}",
        "GRANT SELECT ON {} TO PUBLIC",
        "CREATE INDEX opened ON {} (id)",
        "CREATE TRIGGER opened AFTER INSERT ON {} EXECUTE FUNCTION axai_touch()",
    ],
)
def test_a_service_changes_nothing_but_rows(app: psycopg.Connection[Any], statement: str) -> None:
    answers = every(app, statement)
    granted = {"23505", "42501"}

    if statement.startswith("GRANT"):
        # PostgreSQL warns and grants nothing to someone who holds nothing to grant.
        assert set(answers.values()) <= {"-1", "42501"}
        assert not app.execute(
            "SELECT FROM pg_class, aclexplode(relacl) WHERE grantee = 0"
            " AND relnamespace = 'public'::regnamespace"
        ).fetchall()
    else:
        assert set(answers.values()) <= granted


def test_row_security_is_not_turned_off(app: psycopg.Connection[Any]) -> None:
    app.execute("SET LOCAL row_security = off")

    assert set(every(app, "SELECT * FROM {}").values()) == {"42501"}


@pytest.mark.parametrize(
    "role", ["axai_owner", "axai_migrate", "axai_system", "axai_backup", "axai_search"]
)
def test_a_service_does_not_become_somebody_else(app: psycopg.Connection[Any], role: str) -> None:
    assert state_of(app, sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role))) == "42501"


def test_the_owner_sees_nothing_either(connect: Any, shared_url: str, theirs: Any) -> None:
    with connect(shared_url, "axai_owner") as owner:
        assert set(every(owner, "SELECT * FROM {}").values()) == {"0"}
    with connect(shared_url, "axai_owner", theirs.id) as owner:
        assert set(every(owner, "SELECT * FROM {}").values()) == {"0"}


def test_a_policy_that_is_added_opens_nothing(
    connect: Any, shared_url: str, ours: Any, theirs: Any
) -> None:
    with connect(shared_url, "axai_owner") as owner:
        for name in names(owner):
            owner.execute(f"CREATE POLICY added ON {name} USING (true) WITH CHECK (true)")
            owner.execute(f"GRANT ALL ON {name} TO axai_owner")
        assert set(every(owner, "SELECT * FROM {}").values()) == {"0"}
        owner.execute("SELECT set_config('axai.org_id', %s, true)", [str(ours.id)])
        for name in names(owner):
            found = owner.execute(f"SELECT id FROM {name}").fetchall()
            assert (name, found) == (name, [(ours.keys[name],)])


def test_a_function_that_is_cheap_to_call_sees_own_rows_only(
    app: psycopg.Connection[Any], theirs: Any
) -> None:
    divided = "SELECT 1 / (CASE WHEN id = %s THEN 0 ELSE 1 END) FROM {}"

    found = {
        name: state_of(app, sql.SQL(divided).format(sql.Identifier(name)), theirs.keys[name])
        for name in names(app)
    }

    assert set(found.values()) == {"1"}


def test_documents_of_others_are_not_found(
    connect: Any, shared_url: str, ours: Any, theirs: Any
) -> None:
    with connect(shared_url, "postgres") as connection:
        connection.execute("UPDATE documents SET title = 'canary', metadata = '{\"canary\": 1}'")
        connection.execute("SET LOCAL ROLE axai_app")
        for query in (
            "SELECT id FROM axai_find_documents(to_tsquery('english', 'canary'))",
            "SELECT * FROM axai_documents_with('{\"canary\": 1}')",
        ):
            assert connection.execute(query).fetchall() == []
            for organisation in (ours, theirs):
                connection.execute(
                    "SELECT set_config('axai.org_id', %s, true)", [str(organisation.id)]
                )
                found = connection.execute(query).fetchall()
                assert found == [(organisation.keys["documents"],)]
            connection.execute("SELECT set_config('axai.org_id', '', true)")


def test_a_temporary_table_stands_in_nobodys_way(app: psycopg.Connection[Any]) -> None:
    statement = sql.SQL("CREATE TEMPORARY TABLE audit_log (org_id uuid)").format()

    assert state_of(app, statement) == "42501"
    assert (
        state_of(app, sql.SQL("CREATE TABLE public.audit_log2 (org_id uuid)").format()) == "42501"
    )


def test_the_owners_functions_are_not_hijacked_where_temporary_tables_are_allowed(
    connect: Any, schema_url: str, make_organization: Callable[[str], uuid.UUID]
) -> None:
    org_id = make_organization(schema_url)
    with psycopg.connect(schema_url.replace("+psycopg", "")) as connection:
        connection.execute(
            sql.SQL("GRANT TEMPORARY ON DATABASE {} TO axai_app").format(
                sql.Identifier(connection.info.dbname)
            )
        )
    with connect(schema_url, "axai_app", org_id) as app:
        app.execute(
            "CREATE TEMPORARY TABLE audit_log (org_id uuid, actor_id uuid, action text,"
            " table_name text, row_id uuid, columns text[], details jsonb)"
        )
        app.execute("SELECT axai_note('shadowed')")
        app.execute("INSERT INTO public.topics (name) VALUES ('shadowed')")
        assert app.execute("SELECT count(*) FROM pg_temp.audit_log").fetchone() == (0,)


@pytest.fixture
def make_organization() -> Callable[[str], uuid.UUID]:
    """Return a function that makes an organisation without any rows."""

    def make(url: str) -> uuid.UUID:
        org_id = uuid.uuid4()
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute("SET LOCAL ROLE axai_system")
            connection.execute("INSERT INTO organizations (id, name) VALUES (%s, 'x')", [org_id])
        return org_id

    return make
