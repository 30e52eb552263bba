"""Whole databases copied to the other kind and back."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from duckdb_sqlalchemy.datatypes import TimeNs
from sqlalchemy.dialects.postgresql import JSONB

from andamios_orm import Database
from andamios_orm.bulk.positions import load_table
from andamios_orm.exceptions import BackupFailed, ConfigurationError, ForeignKeyViolation
from andamios_orm.maintenance import copy_to
from andamios_orm.models.types import EnumByValue, Money, UTCDateTime
from andamios_orm.models.vector import Vector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.db]

NOON = dt.datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=dt.UTC)
ODD = {"b": [1, 2.50, None], "a": {"ü": "\U0001f600"}, "big": 2**60}


class Color(enum.Enum):
    """The colors of a thing."""

    RED = "red"
    BLUE = "blue"


METADATA = sa.MetaData(info={"duckdb_foreign_keys": "none"})
PLACE = sa.Table(
    "place",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(40), nullable=False, unique=True),
    sa.Column("above", sa.ForeignKey("place.id")),
)
THING = sa.Table(
    "Thing",
    METADATA,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("place_id", sa.ForeignKey("place.id"), nullable=False),
    sa.Column("color", sa.Enum(Color, name="color")),
    sa.Column("kind", EnumByValue(Color)),
    sa.Column("price", Money(12, 2)),
    sa.Column("weight", sa.Double),
    sa.Column("share", sa.REAL),
    sa.Column("made", UTCDateTime),
    sa.Column("seen", sa.DateTime),
    sa.Column("day", sa.Date),
    sa.Column("hour", sa.Time),
    sa.Column("lasts", sa.Interval),
    sa.Column("photo", sa.LargeBinary),
    sa.Column("odd", sa.JSON().with_variant(JSONB(), "postgresql")),
    sa.Column("exact", sa.JSON),
    sa.Column("tags", sa.ARRAY(sa.String)),
    sa.Column("likeness", Vector(3)),
    sa.Column("is_new", sa.Boolean),
    sa.Index("ix_thing_place", "place_id"),
)
SEEN = sa.Table("seen", METADATA, sa.Column("day", sa.Date), sa.Column("count", sa.SmallInteger))
ORDER = sa.Table(
    "order",
    METADATA,
    sa.Column("shop", sa.String, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Sequence("numbers", start=7), primary_key=True),
)
VISIT = sa.Table("visit", METADATA, sa.Column("id", sa.Integer, sa.Identity(), primary_key=True))
TABLES = (PLACE, THING, SEEN, ORDER, VISIT)


async def fill(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
        names = [(1, "city", None), (2, "house", 3), (3, "street", 1), (4, "own", 4)]
        for key, name, above in sorted(names, key=lambda row: row[2] or 0):
            row = {"id": key, "name": name, "above": above}
            await connection.execute(sa.insert(PLACE).values(row))
        full = {
            "id": uuid.UUID(int=7),
            "place_id": 2,
            "color": Color.RED,
            "kind": Color.BLUE,
            "price": Decimal("-1234567890.10"),
            "weight": 0.1,
            "share": 0.1,
            "made": NOON,
            "seen": NOON.replace(tzinfo=None),
            "day": dt.date(2026, 3, 1),
            "hour": dt.time(12, 30, 15, 123456),
            "lasts": dt.timedelta(days=2, seconds=3),
            "photo": b"\x00\xff",
            "odd": ODD,
            "exact": {"b": 1, "a": [1.50]},
            "tags": ["a", "'\"", "", "ü"],
            "likeness": [0.1, -2.5, 3.0],
            "is_new": True,
        }
        bare = {"id": uuid.UUID(int=8), "place_id": 1}
        await connection.execute(sa.insert(THING).values(full))
        await connection.execute(sa.insert(THING).values(bare))
        await connection.execute(sa.insert(SEEN), [{"day": NOON.date(), "count": 1}] * 2)
        await connection.execute(sa.insert(VISIT))
        for shop in ("a", "B", "b"):
            await connection.execute(sa.insert(ORDER).values(shop=shop))


async def contents(database: Database) -> dict[str, list[Any]]:
    """Return all rows, as an application sees them."""
    found = {}
    async with database.engine.connect() as connection:
        for table in TABLES:
            rows = (await connection.execute(sa.select(table))).all()
            found[table.name] = sorted((tuple(map(seen, row)) for row in rows), key=repr)
    return found


def seen(value: Any) -> Any:
    """Return a value; of a float of 32 bits psycopg gives fewer digits than DuckDB."""
    return round(value, 7) if isinstance(value, float) else value


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Database]:
    """Yield a DuckDB file that does not exist yet."""
    async with Database(f"duckdb:///{tmp_path / 'other.duckdb'}") as database:
        yield database


@pytest.fixture
async def postgres(
    postgres_url: str, through_driver: Callable[[str], str]
) -> AsyncIterator[Database]:
    """Yield an empty PostgreSQL database."""
    async with Database(through_driver(postgres_url)) as database:
        yield database


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 10_000])
async def test_models_go_to_postgresql_and_come_back_as_they_were(
    duckdb_database: Database, postgres: Database, other: Database, batch_size: int
) -> None:
    await fill(duckdb_database)
    told: list[tuple[int, int]] = []

    there = await copy_to(
        duckdb_database,
        postgres,
        metadata=METADATA,
        batch_size=batch_size,
        progress=lambda *numbers: told.append(numbers),
    )
    back = await copy_to(postgres, other, metadata=[METADATA], batch_size=batch_size)

    before = await contents(duckdb_database)
    assert await contents(postgres) == before
    assert await contents(other) == before
    assert there.rows == {"place": 4, "Thing": 2, "seen": 2, "order": 3, "visit": 1}
    assert (there.resumed, there.left_out) == (0, ())
    assert back.rows == there.rows
    assert told[-1] == (24, 24)
    assert sorted(told) == told
    for database in (postgres, other):
        async with database.engine.begin() as connection:
            names = await connection.run_sync(lambda each: sa.inspect(each).get_table_names())
            assert set(names) == set(there.rows)
            made = await connection.execute(
                sa.insert(PLACE).values(name="new").returning(PLACE.c.id)
            )
            assert made.scalar_one() == 5
            ordered = sa.insert(ORDER).values(shop="new").returning(ORDER.c.number)
            assert (await connection.execute(ordered)).scalar_one() == 10
            visited = await connection.execute(sa.insert(VISIT).returning(VISIT.c.id))
            assert visited.scalar_one() == 2


@pytest.mark.slow
async def test_tables_of_unknown_models_are_read_from_the_catalog(
    duckdb_database: Database, postgres: Database, other: Database
) -> None:
    async with duckdb_database.engine.begin() as connection:
        for statement in (
            "CREATE SEQUENCE book_id_seq START 3",
            "CREATE SEQUENCE alone",
            (
                "CREATE TABLE book (id INTEGER DEFAULT nextval('book_id_seq') PRIMARY KEY, "
                "title VARCHAR DEFAULT 'it''s new' NOT NULL UNIQUE, sold UBIGINT DEFAULT 0, "
                "large HUGEINT, kind ENUM('novel', 'poem'), "
                "priced DECIMAL(9, 2) CHECK (priced > 0), "
                "made TIMESTAMPTZ DEFAULT current_timestamp, slug VARCHAR AS (lower(title)), "
                "code VARCHAR DEFAULT upper('x'), tags VARCHAR[])"
            ),
            "CREATE INDEX ix_kind ON book (kind, sold)",
            "CREATE INDEX ix_lower ON book (lower(title))",
            "CREATE TABLE page (book_id INTEGER REFERENCES book (id), number INTEGER)",
            "CREATE VIEW poems AS SELECT * FROM book WHERE kind = 'poem'",
            "COMMENT ON TABLE book IS 'what is read'",
            (
                "INSERT INTO book (title, sold, large, kind, priced, tags) VALUES "
                "('one', 18446744073709551615, 5, 'novel', 1.5, ['a', 'b']), "
                "('two', 0, -170141183460469231731687303715884105, 'poem', 0.01, [])"
            ),
            "INSERT INTO page VALUES (3, 1), (3, 2), (4, 1)",
        ):
            await connection.exec_driver_sql(statement)

    there = await copy_to(duckdb_database, postgres)
    back = await copy_to(postgres, other)

    assert there.left_out == (
        "view poems",
        "the computed column book.slug",
        "the default of book.code",
        "the check book_priced_check of book",
        "the index ix_lower of book",
        "the sequence alone",
    )
    assert back.left_out == ()
    stored = "id, title, sold, large, kind, priced, made, tags"
    results = []
    for database in (duckdb_database, postgres, other):
        async with database.engine.begin() as connection:
            rows = await connection.execute(sa.text(f"SELECT {stored} FROM book ORDER BY id"))
            results.append([tuple(map(str, row)) for row in rows])
            pages = await connection.execute(sa.text("SELECT * FROM page ORDER BY 1, 2"))
            assert pages.all() == [(3, 1), (3, 2), (4, 1)]
    assert results[0] == results[1] == results[2]
    async with other.engine.begin() as connection:
        new = sa.text("INSERT INTO book (title) VALUES ('new') RETURNING id, sold")
        assert (await connection.execute(new)).one() == (5, 0)
        defaulted = sa.text("INSERT INTO book (id) VALUES (9) RETURNING title, made")
        title, made = (await connection.execute(defaulted)).one()
        assert title == "it's new"
        assert made is not None
        keys = await connection.run_sync(lambda each: sa.inspect(each).get_indexes("book"))
        assert [key["name"] for key in keys] == ["ix_kind"]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("size TIMESTAMP_NS", "TIMESTAMP_NS"),
        ("size MAP(INTEGER, INTEGER)", "MAP"),
        ("size BIT", "BIT"),
    ],
)
async def test_what_has_no_counterpart_is_named_before_anything_is_made(
    duckdb_database: Database, postgres: Database, column: str, kind: str
) -> None:
    async with duckdb_database.engine.begin() as connection:
        await connection.exec_driver_sql(f"CREATE TABLE event ({column})")

    with pytest.raises(ConfigurationError, match=rf"event.size is {kind}.*metadata="):
        await copy_to(duckdb_database, postgres)

    assert await tables(postgres) == []


@pytest.mark.slow
async def test_a_number_of_any_size_has_no_counterpart_on_duckdb(
    postgres: Database, other: Database
) -> None:
    async with postgres.engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE event (size NUMERIC)")

    with pytest.raises(ConfigurationError, match=r"event.size is NUMERIC, a number of any size"):
        await copy_to(postgres, other)


async def tables(database: Database) -> list[str]:
    async with database.engine.connect() as connection:
        names = await connection.run_sync(lambda each: sa.inspect(each).get_table_names())
    return sorted(names)


class _StoppedError(Exception):
    """The progress that nobody wants to hear any more."""


def stop_at(count: int) -> Callable[[int, int], None]:
    def stop(done: int, _total: int) -> None:
        if done >= count:
            raise _StoppedError

    return stop


@pytest.mark.slow
async def test_a_copy_that_was_broken_off_goes_on(
    duckdb_database: Database, postgres: Database, other: Database
) -> None:
    await fill(duckdb_database)
    with pytest.raises(_StoppedError):
        await copy_to(
            duckdb_database, postgres, metadata=METADATA, batch_size=2, progress=stop_at(6)
        )
    told: list[int] = []

    with pytest.raises(ConfigurationError, match="the source is a copy that was broken off"):
        await copy_to(postgres, other)
    copied = await copy_to(
        duckdb_database,
        postgres,
        metadata=METADATA,
        batch_size=2,
        progress=lambda done, _: told.append(done),
    )

    assert copied.resumed == 6
    assert told[-1] == 24
    assert await contents(postgres) == await contents(duckdb_database)
    assert "andamios_loads" not in await tables(postgres)


@pytest.mark.slow
async def test_a_source_that_changed_between_two_runs_is_found_out(
    duckdb_database: Database, postgres: Database
) -> None:
    await fill(duckdb_database)
    with pytest.raises(_StoppedError):
        await copy_to(duckdb_database, postgres, metadata=METADATA, progress=stop_at(12))
    async with duckdb_database.engine.begin() as connection:
        await connection.execute(sa.update(SEEN).values(count=2))

    with pytest.raises(BackupFailed, match=r"seen has 2 rows, the copy 2.*copy again"):
        await copy_to(duckdb_database, postgres, metadata=METADATA)

    with pytest.raises(ConfigurationError, match="place of the target has rows already"):
        await copy_to(duckdb_database, postgres, metadata=METADATA)


@pytest.mark.slow
async def test_others_may_write_to_the_source_meanwhile(
    duckdb_database: Database, postgres: Database
) -> None:
    await fill(duckdb_database)
    before = await contents(duckdb_database)
    writing: list[asyncio.Task[None]] = []

    async def write() -> None:
        async with duckdb_database.engine.begin() as connection:
            await connection.execute(sa.insert(SEEN).values(count=9))

    await copy_to(
        duckdb_database,
        postgres,
        metadata=METADATA,
        batch_size=1,
        progress=lambda *_: writing.append(asyncio.create_task(write())),
    )

    await asyncio.gather(*writing)
    assert await contents(postgres) == before


@pytest.mark.slow
async def test_a_copy_knows_its_revision_and_how_far_loads_are(
    duckdb_database: Database, postgres: Database
) -> None:
    metadata = sa.MetaData()
    sa.Table("note", metadata, sa.Column("id", sa.Integer, primary_key=True))
    loads = load_table(sa.MetaData())
    async with duckdb_database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.run_sync(loads.create)
        await connection.execute(sa.insert(loads).values(name="daily", position=7, time=NOON))
        await connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR)")
        await connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('0002')")
        await connection.exec_driver_sql("CREATE TABLE stranger (id INTEGER)")
    async with postgres.engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        await connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('0001')")

    with pytest.raises(ConfigurationError, match=r"at revision 0001, the source at 0002"):
        await copy_to(duckdb_database, postgres, metadata=metadata)
    async with postgres.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
    copied = await copy_to(duckdb_database, postgres, metadata=metadata)

    assert copied.left_out == ("the table stranger: it has no model",)
    async with postgres.engine.connect() as connection:
        positions = await connection.execute(sa.select(loads.c.name, loads.c.position))
        assert positions.all() == [("daily", 7)]
        [revision] = await connection.scalars(sa.text("SELECT version_num FROM alembic_version"))
        assert revision == "0002"


@pytest.mark.slow
async def test_a_table_that_lacks_a_column_is_named(
    duckdb_database: Database, postgres: Database
) -> None:
    with pytest.raises(ConfigurationError, match=r"place of the source has no id, name, above"):
        await copy_to(duckdb_database, postgres, metadata=METADATA)
    await fill(duckdb_database)
    async with postgres.engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE seen (day DATE)")

    with pytest.raises(ConfigurationError, match=r"seen of the target has no count"):
        await copy_to(duckdb_database, postgres, metadata=METADATA)

    assert await tables(postgres) == ["seen"]


async def test_circles_and_wrong_calls_are_refused(
    duckdb_database: Database, postgres: Database
) -> None:
    metadata = sa.MetaData()
    for name, other in (("hen", "egg"), ("egg", "hen")):
        sa.Table(
            name,
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column(f"{other}_id", sa.ForeignKey(f"{other}.id", name=f"{name}_to_{other}")),
        )
    async with duckdb_database.engine.begin() as connection:
        for name, other in (("hen", "egg"), ("egg", "hen")):
            await connection.exec_driver_sql(
                f"CREATE TABLE {name} (id INTEGER, {other}_id INTEGER)"
            )

    with pytest.raises(ConfigurationError, match=r"in a circle \((hen to egg|egg to hen)"):
        await copy_to(duckdb_database, postgres, metadata=metadata)
    with pytest.raises(ConfigurationError, match="the source is the target"):
        await copy_to(duckdb_database, duckdb_database)
    for size in (0, True, 1.5):
        with pytest.raises(ConfigurationError, match="batch_size="):
            await copy_to(duckdb_database, postgres, batch_size=size)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [3, 100])
async def test_rows_that_refer_to_each_other_arrive_parents_first(
    postgres: Database, other: Database, batch_size: int
) -> None:
    metadata = sa.MetaData()
    part = sa.Table(
        "part",
        metadata,
        sa.Column("shop", sa.Integer, primary_key=True),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("above", sa.Integer),
        sa.ForeignKeyConstraint(["shop", "above"], ["part.shop", "part.id"]),
    )
    rows = [{"shop": 1, "id": 9 - n, "above": 10 - n if n % 4 else None} for n in range(9)]
    async with postgres.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.execute(sa.insert(part), rows)

    await copy_to(postgres, other, metadata=metadata, batch_size=batch_size)

    async with other.engine.connect() as connection:
        found = await connection.execute(sa.select(part))
        assert sorted(map(tuple, found)) == sorted(tuple(row.values()) for row in rows)
    async with postgres.engine.begin() as connection:
        await connection.execute(sa.insert(part).values(shop=2, id=1, above=1))
    async with Database(f"{other.engine.url}.next") as third:
        with pytest.raises(ForeignKeyViolation, match="part refers to"):
            await copy_to(postgres, third, metadata=metadata)


@pytest.mark.slow
async def test_tables_of_other_schemas_come_with_them(
    duckdb_database: Database, postgres: Database
) -> None:
    metadata = sa.MetaData(schema="archive")
    table = sa.Table("old", metadata, sa.Column("id", sa.Integer, primary_key=True))
    async with duckdb_database.engine.begin() as connection:
        await connection.exec_driver_sql("CREATE SCHEMA archive")
        await connection.run_sync(metadata.create_all)
        await connection.execute(sa.insert(table), [{"id": 3}, {"id": 4}])

    copied = await copy_to(duckdb_database, postgres, metadata=metadata)

    assert copied.rows == {"archive.old": 2}
    async with postgres.engine.connect() as connection:
        assert (await connection.scalars(sa.select(table.c.id))).all() == [3, 4]


@pytest.mark.slow
async def test_two_of_a_kind_are_copied_only_by_models(
    duckdb_database: Database, other: Database
) -> None:
    await fill(duckdb_database)
    with pytest.raises(ConfigurationError, match=r"both are duckdb: backup\(\) copies"):
        await copy_to(duckdb_database, other)

    await copy_to(duckdb_database, other, metadata=METADATA)

    assert await contents(other) == await contents(duckdb_database)


async def test_nanoseconds_are_not_cut(duckdb_database: Database, other: Database) -> None:
    metadata = sa.MetaData()
    sa.Table("lap", metadata, sa.Column("lasts", TimeNs))
    async with duckdb_database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)

    with pytest.raises(ConfigurationError, match=r"lap.lasts counts nanoseconds"):
        await copy_to(duckdb_database, other, metadata=metadata)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Did not recognize type:sqlalchemy.exc.SAWarning")
async def test_identities_come_with_their_numbers_and_strange_types_do_not(
    postgres: Database, other: Database
) -> None:
    async with postgres.engine.begin() as connection:
        await connection.exec_driver_sql(
            "CREATE TABLE book (id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, at point)"
        )
    with pytest.raises(ConfigurationError, match=r"book.at is NullType\(\), and duckdb has no"):
        await copy_to(postgres, other)
    async with postgres.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE book DROP COLUMN at")
        await connection.exec_driver_sql("INSERT INTO book VALUES (40)")

    await copy_to(postgres, other)

    async with other.engine.begin() as connection:
        made = await connection.exec_driver_sql("INSERT INTO book DEFAULT VALUES RETURNING id")
        assert made.scalar_one() == 41


@pytest.mark.slow
async def test_sequences_go_on_behind_what_was_given(postgres: Database, other: Database) -> None:
    metadata = sa.MetaData()
    load_table(metadata)
    below = sa.Sequence(
        "Down", start=100, increment=-1, minvalue=1, maxvalue=100, metadata=metadata
    )
    sa.Sequence("alone", start=5, increment=2, metadata=metadata)
    ticket = sa.Table("ticket", metadata, sa.Column("number", sa.Integer, below, primary_key=True))
    old = sa.Table("old", metadata, sa.Column("id", sa.Integer, primary_key=True), schema="archive")
    async with postgres.engine.begin() as connection:
        await connection.exec_driver_sql("CREATE SCHEMA archive")
        await connection.run_sync(metadata.create_all)
        await connection.execute(sa.insert(ticket))
        await connection.execute(sa.insert(ticket).values(number=90))
        await connection.execute(sa.insert(old).values(id=7))
        await connection.exec_driver_sql("SELECT nextval('alone')")

    await copy_to(postgres, other, metadata=metadata)

    async with other.engine.begin() as connection:
        for statement, number in (
            (sa.insert(ticket).returning(ticket.c.number), 89),
            (sa.insert(old).returning(old.c.id), 8),
            (sa.text("SELECT nextval('alone')"), 7),
        ):
            assert await connection.scalar(statement) == number
    assert "andamios_loads" in await tables(other)
