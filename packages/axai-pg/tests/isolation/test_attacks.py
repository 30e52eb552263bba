"""An organisation as a row: it is neither made nor taken by a service, and goes as a whole."""

from __future__ import annotations

import uuid
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import errors, sql

from axai_pg.testing.rows import insert_row, tenant_tables

pytestmark = [pytest.mark.integration, pytest.mark.db]

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


def test_an_organisation_is_neither_made_nor_renamed_into_another(
    app: psycopg.Connection[Any], theirs: Any
) -> None:
    insert = sql.SQL("INSERT INTO organizations (id, name) VALUES (%s, 'x')").format()
    update = sql.SQL("UPDATE organizations SET id = %s").format()

    for statement in (insert, update):
        assert state_of(app, statement, theirs.id) == "42501"
        assert state_of(app, statement, uuid.uuid4()) == "42501"


def test_an_organisation_goes_with_everything_it_has(
    connect: Any, shared_url: str, ours: Any, theirs: Any
) -> None:
    with connect(shared_url, "axai_system") as system:
        system.execute("DELETE FROM organizations WHERE id = %s", [ours.id])

        for org_id, left in ((ours.id, "0"), (theirs.id, "1")):
            found = every(system, "SELECT * FROM {} WHERE org_id = %s", org_id)
            del found["organizations"]
            assert set(found.values()) == {left}


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
