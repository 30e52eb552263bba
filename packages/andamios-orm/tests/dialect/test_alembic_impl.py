"""What Alembic sees and does on DuckDB where the library checks the keys."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

import andamios_orm  # noqa: F401 - makes duckdb:// ours

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def connection(andamios_memory_url: str) -> Iterator[sa.Connection]:
    """Yield a connection to an empty database."""
    engine = sa.create_engine(andamios_memory_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def shop(**info: Any) -> sa.MetaData:
    """Return two tables, one with a key to the other."""
    metadata = sa.MetaData(info=info)
    sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table("b", metadata, sa.Column("a_id", sa.ForeignKey("a.id", name="fk_b_a")))
    return metadata


CHECKED = {"duckdb_foreign_keys": "none"}


def physical_keys(connection: sa.Connection) -> int:
    found = connection.scalar(
        sa.text("SELECT count(*) FROM duckdb_constraints() WHERE constraint_type = 'FOREIGN KEY'")
    )
    assert isinstance(found, int)
    return found


def operations(connection: sa.Connection, metadata: Any) -> Operations:
    return Operations(MigrationContext.configure(connection, opts={"target_metadata": metadata}))


def migrate(op: Operations) -> None:
    op.create_table("a", sa.Column("id", sa.Integer, primary_key=True))
    op.create_table("b", sa.Column("a_id", sa.Integer, sa.ForeignKey("a.id")))


def test_keys_that_the_library_checks_are_no_difference(connection: sa.Connection) -> None:
    metadata = shop(**CHECKED)
    metadata.create_all(connection)

    differences = compare_metadata(MigrationContext.configure(connection), metadata)

    assert differences == []
    assert physical_keys(connection) == 0


def test_keys_of_other_metadata_are_compared(connection: sa.Connection) -> None:
    shop(**CHECKED).create_all(connection)

    differences = compare_metadata(MigrationContext.configure(connection), shop())

    assert [difference[0] for difference in differences] == ["add_fk"]


@pytest.mark.parametrize("several", [False, True])
def test_a_migration_creates_no_key_that_the_library_checks(
    connection: sa.Connection, *, several: bool
) -> None:
    metadata = shop(**CHECKED)

    migrate(operations(connection, [metadata, sa.MetaData()] if several else metadata))

    assert physical_keys(connection) == 0


@pytest.mark.parametrize("metadata", [None, shop()])
def test_a_migration_of_other_models_creates_its_keys(
    connection: sa.Connection, metadata: sa.MetaData | None
) -> None:
    migrate(operations(connection, metadata))

    assert physical_keys(connection) == 1


def test_adding_and_dropping_such_a_key_does_nothing(connection: sa.Connection) -> None:
    op = operations(connection, shop(**CHECKED))
    migrate(op)

    op.create_foreign_key("fk_b_a", "b", "a", ["a_id"], ["id"])
    op.drop_constraint("fk_b_a", "b", type_="foreignkey")

    assert physical_keys(connection) == 0


def test_other_constraints_are_passed_on(connection: sa.Connection) -> None:
    op = operations(connection, shop(**CHECKED))
    migrate(op)

    with pytest.raises(sa.exc.DBAPIError, match="ALTER TABLE"):
        op.create_check_constraint("positive", "a", "id > 0")
    connection.rollback()
    with pytest.raises(sa.exc.DBAPIError, match="ALTER TABLE"):
        op.drop_constraint("positive", "a", type_="check")


OWN = """
import alembic.ddl.impl, sqlalchemy, andamios_orm
class Own(alembic.ddl.impl.DefaultImpl):
    __dialect__ = "duckdb"
with sqlalchemy.create_engine("duckdb:///:memory:").connect():
    print(alembic.ddl.impl._impls["duckdb"].__name__)
"""


@pytest.mark.parametrize(
    ("program", "found"), [(OWN, "Own"), (OWN.replace('duckdb"\nwith', '"\nwith'), "AndamiosImpl")]
)
@pytest.mark.slow
def test_an_implementation_of_the_application_stays(program: str, found: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert done.stdout.strip() == found
