"""A DuckDB database, looked over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy import text

from andamios_orm import Database
from andamios_orm.core import SlowStatement
from andamios_orm.maintenance import Analysis, MissingIndex, RowGroups, TableAnalysis, analyze

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.db]

FULL = 122_880


@pytest.fixture
def metadata() -> sa.MetaData:
    """Return boxes and what is in them; the library keeps the foreign keys."""
    metadata = sa.MetaData(info={"duckdb_foreign_keys": "none"})
    key = sa.Column("id", sa.Integer, primary_key=True, autoincrement=False)
    box = sa.Table("box", metadata, key, sa.Column("row", sa.Integer), sa.Column("col", sa.Integer))
    sa.UniqueConstraint(box.c.row, box.c.col)
    sa.Table(
        "item",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("box_id", sa.ForeignKey("box.id")),
        sa.Column("row", sa.Integer),
        sa.Column("col", sa.Integer),
        sa.ForeignKeyConstraint(["row", "col"], ["box.row", "box.col"]),
    )
    return metadata


async def run(database: Database, *statements: str) -> None:
    async with database.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def fill(database: Database, rows: int) -> None:
    """Put ``rows`` items into boxes: ten in each, which are on 2 rows of 1,000 columns."""
    await run(
        database,
        f"INSERT INTO item SELECT range, range // 10, range % 2, range % 1000 FROM range({rows})",
    )


def table(analysis: Analysis, name: str) -> TableAnalysis:
    [found] = [each for each in analysis.tables if each.name == name]
    return found


def faults(analysis: Analysis) -> dict[str, tuple[str | None, str]]:
    indexes = [index for each in analysis.tables for index in each.indexes]
    return {index.name: (index.fault, index.reason) for index in indexes}


async def test_the_size_of_a_table_is_told_by_rows_and_blocks(duckdb_database: Database) -> None:
    await run(duckdb_database, f"CREATE TABLE big AS SELECT range AS n FROM range({2 * FULL + 7})")
    await run(duckdb_database, "CHECKPOINT")
    told: list[tuple[int, int]] = []

    found = await analyze(duckdb_database, progress=lambda *step: told.append(step))

    big = table(found, "big")
    assert (big.schema, big.rows, big.deleted_rows) == ("main", 2 * FULL + 7, 0)
    assert big.row_groups == RowGroups(3, 2 * FULL + 7, 7, FULL, 0)
    assert big.size is not None
    assert big.size > 0
    assert found.block_size is not None
    assert big.size % found.block_size == 0
    assert table(found, "box").row_groups == RowGroups(0, 0, 0, 0, 0)
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert found.advice == ()


@pytest.mark.slow
async def test_the_size_of_the_file_and_of_its_log_is_told(duckdb_database: Database) -> None:
    await fill(duckdb_database, 10)

    found = await analyze(duckdb_database)

    path = (await duckdb_database.health()).path
    assert path is not None
    assert path.endswith(f"/{found.name}")
    assert (found.system, found.log_limit) == ("duckdb", 16 * 2**20)
    assert found.size is not None
    assert found.size > 0
    assert found.log_size is not None
    assert found.log_size > 0
    assert found.blocks is not None
    assert found.free_blocks is not None
    assert found.free_share == found.free_blocks / found.blocks


@pytest.mark.slow
async def test_a_table_with_structures_is_told_by_its_rows(duckdb_database: Database) -> None:
    await run(
        duckdb_database,
        "CREATE TABLE nested AS SELECT {'a': [1, 2, 3], 'b': 'x'} AS s FROM range(130000)",
        "CREATE TABLE listed AS SELECT [1, 2, 3] AS s FROM range(130000)",
    )

    found = await analyze(duckdb_database)

    for name in ("nested", "listed"):
        assert table(found, name).row_groups == RowGroups(2, 130_000, 130_000 - FULL, FULL, 0)


@pytest.mark.slow
async def test_deleted_rows_and_free_blocks_are_found(
    duckdb_database: Database, metadata: sa.MetaData
) -> None:
    await fill(duckdb_database, 30_000)
    await run(
        duckdb_database,
        "CREATE TABLE gone AS SELECT random() AS a, random() AS b FROM range(100000)",
    )
    await run(duckdb_database, "CHECKPOINT")
    await run(duckdb_database, "DELETE FROM item WHERE id % 3 = 0", "DROP TABLE gone")
    await run(duckdb_database, "CHECKPOINT")

    found = await analyze(duckdb_database, metadata=metadata)

    item = table(found, "item")
    assert (item.rows, item.deleted_rows) == (20_000, 10_000)
    assert item.deleted_share == pytest.approx(1 / 3)
    assert found.free_share > 0.25
    deleted, free = found.advice
    assert deleted.startswith("item stores 10,000 deleted rows, 33% of all")
    assert free.startswith(f"{found.name} has {found.free_share:.0%} free blocks")
    assert "andamios-orm vacuum" in deleted
    assert "andamios-orm vacuum" in free


@pytest.mark.slow
async def test_indexes_that_are_not_used_are_found(duckdb_database: Database) -> None:
    await fill(duckdb_database, 10_000)
    await run(
        duckdb_database,
        "CREATE INDEX ix_box ON item (box_id)",
        "CREATE INDEX ix_again ON item (BOX_ID)",
        "CREATE INDEX ix_key ON item (id)",
        "CREATE INDEX ix_few ON item (row)",
        "CREATE INDEX ix_two ON item (box_id, col)",
        "CREATE INDEX ix_same ON item (box_id, id)",
        "CREATE UNIQUE INDEX ix_rule ON item (box_id, id)",
        'CREATE INDEX ix_sum ON item (("row" + col))',
    )

    found = await analyze(duckdb_database)

    assert faults(found) == {
        "ix_box": (None, ""),
        "ix_again": ("redundant", "the index ix_box has an index over the same"),
        "ix_key": ("redundant", "its primary key has an index over the same"),
        "ix_few": (
            "never chosen",
            "an average value is in about 5,000 rows, and DuckDB takes one for up to 2,048",
        ),
        "ix_two": ("never chosen", "DuckDB takes one only for a condition on a single column"),
        "ix_same": ("redundant", "the index ix_rule has an index over the same"),
        "ix_rule": (None, ""),
        "ix_sum": (None, ""),
    }
    assert len(found.advice) == 5


@pytest.mark.slow
async def test_what_is_said_of_indexes_is_what_duckdb_does(duckdb_database: Database) -> None:
    """The limits are DuckDB's, not ours: another version may have others."""
    await fill(duckdb_database, 10_000)

    async def plan(index: str, condition: str) -> str:
        await run(duckdb_database, f"CREATE INDEX ix ON item ({index})")
        async with duckdb_database.engine.connect() as connection:
            query = f"EXPLAIN ANALYZE SELECT sum(row) FROM item WHERE {condition}"
            [(_, found)] = await connection.execute(text(query))
        await run(duckdb_database, "DROP INDEX ix")
        return str(found)

    assert "Index Scan" in await plan("box_id", "box_id = 7")
    assert "Sequential Scan" in await plan("row", "row = 1")
    assert "Sequential Scan" in await plan("box_id, col", "box_id = 7")
    assert "Sequential Scan" in await plan("box_id, col", "box_id = 7 AND col = 7")


