"""The cache of parsed statements, and the statements that are unlike others."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from andamios_orm.dialect.statements import NOTHING, StatementCache
from andamios_orm.exceptions import StatementRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

ADD_COLUMN = "ALTER TABLE t ADD COLUMN day DATE DEFAULT current_date"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to an empty database."""
    with duckdb.connect(":memory:") as connection:
        yield connection


def test_a_statement_is_parsed_once(connection: duckdb.DuckDBPyConnection) -> None:
    cache = StatementCache(hardened=True)

    first = cache.parse("SELECT 1", connection)

    assert cache.parse("SELECT 1", connection) is first


def test_a_very_long_statement_is_not_kept(connection: duckdb.DuckDBPyConnection) -> None:
    cache = StatementCache(hardened=True)
    long = f"SELECT '{'x' * 20_000}'"

    first = cache.parse(long, connection)

    assert cache.parse(long, connection) is not first


def test_a_full_cache_drops_what_was_parsed_first(connection: duckdb.DuckDBPyConnection) -> None:
    cache = StatementCache(hardened=True, size=5_000)

    one, two, three = (cache.parse(f"SELECT {number}", connection) for number in (1, 2, 3))

    assert cache.parse("SELECT 2", connection) is two
    assert cache.parse("SELECT 3", connection) is three
    assert cache.parse("SELECT 1", connection) is not one


def test_a_cleared_cache_has_room_for_as_much_as_before(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    cache = StatementCache(hardened=True, size=5_000)
    before = [cache.parse(f"SELECT {number}", connection) for number in (1, 2)]

    cache.clear()

    after = [cache.parse(f"SELECT {number}", connection) for number in (1, 2)]
    assert not any(new is old for new, old in zip(after, before, strict=True))
    assert [cache.parse(f"SELECT {number}", connection) for number in (1, 2)] == after


class _Together:
    """A connection that parses when two threads have come to do so."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._both = threading.Barrier(2, timeout=10)

    def extract_statements(self, text: str) -> list[Any]:
        self._both.wait()
        return self._connection.cursor().extract_statements(text)


def test_a_statement_that_two_threads_parse_at_once_takes_its_room_once(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    cache = StatementCache(hardened=True, size=5_000)
    together: Any = _Together(connection)

    with ThreadPoolExecutor(2) as threads:
        parsed = list(threads.map(cache.parse, ["SELECT 1"] * 2, [together] * 2))

    kept = cache.parse("SELECT 1", connection)
    cache.parse("SELECT 2", connection)
    assert any(one is kept for one in parsed)
    assert cache.parse("SELECT 1", connection) is kept


@pytest.mark.parametrize("text", ["", "  \n", ";", "-- a remark"])
def test_an_empty_statement_does_nothing(text: str, connection: duckdb.DuckDBPyConnection) -> None:
    cache = StatementCache(hardened=True)

    parsed = cache.parse(text, connection)

    assert parsed is NOTHING
    assert (parsed.writes, parsed.has_rows, parsed.counts_rows) == (False, False, False)


@pytest.mark.parametrize("hardened", [True, False])
def test_a_column_with_an_expression_as_its_default_is_one_statement_of_several_parts(
    connection: duckdb.DuckDBPyConnection,
    hardened: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    connection.execute("CREATE TABLE t AS SELECT 1 AS n")
    cache = StatementCache(hardened=hardened)

    parsed = cache.parse(ADD_COLUMN, connection)
    for part in parsed.parts:
        connection.execute(part)

    assert (parsed.kind, parsed.writes) == ("ALTER", True)
    assert connection.execute("SELECT day = current_date FROM t").fetchall() == [(True,)]


def test_a_copy_is_allowed_when_it_names_its_file_plainly(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    cache = StatementCache(hardened=True, allow=frozenset({"COPY"}))

    parsed = cache.parse("COPY (SELECT 1) TO 'there.csv'", connection)

    assert parsed.kind == "COPY"


@pytest.mark.parametrize(
    "text", ["COPY t TO ('there' || '.csv')", "COPY t TO $1", "COPY \"t(\" TO 'there.csv'"]
)
def test_a_copy_is_refused_when_it_cannot_be_told_where_it_leads(
    text: str, connection: duckdb.DuckDBPyConnection
) -> None:
    cache = StatementCache(hardened=True, allow=frozenset({"COPY"}))

    with pytest.raises(StatementRefused, match="no plain literal"):
        cache.parse(text, connection)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("CREATE TABLE t (a INTEGER)", True),
        ("CREATE INDEX i ON t (a)", True),
        ("ALTER TABLE t ADD COLUMN b INTEGER", True),
        ("ALTER TABLE t ADD COLUMN b TIMESTAMP DEFAULT now()", True),
        ("DROP TABLE t", True),
        ("DROP TABLE IF EXISTS temperature", True),
        ("CREATE TEMPORARY TABLE t (a INTEGER)", False),
        ("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", False),
        ("CREATE INDEX temp ON t (a)", True),
        ("CREATE TABLE temporary (a INTEGER)", True),
        ("CREATE TABLE t AS SELECT setseed(0.5)", True),
        ("EXPLAIN ANALYZE CREATE TABLE t (a INTEGER)", True),
        ("EXPLAIN SELECT 1", False),
        ("CREATE LOCAL TEMPORARY TABLE t (a INTEGER)", False),
        ("DROP TABLE temp.t", False),
        ("DROP TABLE IF EXISTS temp.t", False),
        ("INSERT INTO t VALUES (1)", False),
        ("SELECT 'CREATE TABLE'", False),
        ("CHECKPOINT", False),
    ],
)
def test_it_tells_what_changes_the_schema(
    connection: duckdb.DuckDBPyConnection, text: str, *, changes: bool
) -> None:
    assert StatementCache(hardened=True).parse(text, connection).changes_schema is changes


@pytest.mark.parametrize("text", ["CHECKPOINT", "FORCE CHECKPOINT", "/* x */ checkpoint;"])
def test_it_tells_a_checkpoint(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert StatementCache(hardened=True).parse(text, connection).checkpoint
    assert not StatementCache(hardened=True).parse("SELECT 'checkpoint'", connection).checkpoint


CHANGING = {
    "UPDATE t SET n = 1": True,
    "WITH x AS (SELECT 1) DELETE FROM t": True,
    "TRUNCATE t": True,
    "MERGE INTO t USING t AS u ON u.n = t.n WHEN MATCHED THEN DELETE": True,
    "INSERT INTO t VALUES (1)": False,
    "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING": True,
    "INSERT OR  REPLACE INTO t VALUES (1)": True,
    "EXECUTE prepared": True,
    "EXPLAIN UPDATE t SET n = 1": False,
    "EXPLAIN ANALYZE UPDATE t SET n = 1": True,
    "EXPLAIN ANALYZE INSERT INTO t VALUES (1)": False,
    "SELECT 'UPDATE t'": False,
    "CREATE TABLE u AS SELECT * FROM t": False,
    "ALTER TABLE t ADD COLUMN x INTEGER": False,
    ADD_COLUMN: True,
    "DROP TABLE t": False,
}


@pytest.mark.parametrize(("statement", "changes"), CHANGING.items())
def test_it_is_known_whether_rows_that_are_there_may_change(
    connection: duckdb.DuckDBPyConnection, statement: str, *, changes: bool
) -> None:
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    cache = StatementCache(hardened=False)

    assert cache.parse(statement, connection).changes_rows is changes
