"""A PostgreSQL database, looked over."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy import text
from sqlalchemy.engine import make_url

from andamios_orm import Database
from andamios_orm.maintenance import Analysis, ColumnSkew, MissingIndex, TableAnalysis, analyze
from andamios_orm.testing import postgres
from andamios_orm.testing.run import Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db]

TABLES = (
    "CREATE TABLE box (id integer PRIMARY KEY)",
    (
        "CREATE TABLE item "
        "(id integer PRIMARY KEY, box_id integer REFERENCES box, state text, paid date)"
    ),
    "INSERT INTO box SELECT generate_series(1, 100)",
)


@pytest.fixture
async def server(
    andamios_postgres_url: str, through_driver: Callable[[str], str]
) -> AsyncIterator[Database]:
    """Yield a PostgreSQL database of its own, whose statistics nobody has touched."""
    async with Database(through_driver(andamios_postgres_url)) as database:
        yield database


async def run(database: Database, *statements: str) -> None:
    async with database.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def run_alone(database: Database, *statements: str) -> None:
    """Run statements each by itself, and let the server count at once what they did."""
    async with database.engine.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in statements:
            await alone.execute(text(statement))
            await alone.execute(text("SELECT pg_stat_force_next_flush()"))


async def fill(database: Database, rows: int) -> None:
    await run_alone(
        database,
        "INSERT INTO item SELECT n, 1 + n % 100, CASE WHEN n % 20 = 0 THEN 'open' ELSE 'done' END, "
        "CASE WHEN n % 5 = 0 THEN date '2026-01-01' + n % 50 END "
        f"FROM generate_series(1, {rows}) n",
        "ANALYZE item",
        "ANALYZE box",
    )


def table(analysis: Analysis, name: str) -> TableAnalysis:
    [found] = [each for each in analysis.tables if each.name == name]
    return found


def faults(analysis: Analysis) -> dict[str, tuple[str | None, str]]:
    indexes = [index for each in analysis.tables for index in each.indexes]
    return {index.name: (index.fault, index.reason) for index in indexes if index.fault}


@pytest.mark.slow
async def test_tables_are_told_with_their_size_and_their_statistics(server: Database) -> None:
    await run(server, *TABLES)
    await fill(server, 2_000)
    told: list[tuple[int, int]] = []

    found = await analyze(server, progress=lambda *step: told.append(step))

    item = table(found, "item")
    assert (found.system, found.name) == ("postgresql", server.engine.url.database)
    assert found.size is not None
    assert item.size is not None
    assert item.index_size is not None
    assert found.size > item.size > item.index_size > 0
    assert (item.schema, item.rows, item.deleted_rows, item.changed_rows) == ("public", 2_000, 0, 0)
    assert item.last_analyzed is not None
    assert item.sequential_scans == 1
    [key] = item.indexes
    assert (key.name, key.columns, key.unique, key.scans) == ("item_pkey", ("id",), True, 0)
    assert key.size is not None
    assert 0 < key.size <= item.index_size
    assert told == [(step, 6) for step in range(1, 7)]
    assert found.advice == ()


async def test_uneven_columns_are_found(server: Database) -> None:
    await run(server, *TABLES)
    await fill(server, 2_000)

    found = await analyze(server)

    assert table(found, "item").skew == (
        ColumnSkew("paid", 0.8, is_null=True),
        ColumnSkew("state", 0.95, is_null=False),
    )


async def test_rows_are_estimated_before_anything_is_known(server: Database) -> None:
    await run(server, "CREATE TABLE fresh (n integer)", "CREATE TEMPORARY TABLE own (n integer)")

    found = await analyze(server)

    assert [(each.name, each.rows) for each in found.tables] == [("fresh", 0)]


@pytest.mark.slow
async def test_a_foreign_key_without_an_index_is_found(server: Database) -> None:
    await run(server, *TABLES)
    await fill(server, 10_000)

    found = await analyze(server)
    await run(server, "CREATE INDEX ix_partial ON item (box_id) WHERE state = 'open'")
    partial = await analyze(server)
    await run(server, "CREATE INDEX ix_box ON item (box_id, id)")
    mended = await analyze(server)

    assert found.missing_indexes == partial.missing_indexes
    assert found.missing_indexes == (
        MissingIndex(
            "public",
            "item",
            ("box_id",),
            "it refers to box: finding the rows of one, and deleting one there, reads all 10,000",
            "CREATE INDEX CONCURRENTLY ON item (box_id)",
        ),
    )
    assert found.advice[0].startswith("item lacks an index over box_id: it refers to box")
    assert mended.missing_indexes == ()


@pytest.mark.slow
async def test_a_key_of_several_columns_and_one_of_a_partitioned_table(server: Database) -> None:
    await run(
        server,
        'CREATE SCHEMA "Two words"',
        'CREATE TABLE "Two words".box (a integer, b integer, PRIMARY KEY (a, b))',
        'CREATE TABLE "Two words".item (b integer, a integer, "C d" integer, e integer, '
        'FOREIGN KEY (a, b) REFERENCES "Two words".box, FOREIGN KEY (e, "C d") '
        'REFERENCES "Two words".box) PARTITION BY HASH (a)',
        'CREATE TABLE "Two words".half PARTITION OF "Two words".item '
        "FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        'CREATE TABLE "Two words".rest PARTITION OF "Two words".item '
        "FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        'CREATE INDEX ix_both ON "Two words".item (b, a, e)',
        'CREATE INDEX ix_hash ON "Two words".item USING hash (e)',
    )
    rows = 'INSERT INTO "Two words".item SELECT NULL, n, n, NULL FROM generate_series(1, 10000) n'
    await run_alone(server, rows, 'ANALYZE "Two words".item')

    found = await analyze(server)

    [missing] = found.missing_indexes
    assert (missing.schema, missing.table, missing.columns) == ("Two words", "item", ("e", "C d"))
    assert missing.reason.endswith("reads all 10,000")
    assert missing.statement == 'CREATE INDEX ON "Two words".item (e, "C d")'
    assert [each.name for each in found.tables] == ["box", "half", "rest"]


@pytest.mark.slow
async def test_indexes_that_do_the_same_are_found(server: Database) -> None:
    await run(
        server,
        *TABLES,
        "CREATE INDEX ix_paid ON item (paid)",
        "CREATE INDEX ix_paid_state ON item (paid, state)",
        "CREATE INDEX ix_paid_twice ON item (paid, state)",
        "CREATE INDEX ix_down ON item (paid DESC)",
        "CREATE INDEX ix_pattern ON item (state text_pattern_ops)",
        "CREATE INDEX ix_state ON item (state)",
        "CREATE INDEX ix_state_open ON item (state) WHERE paid IS NULL",
        "CREATE INDEX ix_state_with ON item (state) INCLUDE (paid)",
        "CREATE INDEX ix_state_hash ON item USING hash (state)",
        "CREATE INDEX ix_id ON item (id)",
        "CREATE UNIQUE INDEX ix_unique ON item (id)",
        "CREATE INDEX ix_lower ON item (lower(state))",
        "CREATE INDEX ix_upper ON item (upper(state))",
    )

    found = await analyze(server)

    assert faults(found) == {
        "ix_id": ("redundant", "item_pkey finds rows by the same columns"),
        "ix_paid": ("redundant", "ix_paid_state finds rows by the same columns"),
        "ix_paid_twice": ("redundant", "ix_paid_state finds rows by the same columns"),
        "ix_state": ("redundant", "ix_state_with finds rows by the same columns"),
    }
    assert len(found.advice) == 4
    indexes = {index.name: index for index in table(found, "item").indexes}
    assert indexes["ix_state_open"].partial
    assert indexes["ix_lower"].columns == ("lower(state)",)


@pytest.mark.slow
async def test_indexes_that_nobody_reads_are_found(server: Database) -> None:
    await run(server, *TABLES)
    await fill(server, 20)
    await run(
        server,
        "CREATE INDEX ix_state ON item (state)",
        "CREATE INDEX ix_wide ON item (state, paid)",
        "CREATE INDEX ix_box ON item (box_id)",
        "CREATE UNIQUE INDEX ix_rule ON item (id, state)",
        "SET LOCAL enable_seqscan = off",
        "SELECT count(paid) FROM item WHERE box_id = 1",
        "DO $$ BEGIN FOR n IN 1..1000 LOOP PERFORM count(*) FROM box; END LOOP; END $$",
        "SET LOCAL enable_seqscan = on",
        "SET LOCAL enable_indexscan = off",
        "SET LOCAL enable_indexonlyscan = off",
        "SET LOCAL enable_bitmapscan = off",
        "DO $$ BEGIN FOR n IN 1..1000 LOOP PERFORM count(*) FROM item; END LOOP; END $$",
    )
    await run_alone(server, "SELECT 1")

    found = await analyze(server)

    item = table(found, "item")
    reads = (item.sequential_scans or 0) + (item.index_scans or 0)
    assert reads >= 1_000
    reason = f"none of the {reads:,} reads of its table used it"
    assert faults(found) == {"ix_state": ("unused", reason), "ix_wide": ("unused", reason)}


async def test_since_when_scans_are_counted_is_told(server: Database) -> None:
    await run_alone(server, "SELECT pg_stat_reset()")
    await run(server, *TABLES, "CREATE INDEX ix_state ON item (state)")
    loop = "DO $$ BEGIN FOR n IN 1..1000 LOOP PERFORM count(*) FROM item; END LOOP; END $$"
    await run_alone(server, loop)

    found = await analyze(server)

    assert found.counted_since is not None
    [(fault, reason)] = faults(found).values()
    assert fault == "unused"
    assert f"reads of its table since {found.counted_since:%Y-%m-%d} used it" in reason


@pytest.mark.slow
async def test_an_index_that_is_used_is_not_given_up_for_one_that_is_not(server: Database) -> None:
    await run(server, *TABLES)
    await fill(server, 2_000)
    await run(
        server,
        "CREATE INDEX ix_state ON item (state)",
        "DO $$ BEGIN FOR n IN 1..1000 LOOP PERFORM id FROM item WHERE state = 'none'; "
        "END LOOP; END $$",
        "CREATE INDEX ix_wide ON item (state, paid)",
    )
    await run_alone(server, "SELECT 1")

    found = await analyze(server)

    assert {name: fault for name, (fault, _) in faults(found).items()} == {"ix_wide": "unused"}


@pytest.mark.slow
async def test_a_large_table_that_is_read_whole_is_found(server: Database) -> None:
    await run_alone(
        server,
        "CREATE TABLE log AS SELECT n FROM generate_series(1, 100000) AS n",
        "ANALYZE log",
        "DO $$ BEGIN FOR n IN 1..100 LOOP PERFORM count(*) FROM log; END LOOP; END $$",
    )

    found = await analyze(server)

    [missing] = found.missing_indexes
    assert (missing.columns, missing.statement) == ((), None)
    assert missing.reason.startswith("it was read whole 10")
    assert missing.reason.endswith(" rows each")
    assert found.advice[0].startswith("log lacks an index: it was read whole 10")


async def test_an_index_whose_building_failed_is_found(server: Database) -> None:
    await run(server, "CREATE TABLE twice AS SELECT 1 AS n FROM generate_series(1, 2)")
    with pytest.raises(sa.exc.DBAPIError):
        await run_alone(server, "CREATE UNIQUE INDEX CONCURRENTLY ix_n ON twice (n)")

    found = await analyze(server)

    assert {name: fault for name, (fault, _) in faults(found).items()} == {"ix_n": "invalid"}
    assert found.advice[0].endswith("DROP INDEX CONCURRENTLY ix_n")


@pytest.mark.slow
async def test_it_does_not_wait_for_who_changes_a_table(server: Database) -> None:
    await run(server, *TABLES)
    await fill(server, 2_000)
    async with server.engine.connect() as other:
        await other.execute(text("ALTER TABLE item ADD COLUMN more integer"))
        await other.execute(text("CREATE INDEX ix_more ON item (more)"))

        async with asyncio.timeout(20):
            found = await analyze(server)

    item = table(found, "item")
    assert item.size is not None
    assert (item.size > 0, item.index_size) == (True, None)
    assert [index.name for index in item.indexes] == ["item_pkey"]
    assert table(found, "box").index_size is not None


@pytest.mark.slow
async def test_a_role_without_rights_is_told_what_it_may_not_see(
    server: Database, andamios_postgres_url: str
) -> None:
    role = f"Reader {uuid4().hex}"
    await run(server, *TABLES, f'CREATE ROLE "{role}" LOGIN')
    await fill(server, 2_000)
    try:
        url = make_url(andamios_postgres_url).set(username=role)
        async with Database(url.render_as_string(hide_password=False)) as database:
            found = await analyze(database)
    finally:
        await run(server, f'DROP ROLE "{role}"')

    item = table(found, "item")
    assert (item.rows, item.last_analyzed is not None, item.skew) == (2_000, True, ())
    assert found.log_size is None
    assert [note for note in found.notes if f'GRANT pg_monitor TO "{role}"' in note]
    assert (await analyze(server)).log_size is not None


async def test_that_statements_are_not_recorded_is_told(server: Database) -> None:
    bare = await analyze(server)
    await run(server, "CREATE EXTENSION pg_stat_statements")
    idle = await analyze(server)

    assert bare.server_statements is idle.server_statements is None
    assert [note for note in bare.notes if "pg_stat_statements is not installed" in note]
    assert [note for note in idle.notes if "pg_stat_statements records nothing" in note]


@pytest.fixture
def recording_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the URL of a server that records statements."""
    settings = postgres.PostgresSettings(source="system")
    if postgres.find_programs(settings, Path()) is None:
        pytest.skip("the embedded PostgreSQL has no pg_stat_statements")
    library = "pg_stat_statements"
    monkeypatch.setitem(postgres._OPTIONS, "shared_preload_libraries", library)
    started = Run.create()
    yield started.server(settings).url
    started.close()


@pytest.mark.slow
async def test_the_slowest_statements_of_the_server_are_told(recording_url: str) -> None:
    async with Database(recording_url) as database:
        await run(
            database,
            "CREATE SCHEMA watch",
            "CREATE EXTENSION pg_stat_statements SCHEMA watch",
            "SELECT\n  pg_sleep(1.1)",
        )

        found = await analyze(database)

    assert found.server_statements is not None
    [slowest, *_] = found.server_statements
    assert (slowest.statement, slowest.count) == ("SELECT pg_sleep($1)", 1)
    assert 1.1 <= slowest.seconds == slowest.longest < 30
    assert found.advice == (
        (
            f"`SELECT pg_sleep($1)` ran once, for {slowest.seconds:.1f} s in all, on the server: "
            "EXPLAIN shows its plan"
        ),
    )