@pytest.mark.slow
async def test_a_foreign_key_of_the_models_lacks_an_index(
    duckdb_database: Database, metadata: sa.MetaData
) -> None:
    await fill(duckdb_database, 500_000)

    found = await analyze(duckdb_database, metadata=metadata)
    unknown = await analyze(duckdb_database)
    await run(
        duckdb_database,
        "CREATE INDEX ix_item_box_id ON item (box_id)",
        "CREATE INDEX ix_item_col ON item (col)",
    )
    mended = await analyze(duckdb_database, metadata=[metadata])

    reason = "it refers to box, and finding the rows of one reads all 500,000"
    assert found.missing_indexes == (
        MissingIndex(
            "main", "item", ("box_id",), reason, "CREATE INDEX ix_item_box_id ON item (box_id)"
        ),
        MissingIndex("main", "item", ("col",), reason, "CREATE INDEX ix_item_col ON item (col)"),
    )
    assert [each.partition(":")[0] for each in found.advice] == [
        "item lacks an index over box_id",
        "item lacks an index over col",
    ]
    assert unknown.missing_indexes == mended.missing_indexes == ()
    assert [note for note in unknown.notes if "metadata=" in note]
    assert not [note for note in found.notes if "metadata=" in note]


@pytest.mark.slow
async def test_an_index_that_would_not_be_used_is_not_missed(duckdb_database: Database) -> None:
    await run(
        duckdb_database,
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.box (id INTEGER PRIMARY KEY)",
        "INSERT INTO sales.box VALUES (1), (2)",
        "CREATE TABLE sales.item (few INTEGER, many INTEGER, own INTEGER REFERENCES sales.box)",
        "INSERT INTO sales.item SELECT range % 2, range, 1 FROM range(500000)",
    )
    metadata = sa.MetaData(schema="sales", info={"duckdb_foreign_keys": "none"})
    sa.Table("box", metadata, sa.Column("id", sa.Integer, primary_key=True))
    names = ("few", "many", "own")
    columns: list[sa.Column[int]] = [
        sa.Column(name, sa.ForeignKey("sales.box.id")) for name in names
    ]
    sa.Table("item", metadata, *columns)

    found = await analyze(duckdb_database, metadata=metadata)

    assert [each.statement for each in found.missing_indexes] == [
        "CREATE INDEX ix_item_many ON sales.item (many)"
    ]


