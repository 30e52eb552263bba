"""Sequences and types that list their values, made and changed by a revision."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import postgresql

from andamios_orm.migration.operations import (
    AlterEnum,
    CreateEnum,
    CreateSequenceOp,
    DropEnum,
    DropSequenceOp,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(6)]


async def run(database: Database, work: Callable[[Any], Any]) -> None:
    """Do ``work`` with Alembic's operations, and commit."""
    async with database.engine.begin() as connection:
        await connection.run_sync(lambda sync: work(Operations(MigrationContext.configure(sync))))


async def scalars(database: Database, statement: str) -> list[Any]:
    async with database.engine.begin() as connection:
        return list(await connection.scalars(sa.text(statement)))


@pytest.mark.slow
async def test_a_sequence_is_made_with_start_and_increment(database: Database) -> None:
    await run(database, lambda op: op.create_sequence("ticket", start=7, increment=5))

    assert await scalars(database, "SELECT nextval('ticket')") == [7]
    assert await scalars(database, "SELECT nextval('ticket')") == [12]


async def test_a_sequence_is_dropped(database: Database) -> None:
    await run(database, lambda op: op.create_sequence("ticket"))

    await run(database, lambda op: op.drop_sequence("ticket"))

    async with database.engine.connect() as connection:
        names = await connection.run_sync(lambda sync: sa.inspect(sync).get_sequence_names())
    assert names == []


async def labels(database: Database) -> dict[str, list[str]]:
    def read(sync: Any) -> Any:
        inspector: Any = sa.inspect(sync)
        return {each["name"]: list(each["labels"]) for each in inspector.get_enums()}

    async with database.engine.connect() as connection:
        found: dict[str, list[str]] = await connection.run_sync(read)
        return found


async def test_an_enum_is_made_with_values_in_their_order(database: Database) -> None:
    await run(database, lambda op: op.create_enum("mood", ["sad", "it's :so", "a"]))

    assert await labels(database) == {"mood": ["sad", "it's :so", "a"]}


async def test_an_enum_is_dropped(database: Database) -> None:
    await run(database, lambda op: op.create_enum("mood", ["sad"]))

    await run(database, lambda op: op.drop_enum("mood"))

    assert await labels(database) == {}


async def make_feelings(database: Database, default: str) -> None:
    """Make a table with a type that lists its values, and a row."""
    await run(database, lambda op: op.create_enum("Mood", ["sad", "ok"]))
    for statement in (
        f'CREATE TABLE "order" (id INTEGER, "is" "Mood"{default})',
        """INSERT INTO "order" VALUES (1, 'ok')""",
    ):
        async with database.engine.begin() as connection:
            await connection.execute(sa.text(statement))


@pytest.mark.slow
@pytest.mark.parametrize("default", ["", " DEFAULT 'ok'"])
async def test_an_enum_gets_other_values_and_rows_keep_theirs(
    database: Database, default: str
) -> None:
    await make_feelings(database, default)

    await run(database, lambda op: op.alter_enum("Mood", ["new", "ok"], columns=["order.is"]))

    assert await labels(database) == {"Mood": ["new", "ok"]}
    await scalars(database, 'INSERT INTO "order" (id) VALUES (2) RETURNING id')
    assert await scalars(database, 'SELECT CAST("is" AS VARCHAR) FROM "order" ORDER BY id') == [
        "ok",
        "ok" if default else None,
    ]


def offline(work: Callable[[Any], Any]) -> str:
    """Return the SQL that PostgreSQL would be sent."""
    output = StringIO()
    options = {"as_sql": True, "output_buffer": output}
    work(Operations(MigrationContext.configure(dialect=postgresql.dialect(), opts=options)))  # type: ignore[no-untyped-call]  # SQLAlchemy's
    return output.getvalue()


def test_without_a_database_an_enum_is_changed_as_if_its_columns_had_no_default() -> None:
    sql = offline(lambda op: op.alter_enum("mood", ["new"], columns=["thing.is"]))

    assert "ALTER TYPE mood RENAME TO mood_former" in sql
    assert 'USING "is"::text::mood' in sql
    assert "DROP TYPE mood_former" in sql
    assert "DEFAULT" not in sql


@pytest.mark.parametrize(
    ("operation", "reverse", "told"),
    [
        (
            CreateSequenceOp("a", start=2, increment=3),
            DropSequenceOp("a", start=2, increment=3),
            ("add_sequence", "a"),
        ),
        (
            DropSequenceOp("a", start=2, increment=3),
            CreateSequenceOp("a", start=2, increment=3),
            ("remove_sequence", "a"),
        ),
        (CreateEnum("a", ["x"]), DropEnum("a", ["x"]), ("CreateEnum", "a")),
        (DropEnum("a", ["x"]), CreateEnum("a", ["x"]), ("DropEnum", "a")),
        (
            AlterEnum("a", ["x"], ["t.c"], ["y"]),
            AlterEnum("a", ["y"], ["t.c"], ["x"]),
            ("AlterEnum", "a"),
        ),
    ],
)
def test_an_operation_is_undone_by_its_reverse(
    operation: Any, reverse: Any, told: tuple[str, str]
) -> None:
    found = operation.reverse()

    assert type(found) is type(reverse)
    assert vars(found) == vars(reverse)
    assert operation.to_diff_tuple() == told
