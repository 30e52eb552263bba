from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from axai_pg.migrations.catalogue import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def connection(shared_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(shared_url.replace("+psycopg", "")) as connection:
        yield connection
        connection.rollback()


@pytest.fixture(scope="module")
def described(shared_url: str) -> str:
    """Return what the schema is described as."""
    with psycopg.connect(shared_url.replace("+psycopg", "")) as connection:
        return describe(connection)


@pytest.mark.sampled(10)
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE topics ADD COLUMN added int",
        "ALTER TABLE topics ALTER COLUMN keywords DROP DEFAULT",
        "ALTER TABLE topics DROP CONSTRAINT ck_topics_valid_importance",
        "ALTER TABLE topics DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE topics NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE topics DISABLE TRIGGER audit",
        "ALTER TABLE topics OWNER TO CURRENT_USER",
        "DROP TRIGGER refuse_cycle ON topics",
        "DROP POLICY axai_tenant ON topics",
        "ALTER POLICY axai_base ON topics TO axai_app, axai_backup",
        "DROP INDEX ix_documents_search",
        "GRANT SELECT ON topics TO PUBLIC",
        "GRANT SELECT ON topics TO axai_app WITH GRANT OPTION",
        "ALTER FUNCTION axai_note(text, jsonb) SECURITY INVOKER",
        "ALTER FUNCTION axai_note(text, jsonb) RESET search_path",
        "GRANT EXECUTE ON FUNCTION axai_audit() TO PUBLIC",
        "GRANT SELECT (content) ON documents TO axai_search",
        "CREATE VIEW added AS SELECT 1 AS one",
        "CREATE SEQUENCE added",
        "CREATE TABLE added (id int)",
    ],
)
def test_what_differs_is_described(
    connection: psycopg.Connection[Any], described: str, statement: str
) -> None:
    connection.execute(statement)

    assert describe(connection) != described


def test_what_belongs_to_an_extension_is_not_described(described: str) -> None:
    assert "gin_compare_prefix" not in described
