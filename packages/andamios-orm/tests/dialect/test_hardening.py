"""A statement that somebody slipped in reads no file, changes no setting and leaves no trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from sqlalchemy import exc as sa_exc
from sqlalchemy import text

from andamios_orm.exceptions import StatementRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine
    from tests.dialect.conftest import Lab, Rows

pytestmark = [pytest.mark.integration, pytest.mark.db]

NO_BREAK, EM, WIDE = "\u00a0", "\u2003", "\u3000"

READS_FILES = [
    "SELECT * FROM read_text('{folder}/secret.csv')",
    "SELECT * FROM read_csv('{folder}/secret.csv')",
    "SELECT * FROM ReAd_CsV_aUtO('{folder}/secret.csv')",
    "SELECT * FROM \"read_text\"('{folder}/secret.csv')",
    "SELECT * FROM read_text /* one */ ('{folder}/secret.csv')",
    "SELECT * FROM read_text -- one\n ('{folder}/secret.csv')",
    "SELECT * FROM system.main.read_text('{folder}/secret.csv')",
    f"SELECT *{NO_BREAK}FROM{NO_BREAK}read_text{NO_BREAK}('{{folder}}/secret.csv')",
    f"SELECT * FROM{EM}read_text{WIDE}('{{folder}}/secret.csv')",
    "SELECT 'öäü', * FROM read_text('{folder}/secret.csv')",
    "SELECT * FROM '{folder}/secret.csv'",
    'SELECT * FROM "{folder}/secret.csv"',
    "FROM E'{folder}/secret\\x2ecsv'",
    "FROM $${folder}/secret.csv$$",
    "FROM '{folder}/sec'\n'ret.csv'",
    "TABLE '{folder}/secret.csv'",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM sniff_csv('{folder}/secret.csv')",
    "SELECT * FROM parquet_metadata('{folder}/secret.csv')",
    "WITH x AS (SELECT * FROM read_text('{folder}/secret.csv')) SELECT * FROM x",
    "SELECT * FROM t, LATERAL (SELECT * FROM read_text('{folder}/secret.csv'))",
    "VALUES ((SELECT content FROM read_text('{folder}/secret.csv')))",
    "SUMMARIZE FROM '{folder}/secret.csv'",
    "DESCRIBE FROM read_csv('{folder}/secret.csv')",
    "PIVOT (FROM read_csv('{folder}/secret.csv')) ON a USING sum(b)",
    "EXPLAIN ANALYZE SELECT * FROM read_text('{folder}/secret.csv')",
    "INSERT INTO t SELECT a FROM '{folder}/secret.csv'",
    "INSERT INTO t (i) FROM read_csv('{folder}/secret.csv')",
    "MERGE INTO t USING read_csv('{folder}/secret.csv') s ON t.i = s.a WHEN MATCHED THEN DELETE",
    "CREATE TABLE u AS FROM '{folder}/secret.csv'",
    "CREATE VIEW v AS SELECT * FROM read_text('{folder}/secret.csv')",
    "CREATE MACRO m(x) AS TABLE SELECT * FROM read_text(x)",
    "COPY t FROM '{folder}/secret.csv'",
    "IMPORT DATABASE '{folder}'",
    "PRAGMA import_database('{folder}')",
]
READS_ITSELF = [
    "SELECT * FROM read_blob('{own}')",
    "SELECT * FROM read_blob(E'{folder}/\\x6fwn.csv')",
    "SELECT * FROM read_duckdb('{own}')",
    "SELECT * FROM '{own}'",
    "SELECT * FROM '{own}.wal'",
    "SELECT * FROM '{folder}/./own.csv'",
    "SELECT * FROM E'{folder}/\\x6fwn.csv'",
    "SELECT * FROM E'{folder}/\\157wn.csv'",
    "SELECT * FROM E'{folder}/\\u006fwn.csv'",
    "SELECT * FROM $$" + "{own}$$",
    "SELECT * FROM $a$" + "{own}$a$",
    "SELECT * FROM '{folder}/ow'\n'n.csv'",
    f"SELECT *{NO_BREAK}FROM{NO_BREAK}read_blob{NO_BREAK}(E'{{folder}}/\\x6fwn.csv')",
]
WRITES_FILES = [
    "COPY t TO '{folder}/out.csv'",
    "COPY t TO '{own}' (USE_TMP_FILE false)",
    "COPY t TO ('{folder}/ow' || 'n.csv') (USE_TMP_FILE false)",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "EXPLAIN ANALYZE COPY t TO '{own}' (USE_TMP_FILE false)",
    "EXPLAIN (ANALYZE) COPY t TO '{own}' (USE_TMP_FILE false)",
    "EXPLAIN (ANALYZE, FORMAT json) COPY t TO '{own}' (USE_TMP_FILE false)",
    "EXPLAIN (\"analyze\") COPY t TO '{own}' (USE_TMP_FILE false)",
    "EXPLAIN/**/ANALYZE/**/COPY t TO '{own}' (USE_TMP_FILE false)",
    f"EXPLAIN{NO_BREAK}ANALYZE{NO_BREAK}COPY t TO '{{own}}' (USE_TMP_FILE false)",
    f"{NO_BREAK}COPY t TO '{{own}}' (USE_TMP_FILE false)",
    "PREPARE p AS COPY t TO '{own}' (USE_TMP_FILE false)",
    "EXPORT DATABASE '{folder}/export'",
    "COPY FROM DATABASE own TO own",
]
OPENS_MORE = [
    "ATTACH '{folder}/other.duckdb'",
    "ATTACH IF NOT EXISTS ':memory:' AS m",
    "attach ':memory:' as m",
    "EXPLAIN ATTACH ':memory:' AS m",
    "DETACH own",
    "DETACH DATABASE IF EXISTS own",
    "ALTER DATABASE own SET ALIAS TO other",
    "INSTALL fts",
    "FORCE INSTALL fts",
    "LOAD fts",
    "LOAD '{folder}/x.duckdb_extension'",
    "UPDATE EXTENSIONS",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "CREATE OR REPLACE PERSISTENT SECRET s (TYPE s3)",
    "CREATE/**/SECRET s (TYPE s3)",
]
CHANGES_SETTINGS = [
    "USE temp",
    "USE memory",
    "SET threads = 7",
    "SET GLOBAL threads = 7",
    "SET SESSION TimeZone = 'America/New_York'",
    "SET search_path = 'temp'",
    "SET schema = 'temp'",
    "SET lock_configuration = false",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "SET VARIABLE x = 1",
    "RESET VARIABLE x",
    "PRAGMA threads = 7",
    "PRAGMA enable_profiling",
    "PRAGMA enable_logging",
    "PRAGMA disable_checkpoint_on_shutdown",
    "PRAGMA add_parquet_key('k', '0123456789112345')",
    "CALL enable_logging()",
    "CALL system.main.enable_logging()",
    "SELECT * FROM enable_logging()",
    f"SELECT * FROM{NO_BREAK}enable_logging{NO_BREAK}()",
    "CALL truncate_duckdb_logs()",
]
RUNS_TEXT = [
    "SELECT 1; DROP TABLE t",
    "SELECT 1;; SELECT 2",
    "PREPARE p AS SELECT 1",
    "EXPLAIN ANALYZE PREPARE p AS SELECT 1",
    "EXECUTE p",
    "SELECT * FROM query('SELECT 1')",
    f"FROM{EM}query{EM}('SELECT 1')",
    "SELECT * FROM query_table('t')",
    "CREATE MACRO m(x) AS TABLE SELECT * FROM query(x)",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "PRAGMA json_execute_serialized_sql('{serialized}')",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM seq_scan('t')",
    "SELECT * FROM python_map_function(1)",
]
TRANSACTIONS = [
    "BEGIN",
    "begin transaction",
    "START TRANSACTION",
    "COMMIT",
    "ROLLBACK",
    "END",
    "ABORT",
]

HOSTILE = [
    *READS_FILES,
    *READS_ITSELF,
    *WRITES_FILES,
    *OPENS_MORE,
    *CHANGES_SETTINGS,
    *RUNS_TEXT,
    *TRANSACTIONS,
]

LINGERS = [
    "CREATE TEMP TABLE t AS SELECT 666 AS i",
    "CREATE OR REPLACE TEMPORARY TABLE t (i INTEGER)",
    "CREATE/**/TEMP VIEW t AS SELECT 666 AS i",
    "CREATE LOCAL TEMPORARY TABLE t AS SELECT 666 AS i",
    "CREATE TEMP MACRO lower(x) AS 'changed'",
    "CREATE TEMP TYPE mood AS ENUM ('good')",
    "EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 666 AS i",
]

HARMLESS = [
    "SELECT read_text FROM (SELECT 1 AS read_text)",
    "SELECT 'read_text(1)'",
    "SELECT count(*) AS copy FROM t",
    "CREATE TABLE query (i INTEGER)",
    'CREATE TABLE IF NOT EXISTS "query" (i INTEGER)',
    "CREATE TABLE main.query_table (i INTEGER)",
    "EXPLAIN SELECT 1",
    "EXPLAIN (FORMAT json) SELECT 1",
    "EXPLAIN ANALYZE SELECT * FROM t",
    "SUMMARIZE t",
    "SHOW TABLES",
    "DESCRIBE t",
    "PIVOT t ON i IN (1) USING count(*)",
    "CHECKPOINT",
    "VACUUM",
    "ANALYZE",
    "COMMENT ON TABLE t IS 'secret read_text'",
    "SELECT 1;",
    "SELECT 1; -- nothing more",
]


def filled(statement: str, own: Path) -> str:
    """Return ``statement`` with the places it is aimed at."""
    serialized = "{}"
    if "{serialized}" in statement:
        with duckdb.connect() as raw:
            query = f"SELECT * FROM read_text('{own}')".replace("'", "''")
            row = raw.execute(f"SELECT json_serialize_sql('{query}')").fetchone()
        serialized = str(row[0]).replace("'", "''") if row else ""
    return (
        statement.replace("{folder}", str(own.parent))
        .replace("{own}", str(own))
        .replace("{serialized}", serialized)
    )


SEEN = [
    "SELECT current_database(), current_schema(), current_schemas(true)::VARCHAR",
    "SELECT count(*), sum(i) FROM t",
    "SELECT lower('ABC')",
    "SELECT name, value FROM duckdb_settings() ORDER BY name",
    "SELECT database_name, path FROM duckdb_databases() ORDER BY 1",
    "SELECT table_name FROM duckdb_tables() ORDER BY 1",
    "SELECT view_name FROM duckdb_views() WHERE NOT internal",
    "SELECT type_name FROM duckdb_types() WHERE NOT internal",
    "SELECT name FROM duckdb_variables()",
    "SELECT name FROM duckdb_prepared_statements()",
    "SELECT name FROM duckdb_secrets()",
]


async def seen(engine: AsyncEngine) -> list[Rows]:
    """Return what a user of the pooled connection meets."""
    async with engine.connect() as connection:
        return [[tuple(row) for row in await connection.execute(text(query))] for query in SEEN]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return the path of the database: a name that DuckDB would take for data as well."""
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (tmp_path / "load.sql").write_text("", encoding="utf-8")
    (tmp_path / "schema.sql").write_text("CREATE TABLE stolen (i INTEGER);", encoding="utf-8")
    return tmp_path / "own.csv"


