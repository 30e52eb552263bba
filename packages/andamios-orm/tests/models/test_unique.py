"""Unique values of rows that are deleted softly: free again, and refused twice among the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import ForeignKey, Index, MetaData, UniqueConstraint, func, insert, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.bulk import bulk_create, bulk_update, bulk_upsert
from andamios_orm.exceptions import BulkRefused, DuplicateKey
from andamios_orm.models import IntegerKeyMixin, Row, SoftDeleteMixin, lint
from andamios_orm.models.unique import unique_columns
from andamios_orm.repositories import BaseRepository

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Connection

    from andamios_orm import Database, Session

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The base of these tables."""


class Tag(IntegerKeyMixin, SoftDeleteMixin, Base):
    """Unique in each of the ways that a table can say."""

    __tablename__ = "tags"
    __table_args__ = (
        UniqueConstraint("team", "seat"),
        UniqueConstraint("late", deferrable=True, info={"with_deleted": True}),
        Index("by_low", func.lower(text("low")), unique=True),
    )

    name: Mapped[str | None] = mapped_column(unique=True)
    slug: Mapped[str | None] = mapped_column(unique=True, index=True)
    number: Mapped[str | None] = mapped_column(unique=True, info={"with_deleted": True})
    team: Mapped[str | None]
    seat: Mapped[int | None]
    low: Mapped[str | None]
    late: Mapped[str | None]
    size: Mapped[int | None] = mapped_column(index=True)


class Country(SoftDeleteMixin, Base):
    """Has a key that says which row is meant, deleted or not."""

    __tablename__ = "countries"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


async def _create(session: Session, values: dict[str, Any]) -> Any:
    return await BaseRepository(session, Tag).create(values)


async def _bulk_create(session: Session, values: dict[str, Any]) -> Any:
    return await bulk_create(session, Tag, [values])


async def _upsert(session: Session, values: dict[str, Any]) -> Any:
    return await BaseRepository(session, Tag).upsert(values)


async def _core(session: Session, values: dict[str, Any]) -> Any:
    return await session.execute(insert(Tag).values(**values))


async def _flush(session: Session, values: dict[str, Any]) -> Any:
    session.add(Tag(**values))
    await session.flush()


async def _update(session: Session, values: dict[str, Any]) -> Any:
    tag = await BaseRepository(session, Tag).create({})
    return await BaseRepository(session, Tag).update(tag.id, values)


async def _bulk_update(session: Session, values: dict[str, Any]) -> Any:
    tag = await BaseRepository(session, Tag).create({})
    return await bulk_update(session, Tag, [{"id": tag.id, **values}])


