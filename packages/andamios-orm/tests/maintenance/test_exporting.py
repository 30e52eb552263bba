"""Backups of the open form: what is in them, and that all of it comes back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlalchemy as sa

from andamios_orm import Database
from andamios_orm.exceptions import BackupFailed, ConfigurationError
from andamios_orm.maintenance import backup, backups, restore

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.db]

EVERYTHING = r"""
CREATE SCHEMA shop;
CREATE TYPE mood AS ENUM ('glad', 'it''s');
CREATE SEQUENCE shop.numbers START 5 INCREMENT 2;
CREATE SEQUENCE ends MAXVALUE 2;
CREATE TABLE author (
    id INTEGER PRIMARY KEY DEFAULT nextval('shop.numbers'),
    mood mood,
    "the name" VARCHAR COLLATE NOCASE DEFAULT 'x;y' CHECK (length("the name") > 0),
    twice INTEGER GENERATED ALWAYS AS (id * 2),
    parts STRUCT(a INTEGER, b VARCHAR[]),
    huge HUGEINT,
    since INTERVAL,
    UNIQUE (mood, "the name")
);
CREATE TABLE book (id INTEGER, author INTEGER REFERENCES author (id));
CREATE TABLE tree (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES tree (id));
CREATE TABLE shop.values (
    a BIT, b TIMETZ, c DECIMAL(30, 4), d TIMESTAMPTZ, e BLOB, f UUID, g DOUBLE, h TIMESTAMP_NS,
    j JSON, k MAP(INTEGER, VARCHAR), l INTEGER[3], m UHUGEINT, n mood
);
CREATE TABLE nothing (id INTEGER);
CREATE INDEX of_mood ON author (mood, (id + 1));
CREATE UNIQUE INDEX of_book ON book (id);
CREATE VIEW later AS SELECT * FROM author WHERE id > 1;
CREATE VIEW shop.all_values AS SELECT * FROM shop.values;
COMMENT ON TABLE author IS 'it''s';
COMMENT ON COLUMN author.mood IS 'mm';
COMMENT ON INDEX of_mood IS 'i';
INSERT INTO author (mood, "the name", parts, huge, since) VALUES (
    'it''s', 'q', {a: 1, b: ['x']}, 170141183460469231731687303715884105727,
    INTERVAL '1 month 3 microseconds'
);
INSERT INTO tree VALUES (1, NULL); INSERT INTO tree VALUES (3, 1); INSERT INTO tree VALUES (2, 3);
INSERT INTO book SELECT 1, id FROM author;
INSERT INTO shop.values VALUES (
    '1010', '12:00:00+02', 1.5, '2024-01-02 03:04:05.678901+00', '\xAA'::BLOB, uuid(), 'nan',
    '2024-01-02 03:04:05.678901234', '{"a": 1}', MAP {1: 'x'}, [1, 2, 3],
    340282366920938463463374607431768211455, 'glad'
);
SELECT nextval('ends'); SELECT nextval('ends');
"""
FACTS = (
    """
    SELECT schema_name, table_name, column_name, data_type, column_default, is_nullable, comment
    FROM duckdb_columns() WHERE database_name = current_database() AND NOT internal ORDER BY ALL
    """,
    "SELECT schema_name, table_name, constraint_text FROM duckdb_constraints() ORDER BY ALL",
    "SELECT schema_name, table_name, comment FROM duckdb_tables() ORDER BY ALL",
    "SELECT index_name, sql, comment FROM duckdb_indexes() ORDER BY ALL",
    "SELECT schema_name, sequence_name, sql FROM duckdb_sequences() ORDER BY ALL",
    "SELECT schema_name, view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY ALL",
    "SELECT type_name, labels FROM duckdb_types() WHERE logical_type = 'ENUM' AND NOT internal",
    *(f"SELECT * FROM {table}" for table in ("author", "book", "later", "nothing")),
    "SELECT * REPLACE (g::VARCHAR AS g) FROM shop.all_values",
    "SELECT * FROM tree ORDER BY id",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with everything in it."""
    path = tmp_path / "file.duckdb"
    with duckdb.connect(str(path)) as raw:
        raw.execute(EVERYTHING)
    return path


def facts(path: Path) -> list[list[Any]]:
    with duckdb.connect(str(path), read_only=True) as raw:
        return [raw.execute(query).fetchall() for query in FACTS]


@pytest.mark.slow
async def test_everything_comes_back(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "with [*] and ?"
    place.mkdir()
    async with Database(f"duckdb:///{file}") as database:
        copy = await backup(database, place / "open", form="open")

    restored = await restore(copy.path, tmp_path / "restored.duckdb", digest=copy.digest)

    assert restored.rows == copy.rows
    assert (copy.rows["main.tree"], copy.rows["shop.values"], copy.rows["main.nothing"]) == (
        3,
        1,
        0,
    )
    before, after = facts(file), facts(restored.path)
    for query, here, there in zip(FACTS, before, after, strict=True):
        assert here == there, query
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "file.duckdb",
        "restored.duckdb",
        "with [*] and ?",
    ]


@pytest.mark.slow
async def test_other_programs_read_it(duckdb_database: Database, tmp_path: Path) -> None:
    async with duckdb_database.engine.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE book AS SELECT 7 AS id"))

    copy = await backup(duckdb_database, tmp_path / "open", form="open")

    with duckdb.connect() as raw:
        assert raw.execute(f"FROM '{copy.path}/data/0001.parquet'").fetchall() == [(7,)]
    assert (copy.path / "schema.sql").read_text() == 'CREATE TABLE "book" ("id" INTEGER);\n'
    files = [path for path in copy.path.rglob("*") if path.is_file()]
    assert copy.size == sum(path.stat().st_size for path in files)
    assert [path.name for path in tmp_path.glob("open*")] == ["open"]


@pytest.mark.slow
async def test_what_parquet_does_not_hold_is_refused_by_name(
    duckdb_database: Database, tmp_path: Path
) -> None:
    async with duckdb_database.engine.begin() as connection:
        value = "{'a': 170141183460469231731687303715884105727}"
        await connection.execute(sa.text("CREATE TABLE far (off STRUCT(a HUGEINT))"))
        await connection.execute(sa.text(f"INSERT INTO far VALUES ({value})"))

    with pytest.raises(BackupFailed, match=r"far does not come back from Parquet"):
        await backup(duckdb_database, tmp_path / "open", form="open")

    assert list(tmp_path.glob("open*")) == []


async def test_nothing_is_overwritten(duckdb_database: Database, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()

    with pytest.raises(ConfigurationError, match="open exists"):
        await backup(duckdb_database, tmp_path / "open", form="open")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["_exported", "_named"])
async def test_one_that_is_cancelled_leaves_nothing(
    duckdb_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    async with duckdb_database.engine.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE book (id INTEGER)"))
    loop = asyncio.get_running_loop()
    begun, cancelled = asyncio.Event(), asyncio.Event()
    method = getattr(backups._OpenWork, moment)

    def wait(self: Any, *arguments: Any) -> Any:
        found = method(self, *arguments) if moment == "_named" else None
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(cancelled.wait(), loop).result()
        return found if moment == "_named" else method(self, *arguments)

    monkeypatch.setattr(backups._OpenWork, moment, wait)
    task = asyncio.create_task(backup(duckdb_database, tmp_path / "open", form="open"))
    await begun.wait()

    task.cancel()
    await asyncio.sleep(0)
    cancelled.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert list(tmp_path.glob("open*")) == []