@pytest.fixture
async def open_engine(own: Path, lab_at: Callable[[str], Lab]) -> Callable[..., AsyncEngine]:
    """Return what opens an engine with one pooled connection on the database."""
    lab = lab_at(f"duckdb+andamios:///{own}")
    return lambda **options: lab.engine(pool_size=1, max_overflow=0, **options)


@pytest.fixture
async def engine(open_engine: Callable[..., AsyncEngine]) -> AsyncEngine:
    """Return an engine with one pooled connection, made without any option of ours."""
    engine = open_engine()
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (i INTEGER)"))
        await connection.execute(text("INSERT INTO t VALUES (1), (2)"))
    async with autocommitting(engine).connect() as connection:
        await connection.execute(text("CHECKPOINT"))
    return engine


def autocommitting(engine: AsyncEngine) -> AsyncEngine:
    return engine.execution_options(isolation_level="AUTOCOMMIT")


@pytest.mark.slow
async def test_a_hostile_statement_is_refused_and_leaves_no_trace(
    engine: AsyncEngine, own: Path
) -> None:
    before, files = await seen(engine), sorted(own.parent.iterdir())
    bytes_before = own.read_bytes()
    accepted = []

    for template in HOSTILE:
        statement = filled(template, own)
        for door in (engine, autocommitting(engine)):
            try:
                async with door.connect() as connection:
                    await connection.exec_driver_sql(statement)
                    await connection.commit()
                accepted.append(statement)
            except (StatementRefused, sa_exc.ProgrammingError):
                pass
        if await seen(engine) != before or own.read_bytes() != bytes_before:
            pytest.fail(f"it left a trace: {statement}")

    assert accepted == []
    assert sorted(own.parent.iterdir()) == files