WRITES: dict[str, Callable[[Session, dict[str, Any]], Awaitable[Any]]] = {
    "create": _create,
    "bulk_create": _bulk_create,
    "upsert": _upsert,
    "update": _update,
    "bulk_update": _bulk_update,
    "core": _core,
    "flush": _flush,
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.sampled(6)
async def test_a_value_of_deleted_rows_is_free_and_one_of_a_live_row_is_not(
    database: Database, write: Callable[[Session, dict[str, Any]], Awaitable[Any]]
) -> None:
    async with database.transaction() as session:
        tags = BaseRepository(session, Tag)
        for _ in range(2):
            await tags.delete((await tags.create({"name": "x", "team": "a", "seat": 1})).id)
        await write(session, {"name": "x", "team": "a", "seat": 1})

    with pytest.raises(DuplicateKey) as caught:
        async with database.transaction() as session:
            await write(session, {"name": "x"})
    with pytest.raises(DuplicateKey) as pair:
        async with database.transaction() as session:
            await write(session, {"team": "a", "seat": 1})

    assert caught.value.table == "tags"
    assert (caught.value.columns, caught.value.value) == (("name",), "x")
    assert (pair.value.columns, pair.value.value) == (("team", "seat"), "a, 1")


async def test_single_writes_that_share_a_commit_are_judged_alike(database: Database) -> None:
    tags = BaseRepository(database, Tag)
    await tags.delete((await tags.create({"name": "x"})).id)

    await database.create(Tag, {"name": "x"})
    with pytest.raises(DuplicateKey, match="name"):
        await database.create(Tag, {"name": "x"})
    with pytest.raises(DuplicateKey, match="name"):
        await database.insert(Tag, {"name": "x"})

    assert await tags.count() == 1
    assert await tags.count(with_deleted=True) == 2


async def test_two_rows_of_one_statement_are_refused(database: Database) -> None:
    with pytest.raises(DuplicateKey) as caught:
        async with database.transaction() as session:
            await bulk_create(session, Tag, [{"name": "x"}, {"name": "x"}])

    assert caught.value.table == "tags"
    assert caught.value.value == "x"


async def test_restore_is_refused_where_the_value_was_taken(database: Database) -> None:
    tags = BaseRepository(database, Tag)
    old = await tags.create({"name": "x"})
    await tags.delete(old.id)
    new = await tags.create({"name": "x"})

    with pytest.raises(DuplicateKey) as caught:
        await tags.restore(old.id)
    await tags.delete(new.id)
    restored = await tags.restore(old.id)

    assert (caught.value.columns, caught.value.value) == (("name",), "x")
    assert not restored.is_deleted


@pytest.mark.slow
async def test_upsert_matches_no_row_that_was_deleted(database: Database) -> None:
    async with database.transaction() as session:
        tags = BaseRepository(session, Tag)
        old = [await tags.create({"name": name, "size": 1}) for name in "xy"]
        for tag in old:
            await tags.delete(tag.id)

        one = await tags.upsert({"name": "x", "size": 2}, match_fields=["name"])
        done = await bulk_upsert(session, Tag, [{"name": "y", "size": 2}], match_fields=["name"])
        again = await tags.upsert({"name": "x", "size": 3}, match_fields=["name"])

        assert one.id not in {tag.id for tag in old}
        assert (done.created, again.id) == (1, one.id)
        assert await tags.list(order_by="name") == [again, await tags.get(done.ids[0])]
        assert [tag.size for tag in old] == [1, 1]


UPSERTS: dict[str, Callable[[BaseRepository[Country], Any], Awaitable[Any]]] = {
    "upsert": lambda countries, row: countries.upsert(row),
    "get_or_create": lambda countries, row: countries.get_or_create(**row),
    "bulk_upsert": lambda countries, row: countries.bulk_upsert([row], match_fields=["code"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("write", UPSERTS.values(), ids=UPSERTS)
async def test_the_key_of_a_deleted_row_is_not_free_and_no_retry_helps(
    database: Database, write: Callable[[BaseRepository[Country], Any], Awaitable[Any]]
) -> None:
    countries = BaseRepository(database, Country)
    await write(countries, {"code": "es", "name": "España"})
    await countries.delete("es")

    with pytest.raises((DuplicateKey, BulkRefused), match="was deleted: restore"):
        await write(countries, {"code": "es", "name": "España"})

    await countries.restore("es")
    await write(countries, {"code": "es", "name": "España"})
    assert await countries.count(with_deleted=True) == 1


@pytest.mark.parametrize(
    ("column", "value"), [("slug", "s"), ("low", "L")], ids=["column", "expression"]
)
async def test_unique_indexes_are_judged_alike(database: Database, column: str, value: str) -> None:
    tags = BaseRepository(database, Tag)
    await tags.delete((await tags.create({column: value})).id)
    await tags.create({column: value})

    with pytest.raises(DuplicateKey):
        await tags.create({column: value.lower()})


@pytest.mark.parametrize("column", ["number", "late"])
async def test_what_says_so_is_unique_among_deleted_rows_too(
    database: Database, column: str
) -> None:
    tags = BaseRepository(database, Tag)
    await tags.delete((await tags.create({column: "1"})).id)

    with pytest.raises(DuplicateKey):
        await tags.create({column: "1"})


@pytest.mark.slow
async def test_autogenerate_reports_no_difference(database: Database) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"target_metadata": Base.metadata})
        return list(compare_metadata(context, Base.metadata))

    async with database.engine.connect() as connection:
        found = await connection.run_sync(differences)

    assert found == []


def test_a_copy_of_a_table_is_judged_alike() -> None:
    table: Any = Tag.__table__

    copied = table.to_metadata(MetaData())

    for index in copied.indexes:
        condition = index.dialect_options["duckdb"]["where"]
        assert (condition is None) is (not index.unique)
        assert condition is None or str(condition) == "tags.deleted_at IS NULL"
    assert unique_columns(copied)[0] == {copied.c.id}


def test_a_table_that_has_no_such_rows_of_its_own_stays_as_it_is() -> None:
    class Own(Row, DeclarativeBase): ...

    class Person(IntegerKeyMixin, SoftDeleteMixin, Own):
        __tablename__ = "people"

    class Member(Person):
        __tablename__ = "members"
        id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
        seat: Mapped[int] = mapped_column(unique=True)

    table: Any = Member.__table__

    assert [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    assert table.indexes == set()


def test_the_lint_finds_nothing_in_them_and_unique_columns_are_known() -> None:
    table: Any = Tag.__table__

    assert [each for each in lint(Base) if each.kind != "different"] == []
    found = unique_columns(table)
    assert {table.c.team, table.c.seat} in found
    assert {table.c.number} in found
    assert {table.c.size} not in found