async def test_foreign_keys_that_duckdb_keeps_have_an_index(duckdb_database: Database) -> None:
    metadata = sa.MetaData()
    sa.Table("box", metadata, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table("item", metadata, sa.Column("box_id", sa.ForeignKey("box.id")))
    await fill(duckdb_database, 10)

    assert (await analyze(duckdb_database, metadata=metadata)).missing_indexes == ()


async def test_names_are_taken_as_they_are(duckdb_database: Database) -> None:
    await run(
        duckdb_database,
        'CREATE SCHEMA "Two; words"',
        'CREATE TABLE "Two; words"."it\'s.one" ("a, b" INTEGER, "c""d" INTEGER)',
        'CREATE INDEX "ix, one" ON "Two; words"."it\'s.one" ("a, b")',
        'CREATE INDEX "ix, two" ON "Two; words"."it\'s.one" ("c""d", "a, b")',
        'INSERT INTO "Two; words"."it\'s.one" VALUES (1, 2)',
        'CREATE TABLE "a ""b"" c" (n INTEGER)',
    )

    found = await analyze(duckdb_database)

    odd = table(found, "it's.one")
    assert (odd.schema, odd.rows) == ("Two; words", 1)
    assert odd.row_groups == RowGroups(1, 1, 1, 1, 0)
    assert [index.columns for index in odd.indexes] == [('"a, b"',), ('"c""d"', '"a, b"')]
    assert found.advice[0].endswith(
        'DROP INDEX "Two; words"."ix, two" (in its model: duckdb_index=False)'
    )
    quoted = table(found, 'a "b" c')
    assert (quoted.row_groups, quoted.deleted_rows, quoted.size) == (None, None, None)
    assert [note for note in found.notes if '."main"."a ""b"" c" were not looked at' in note]


async def test_a_schema_may_have_the_name_of_the_database(duckdb_database: Database) -> None:
    async with duckdb_database.engine.connect() as connection:
        name = await connection.scalar(text("SELECT current_database()"))
    schema = f"{name}.{name}"
    await run(
        duckdb_database,
        f"CREATE SCHEMA {schema}",
        f"CREATE TABLE {schema}.item AS SELECT 1 AS id",
    )

    found = await analyze(duckdb_database)

    assert sorted((each.schema == name, each.rows) for each in found.tables) == [
        (False, 0),
        (False, 0),
        (True, 1),
    ]


async def test_a_memory_database_has_rows_and_no_file(andamios_memory_url: str) -> None:
    async with Database(andamios_memory_url) as database:
        await run(database, "CREATE TABLE item AS SELECT range AS id FROM range(10)")

        found = await analyze(database)

    item = table(found, "item")
    assert (item.rows, item.size, item.row_groups) == (10, None, RowGroups(1, 10, 10, 10, 0))
    assert found.advice == ()
    assert (found.size, found.log_size, found.blocks, found.free_share) == (None, None, None, 0.0)
    assert found.notes[-2] == "a memory database has no file: nothing has a size in it"


async def test_a_file_that_is_only_read_is_looked_over(duckdb_url: str) -> None:
    async with Database(duckdb_url) as database:
        await fill(database, 10)
    async with Database(f"{duckdb_url}?read_only=true") as database:
        found = await analyze(database)

    assert table(found, "item").rows == 10
    assert (found.log_size, found.log_limit) == (0, None)


async def test_a_table_that_is_dropped_meanwhile_is_left_out(duckdb_database: Database) -> None:
    def drop(done: int, _total: int) -> None:
        if done == 1:
            with duckdb_database.raw(write=True) as raw:
                raw.execute("DROP TABLE item")

    found = await analyze(duckdb_database, progress=drop)

    assert [each.name for each in found.tables] == ["box"]


async def test_slow_statements_of_the_process_are_told(duckdb_url: str) -> None:
    async with Database(duckdb_url, slow_query=0) as database:
        await run(database, "SELECT 7 AS seven")

        found = await analyze(database)

    assert isinstance(found.slow_statements[0], SlowStatement)
    assert "SELECT 7 AS seven" in {each.statement for each in found.slow_statements}
    assert [each for each in found.advice if "in this process: explain_slow=True" in each]
    assert not [note for note in found.notes if "slow_query" in note]


async def test_that_they_are_not_recorded_is_told(duckdb_url: str) -> None:
    async with Database(duckdb_url) as unrecorded, Database(duckdb_url, slow_query=60) as none:
        notes = (await analyze(unrecorded)).notes

        assert "slow_query=0.5" in notes[-1]
        assert not [note for note in (await analyze(none)).notes if "slow_query" in note]


async def test_nothing_is_written(duckdb_database: Database, tmp_path: Path) -> None:
    await fill(duckdb_database, 10)
    dialect: Any = duckdb_database.engine.dialect
    opened = dialect.holder.database
    before = (opened.commits, opened.path.read_bytes(), opened.checkpoints.log_size)

    async with duckdb_database.transaction(write=True):  # whoever waits for the gate, waits
        async with asyncio.timeout(20):
            await analyze(duckdb_database)

    assert (opened.commits, opened.path.read_bytes(), opened.checkpoints.log_size) == before


@pytest.mark.slow
async def test_it_can_be_cancelled_at_any_step(database: Database) -> None:
    tasks: list[asyncio.Task[Analysis]] = []

    for step in range(1, 7):

        def cancel(done: int, _total: int, step: int = step) -> None:
            if done == step:
                tasks[-1].cancel()

        tasks.append(asyncio.create_task(analyze(database, progress=cancel)))
        await asyncio.wait(tasks)
        assert (await database.health()).pool.in_use == 0

    assert [each.name for each in (await analyze(database)).tables] == ["box", "item"]


@pytest.mark.slow
async def test_it_looks_while_others_write(duckdb_database: Database) -> None:
    stop = asyncio.Event()

    async def write(writer: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            first = (writer * 1_000 + number) * 1_000
            await run(
                duckdb_database,
                f"CREATE OR REPLACE TABLE t{writer} AS SELECT {number} AS a FROM range(1000)",
                f"INSERT INTO item SELECT {first} + range, 1, 1, 1 FROM range(1000)",
                f"DELETE FROM item WHERE id < {first} AND id >= {writer} * 1000000",
            )

    writers = [asyncio.create_task(write(writer)) for writer in range(3)]
    for _ in range(20):
        found = await analyze(duckdb_database)
        assert {"box", "item"} <= {each.name for each in found.tables}
    stop.set()
    await asyncio.gather(*writers)