@pytest.mark.parametrize(
    "template",
    [
        "SELECT * FROM read_text('{folder}/secret.csv')",
        "SELECT * FROM '{folder}/secret.csv'",
        "SELECT * FROM read_blob('{own}')",
        "COPY t TO '{folder}/out.csv'",
        "COPY t TO '{own}' (USE_TMP_FILE false)",
        "EXPLAIN ANALYZE COPY t TO '{own}' (USE_TMP_FILE false)",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "ATTACH ':memory:' AS m",
        "DETACH own",
        "INSTALL fts",
        "LOAD fts",
        "SELECT 1; DROP TABLE t",
        "USE temp",
        "SET threads = 7",
        "RESET threads",
        "SET lock_configuration = false",
        "SET VARIABLE x = 1",
        "EXPORT DATABASE '{folder}/export'",
        "IMPORT DATABASE '{folder}'",
        "CREATE SECRET s (TYPE s3)",
        "CALL enable_logging()",
        "SELECT * FROM query('SELECT 1')",
        "BEGIN",
        "COMMIT",
    ],
)
@pytest.mark.sampled(9)
async def test_the_refusal_has_a_name(engine: AsyncEngine, own: Path, template: str) -> None:
    async with engine.connect() as connection:
        with pytest.raises(StatementRefused) as refused:
            await connection.exec_driver_sql(filled(template, own))

    assert refused.value.statement == filled(template, own)


