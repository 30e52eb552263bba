"""What stands in a revision that was written from differences."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from andamios_orm import models

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database
    from andamios_orm.migration import MigrationManager

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(6)]


class Color(enum.Enum):
    """An enumeration that is stored by value."""

    RED = "red"


class Shouted(sa.TypeDecorator[str]):
    """A type of an application."""

    impl = sa.String(20)
    cache_ok = True


async def source(manager: MigrationManager) -> str:
    """Return a new revision, which is the first one."""
    revision = await manager.revision("all of it")
    assert revision is not None
    return revision.path.read_text()


def table(*columns: sa.Column[Any]) -> sa.MetaData:
    return sa.Table("thing", sa.MetaData(), *columns).metadata


@pytest.mark.parametrize(
    ("type_", "written"),
    [
        (models.UTCDateTime(), "sa.DateTime(timezone=True)"),
        (models.Money(10, 2), "sa.Numeric(precision=10, scale=2)"),
        (models.EnumByValue(Color), "sa.String()"),
        (Shouted(), "sa.String(length=20)"),
        (sa.Uuid(), "sa.Uuid()"),
        (sa.Interval(), "sa.Interval()"),
        (sa.ARRAY(sa.Integer), "sa.ARRAY(sa.Integer())"),
    ],
)
async def test_a_type_is_written_without_the_application(
    manage: Callable[..., MigrationManager], type_: Any, written: str
) -> None:
    text = await source(manage(table(sa.Column("a", type_))))

    assert f"sa.Column('a', {written}, nullable=True)" in text
    assert "andamios" not in text


@pytest.mark.slow
async def test_a_vector_is_written_as_both_databases_have_it(
    manage: Callable[..., MigrationManager],
) -> None:
    manager = manage(table(sa.Column("a", models.Vector(3))))

    text = await source(manager)

    assert "import duckdb_sqlalchemy.datatypes\n" in text
    assert ".with_variant(duckdb_sqlalchemy.datatypes.FixedArray(" in text
    await manager.upgrade()
    assert await manager.check() == ()


async def test_a_type_with_a_list_of_values_is_made_before_its_table(
    manage: Callable[..., MigrationManager],
) -> None:
    text = await source(manage(table(sa.Column("a", sa.Enum("x", "y", name="kind")))))

    assert "op.create_enum('kind', ['x', 'y'])" in text
    assert "postgresql.ENUM('x', 'y', name='kind', create_type=False)" in text
    assert text.index("create_enum") < text.index("create_table")
    assert "op.drop_enum('kind')" in text


async def test_a_sequence_is_written_with_what_is_not_usual(
    manage: Callable[..., MigrationManager],
) -> None:
    metadata = sa.MetaData()
    sa.Sequence("plain", metadata=metadata)
    sa.Sequence("odd", metadata=metadata, start=5, increment=2)

    text = await source(manage(metadata))

    assert "op.create_sequence('plain')\n" in text
    assert "op.create_sequence('odd', start=5, increment=2)\n" in text
    assert "op.drop_sequence('odd')" in text


async def test_an_enum_with_other_values_is_changed_there_and_back(
    database: Database, manage: Callable[..., MigrationManager]
) -> None:
    before, after = (
        table(sa.Column("a", sa.Enum("x", *more, name="kind"))) for more in ((), ("y",))
    )
    async with database.engine.begin() as connection:
        await connection.run_sync(before.create_all)
    manager = manage(after)

    text = await source(manager)

    assert "op.alter_enum('kind', ['x', 'y'], columns=['thing.a'])" in text
    assert "alter_column" not in text
    await manager.upgrade()
    assert await manager.check() == ()
    await manager.downgrade()
    assert await manage(before).check() == ()


async def test_the_code_is_laid_out_without_remarks(
    manage: Callable[..., MigrationManager],
) -> None:
    text = await source(manage(table(sa.Column("id", sa.Integer, primary_key=True))))

    assert "###" not in text
    assert "    op.create_table('thing',\n        sa.Column('id'," in text


async def test_a_table_in_another_schema_is_found_and_written(
    database: Database, manage: Callable[..., MigrationManager]
) -> None:
    metadata = sa.MetaData(schema="shop")
    sa.Table("thing", metadata, sa.Column("a", sa.Integer, index=True))
    async with database.engine.begin() as connection:
        await connection.execute(sa.text("CREATE SCHEMA shop"))
    manager = manage(metadata)
    before = [str(each) for each in await manager.check()]

    await source(manager)

    assert before == ["the database has no table shop.thing"]
    await manager.upgrade()
    assert await manager.check() == ()


@pytest.mark.slow
async def test_a_default_with_colons_goes_and_comes_back(
    database: Database, manage: Callable[..., MigrationManager]
) -> None:
    before = table(sa.Column("a", sa.String, server_default="a:b ::c :d"))
    async with database.engine.begin() as connection:
        await connection.run_sync(before.create_all)
    manager = manage(table(sa.Column("a", sa.String)))
    await source(manager)

    await manager.upgrade()
    await manager.downgrade()

    assert await manage(before).check() == ()


async def test_a_check_over_columns_stays_one_of_the_models(
    database: Database, manage: Callable[..., MigrationManager]
) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(table(sa.Column("a b", sa.String)).create_all)
    metadata = table(sa.Column("a b", sa.String))
    column = metadata.tables["thing"].c["a b"]
    sa.CheckConstraint(sa.func.length(column) > 0, name="some")
    rules = set(metadata.tables["thing"].constraints)
    manager = manage(metadata)

    text = await source(manager)

    assert "'length(\"a b\") > 0'" in text
    assert metadata.tables["thing"].constraints == rules
    await manager.upgrade()
    assert await manager.check() == ()


async def test_a_table_goes_after_the_keys_to_it(
    database: Database, manage: Callable[..., MigrationManager]
) -> None:
    before = table(sa.Column("id", sa.Integer, primary_key=True, autoincrement=False))
    key = sa.Column("thing_id", sa.Integer, sa.ForeignKey("thing.id", name="fk_thing"))
    sa.Table("child", before, key)
    async with database.engine.begin() as connection:
        await connection.run_sync(before.create_all)
    after = sa.MetaData()
    sa.Table("child", after, sa.Column("thing_id", sa.Integer))
    manager = manage(after)
    await source(manager)

    await manager.upgrade()

    assert await manager.check() == ()
    await manager.downgrade()
    assert await manage(before).check() == ()


def moods(*values: str) -> sa.MetaData:
    """Return a table with a column of a type that lists its values."""
    metadata = sa.MetaData()
    sa.Table(
        "day",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("mood", sa.Enum(*values, name="mood"), server_default=values[0]),
    )
    return metadata


async def test_a_type_gets_other_values_and_has_the_old_ones_again(
    manage: Callable[..., MigrationManager],
) -> None:
    before, after = manage(moods("good", "bad")), manage(moods("good", "bad", "ugly"))
    await before.revision("two moods")
    await before.upgrade()

    revision = await after.revision("three moods")

    assert revision is not None
    altered = "op.alter_enum('mood', ['good', 'bad', 'ugly'], columns=['day.mood'])"
    assert altered in revision.path.read_text()
    await after.upgrade()
    assert await after.check() == ()
    await after.downgrade()
    assert await before.check() == ()