async def test_a_bound_parameter_names_no_file(engine: AsyncEngine, own: Path) -> None:
    async with engine.connect() as connection:
        with pytest.raises(StatementRefused):
            await connection.execute(
                text("SELECT * FROM read_text(:path)"), {"path": str(own.parent / "secret.csv")}
            )


async def test_a_variable_of_the_program_is_no_table(engine: AsyncEngine) -> None:
    frame = duckdb.sql("SELECT 'geheim' AS password").to_arrow_table()

    async with engine.connect() as connection:
        with pytest.raises(sa_exc.ProgrammingError, match="frame"):
            await connection.execute(text("SELECT * FROM frame"))

    assert frame.num_rows == 1


@pytest.mark.sampled(3)
@pytest.mark.parametrize("statement", LINGERS)
async def test_what_a_connection_remembers_is_gone_for_the_next_user(
    engine: AsyncEngine, statement: str
) -> None:
    before = await seen(engine)

    async with engine.connect() as connection:
        await connection.exec_driver_sql(statement)
        await connection.commit()

    assert await seen(engine) == before


async def test_a_seed_is_gone_for_the_next_user(engine: AsyncEngine) -> None:
    found = set()

    for _ in range(3):
        async with engine.connect() as connection:
            await connection.execute(text("SELECT setseed(0.5)"))
        async with engine.connect() as connection:
            found.add(await connection.scalar(text("SELECT random()")))

    assert len(found) == 3


async def test_what_the_raw_connection_registers_is_gone_for_the_next_user(
    engine: AsyncEngine,
) -> None:
    before = await seen(engine)

    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.run(
            lambda raw: raw.register("t", duckdb.sql("SELECT 666").to_arrow_table()), write=True
        )
        await connection.commit()

    assert await seen(engine) == before


async def test_a_temporary_table_lives_as_long_as_its_connection_is_out(
    engine: AsyncEngine,
) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("CREATE TEMP TABLE mine AS SELECT 7 AS i"))
        await connection.commit()
        await connection.execute(text("SELECT 1"))
        await connection.rollback()

        assert await connection.scalar(text("SELECT i FROM mine")) == 7


async def test_harmless_statements_are_let_through(engine: AsyncEngine) -> None:
    for statement in HARMLESS:
        async with autocommitting(engine).connect() as connection:
            await connection.exec_driver_sql(statement)


async def test_a_table_may_have_the_name_of_a_function(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE query (id INTEGER PRIMARY KEY, said TEXT)"))
        await connection.execute(text("CREATE INDEX by_said ON query (said)"))
        await connection.execute(text("CREATE TABLE u (q INTEGER REFERENCES query (id))"))
        await connection.execute(text("INSERT INTO query (id, said) VALUES (1, 'a')"))

        assert await connection.scalar(text("SELECT said FROM query")) == "a"


async def test_allowing_one_kind_opens_no_other(
    open_engine: Callable[..., AsyncEngine], own: Path
) -> None:
    engine = open_engine(allow="PREPARE,EXECUTE")

    async with engine.connect() as connection:
        await connection.exec_driver_sql("PREPARE p AS SELECT 42")
        assert (await connection.exec_driver_sql("EXECUTE p")).scalar() == 42
        with pytest.raises(StatementRefused):
            await connection.exec_driver_sql(filled("COPY t TO '{own}'", own))


async def test_allowing_copy_lets_files_be_written_but_not_the_database_itself(
    open_engine: Callable[..., AsyncEngine], own: Path
) -> None:
    engine = autocommitting(open_engine(allow="COPY"))
    async with engine.connect() as connection:
        await connection.exec_driver_sql("CREATE TABLE t AS SELECT 42 AS i")
        await connection.exec_driver_sql("CHECKPOINT")
    before = own.read_bytes()

    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"COPY t TO '{own.parent}/out.csv'")
        for target in (
            f"'{own}'",
            f"E'{own.parent}/\\x6fwn.csv'",
            f"('{own.parent}/ow' || 'n.csv')",
            f"$${own}$$",
            f"'{own.parent}/ow'\n'n.csv'",
        ):
            with pytest.raises(StatementRefused):
                await connection.exec_driver_sql(f"COPY t TO {target} (USE_TMP_FILE false)")

    assert (own.parent / "out.csv").read_text(encoding="utf-8") == "i\n42\n"
    assert own.read_bytes() == before


async def test_an_engine_that_is_not_hardened_reads_files_but_takes_one_statement_at_a_time(
    open_engine: Callable[..., AsyncEngine], own: Path
) -> None:
    engine = open_engine(hardened=False)

    async with engine.connect() as connection:
        found = await connection.exec_driver_sql(f"SELECT * FROM '{own.parent}/secret.csv'")
        assert [tuple(row) for row in found] == [(1, 2)]
        with pytest.raises(StatementRefused):
            await connection.exec_driver_sql("SELECT 1; SELECT 2")


async def test_a_hardened_engine_does_not_join_one_that_is_not(
    open_engine: Callable[..., AsyncEngine], own: Path
) -> None:
    trusting = open_engine(hardened=False)
    async with trusting.connect():
        pass

    careful = open_engine()
    with pytest.raises(sa_exc.OperationalError):
        async with careful.connect() as connection:
            await connection.exec_driver_sql(f"SELECT * FROM '{own.parent}/secret.csv'")
