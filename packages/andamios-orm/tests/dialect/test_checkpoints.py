"""When the log is written back, and what DuckDB loses where it does so by itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from sqlalchemy import exc as sa_exc
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import andamios_orm  # noqa: F401 - makes duckdb:// ours
from andamios_orm.dialect import checkpoints
from andamios_orm.dialect.checkpoints import _bytes
from andamios_orm.exceptions import ConfigurationError, DatabaseReplaced, WriteGateTimeout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = [pytest.mark.concurrency, pytest.mark.db]

CHILD = Path(__file__).parent / "children" / "run_and_die.py"

TABLE = "CREATE TABLE t (id BIGINT PRIMARY KEY, k INTEGER, s VARCHAR)"
INDEX_S = "CREATE INDEX t_s ON t (s)"
INDEX_K = "CREATE INDEX t_k ON t (k)"


def rows(start: int, end: int) -> str:
    """Return the statement that inserts the rows from ``start`` up to ``end``."""
    return f"INSERT INTO t SELECT i, i, 's' || i FROM range({start}, {end}) r(i)"


INDEXED = [TABLE, INDEX_S, INDEX_K, "CHECKPOINT", rows(0, 30)]
"""Leaves rows in the log whose table and indexes are in the file."""

INTERLEAVED = [TABLE, "CHECKPOINT", rows(0, 8), INDEX_S, rows(8, 10), INDEX_K, rows(10, 20)]
"""Leaves, in plain DuckDB, a log in which rows stand between changes of the schema."""

FOUND = (
    "SELECT count(*), count(*) FILTER (s = 's7'), (SELECT count(*) FROM t WHERE s = 's7') FROM t"
)
"""Row 7 is looked for by a scan, and by the index."""


def run_and_die(how: str, path: Path, statements: list[str]) -> int:
    """Run statements in a process of their own and return its exit status."""
    done = subprocess.run(
        [sys.executable, str(CHILD), how, str(path), *statements], check=False, capture_output=True
    )
    return done.returncode


def engine_of(path: Path, **options: str) -> AsyncEngine:
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return create_async_engine(f"duckdb:///{path}?{query}")


async def run(engine: AsyncEngine, statement: str) -> list[Any]:
    async with engine.begin() as connection:
        result = await connection.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


def log_of(path: Path) -> int:
    log = Path(f"{path}.wal")
    return log.stat().st_size if log.exists() else 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file that does not exist yet."""
    return tmp_path / "file.duckdb"


@pytest.fixture
async def logged(path: Path) -> AsyncIterator[AsyncEngine]:
    """Yield the engine of a file whose log holds five rows."""
    engine = engine_of(path)
    await run(engine, TABLE)
    await run(engine, rows(0, 5))
    yield engine
    await engine.dispose()


@contextlib.contextmanager
def no_room() -> Iterator[None]:
    """Let no file grow beyond 200 KB, which neither a block nor a journal fits into."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# ---- what DuckDB loses -------------------------------------------------------


@pytest.mark.slow
@pytest.mark.xfail(strict=True, reason="DuckDB issue 23788, pull request 25771")
def test_plain_duckdb_keeps_index_entries_that_it_replayed(path: Path) -> None:
    assert run_and_die("plain", path, INDEXED) == -signal.SIGKILL
    duckdb.connect(path).close()

    with duckdb.connect(path) as plain:
        assert plain.execute(FOUND).fetchall() == [(30, 1, 1)]


@pytest.mark.parametrize("writer", [pytest.param("plain", marks=pytest.mark.slow), "engine"])
@pytest.mark.slow
async def test_index_entries_that_were_replayed_are_kept(path: Path, writer: str) -> None:
    assert run_and_die(writer, path, INDEXED) == -signal.SIGKILL
    engine = engine_of(path)
    await run(engine, "SELECT 1")
    await engine.dispose()

    with duckdb.connect(path) as plain:
        assert plain.execute(FOUND).fetchall() == [(30, 1, 1)]


@pytest.mark.slow
@pytest.mark.xfail(strict=True, reason="DuckDB issue 25928: the process ends by a signal")
def test_plain_duckdb_replays_rows_between_schema_changes(path: Path) -> None:
    assert run_and_die("plain", path, INTERLEAVED) == -signal.SIGKILL

    assert run_and_die("plain", path, ["SELECT count(*) FROM t WHERE s = 's7'", "close"]) == 0


@pytest.mark.slow
async def test_rows_between_schema_changes_are_replayed(path: Path) -> None:
    assert run_and_die("engine", path, INTERLEAVED) == -signal.SIGKILL

    assert run_and_die("plain", path, ["SELECT count(*) FROM t WHERE s = 's7'", "close"]) == 0
    with duckdb.connect(path) as plain:
        assert plain.execute(FOUND).fetchall() == [(20, 1, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["raw", "handed"])
async def test_schema_changes_that_nobody_sees_are_replayed(path: Path, how: str) -> None:
    assert run_and_die(how, path, INTERLEAVED) == -signal.SIGKILL

    assert run_and_die("plain", path, ["SELECT count(*) FROM t WHERE s = 's7'", "close"]) == 0
    with duckdb.connect(path) as plain:
        assert plain.execute(FOUND).fetchall() == [(20, 1, 1)]


@pytest.mark.slow
async def test_an_open_that_fails_leaves_the_log(path: Path) -> None:
    assert run_and_die("engine", path, INDEXED) == -signal.SIGKILL
    log = log_of(path)

    with pytest.raises(ConfigurationError):
        await run(engine_of(path, memroy_limit="1GB"), "SELECT 1")

    assert log_of(path) == log > 0


# ---- when the log is written back --------------------------------------------


@pytest.mark.slow
async def test_a_schema_change_is_written_back_unless_the_log_has_nothing_else(path: Path) -> None:
    engine = engine_of(path)
    logs = []
    for statement in (TABLE, rows(0, 5), INDEX_S, rows(5, 9), "DROP INDEX t_s", "SELECT 1"):
        await run(engine, statement)
        logs.append(log_of(path) > 0)

    assert logs == [True, True, False, True, False, False]
    await engine.dispose()


async def test_what_a_raw_connection_may_have_changed_is_written_back(
    logged: AsyncEngine, path: Path
) -> None:
    database = logged.dialect.holder.database  # type: ignore[attr-defined]

    with database.raw(write=True) as raw:
        raw.execute(INDEX_S)

    assert log_of(path) == 0


async def test_a_schema_change_that_is_rolled_back_changes_nothing(path: Path) -> None:
    engine = engine_of(path)
    await run(engine, TABLE)
    async with engine.connect() as connection:
        await connection.execute(text(INDEX_S))
        await connection.rollback()
    await run(engine, INDEX_S)
    await engine.dispose()

    with duckdb.connect(path) as plain:
        assert plain.execute("SELECT index_name FROM duckdb_indexes()").fetchall() == [("t_s",)]


@pytest.mark.parametrize("setting", sorted(checkpoints.THRESHOLDS))
async def test_a_log_longer_than_the_threshold_is_written_back(path: Path, setting: str) -> None:
    engine = engine_of(path, **{setting: "20KB"})
    await run(engine, TABLE)
    await run(engine, rows(0, 10))
    short = log_of(path)
    await run(engine, rows(10, 2_000))

    assert short > 0
    assert log_of(path) == 0
    await engine.dispose()


async def test_the_threshold_is_duckdbs_unless_another_is_given(path: Path) -> None:
    engine = engine_of(path)
    await run(engine, TABLE)
    database = engine.dialect.holder.database  # type: ignore[attr-defined]
    with duckdb.connect(":memory:") as plain:
        [(found,)] = plain.execute("SELECT current_setting('checkpoint_threshold')").fetchall()

    assert database.checkpoints.threshold == pytest.approx(_bytes(found), rel=0.06)
    assert await run(engine, "SELECT current_setting('checkpoint_threshold')") == [("16383.9 PiB",)]
    await engine.dispose()


async def test_a_reader_of_an_older_state_puts_it_off(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_BUSY", 0.0)
    engine = engine_of(path, checkpoint_threshold="1KB")
    await run(engine, TABLE)
    await run(engine, rows(0, 100))
    async with engine.connect() as reader:
        await reader.execute(text("SELECT count(*) FROM t"))
        await run(engine, "UPDATE t SET s = 'other' WHERE id < 50")
        while_read = log_of(path)
        with pytest.raises(sa_exc.DBAPIError, match="Cannot CHECKPOINT"):
            await run_alone(engine, "CHECKPOINT")
        assert await reader.scalar(text("SELECT count(*) FROM t WHERE s = 's7'")) == 1
    await run(engine, rows(100, 200))

    assert while_read > 0
    assert log_of(path) == 0
    assert list(path.parent.iterdir()) == [path]
    await engine.dispose()


async def run_alone(engine: AsyncEngine, statement: str) -> None:
    async with engine.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await alone.execute(text(statement))


async def test_a_checkpoint_that_raises_anything_lets_the_next_writer_in(
    logged: AsyncEngine,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = logged.dialect.holder.database  # type: ignore[attr-defined]

    def interrupted(_: object) -> bool:
        raise RuntimeError("Query interrupted")

    with monkeypatch.context() as patched:
        patched.setattr(database.checkpoints, "run", interrupted)
        await run(logged, INDEX_S)
    await run(logged, rows(5, 9))

    assert database.gate.holder is None
    assert "Query interrupted" in caplog.text
    assert log_of(path) == 0


@pytest.mark.slow
async def test_the_log_of_another_file_in_its_place_is_left(path: Path) -> None:
    other = path.with_name("other.duckdb")
    assert run_and_die("plain", other, [TABLE, rows(0, 30)]) == -signal.SIGKILL
    engine = engine_of(path)
    await run(engine, TABLE)
    for suffix in ("", ".wal"):
        Path(f"{other}{suffix}").rename(f"{path}{suffix}")
    with pytest.raises(DatabaseReplaced):
        await run(engine, INDEX_S)
    await engine.dispose()

    with duckdb.connect(path) as plain:
        assert plain.execute(FOUND).fetchall() == [(30, 1, 1)]


@pytest.mark.slow
async def test_a_child_leaves_the_log_of_its_parent(logged: AsyncEngine, path: Path) -> None:
    database = logged.dialect.holder.database  # type: ignore[attr-defined]
    log = log_of(path)

    with database.raw(write=True):
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                database.after_write(schema_changed=True)
            os._exit(0)
        await asyncio.to_thread(os.waitpid, child, 0)
        in_block = log_of(path)

    assert in_block == log > 0


async def test_a_file_that_a_user_has_attached_is_written_back_at_the_end(path: Path) -> None:
    other = path.with_name("other.duckdb")
    engine = engine_of(path, allow="ATTACH")
    await run_alone(engine, f"ATTACH '{other}' AS other")
    await run(engine, "CREATE TABLE other.t (n INTEGER)")
    before = log_of(other)
    await engine.dispose()

    assert before > 0
    assert log_of(other) == 0


async def test_a_raw_connection_that_did_not_get_the_gate_changes_nothing(
    logged: AsyncEngine, path: Path
) -> None:
    database = logged.dialect.holder.database  # type: ignore[attr-defined]
    log, commits = log_of(path), database.commits

    async with logged.begin() as connection:
        await connection.execute(text(rows(5, 9)))
        with pytest.raises(WriteGateTimeout):
            await asyncio.to_thread(enter_raw, database)
        assert (log_of(path), database.commits) == (log, commits)


def enter_raw(database: Any) -> None:
    with database.raw(write=True, timeout=0.05):
        pass


async def test_a_raw_connection_that_wrote_nothing_owes_nothing(path: Path) -> None:
    engine = engine_of(path)
    await run(engine, TABLE)
    await run(engine, "CHECKPOINT")
    database = engine.dialect.holder.database  # type: ignore[attr-defined]
    with database.raw(write=True):
        pass

    await run(engine, rows(0, 5))

    assert log_of(path) > 0
    await engine.dispose()


async def test_a_database_that_is_broken_is_left_to_its_reopening(
    logged: AsyncEngine, path: Path
) -> None:
    database = logged.dialect.holder.database  # type: ignore[attr-defined]
    log = log_of(path)
    database.invalidate(database.epoch)

    database.after_write(schema_changed=True)

    assert log_of(path) == log > 0
    assert await run(logged, "SELECT count(*) FROM t") == [(5,)]


@pytest.mark.parametrize("statement", ["CHECKPOINT", "FORCE CHECKPOINT"])
async def test_a_user_writes_the_log_back(logged: AsyncEngine, path: Path, statement: str) -> None:
    await run_alone(logged, statement)

    assert log_of(path) == 0
    assert list(path.parent.iterdir()) == [path]


async def test_memory_has_no_log_to_write_back() -> None:
    engine = create_async_engine("duckdb:///:memory:")
    await run(engine, TABLE)

    await run_alone(engine, "CHECKPOINT")

    assert await run(engine, "SELECT count(*) FROM t") == [(0,)]
    await engine.dispose()


# ---- no room -----------------------------------------------------------------


@pytest.mark.slow
async def test_a_log_is_read_where_there_is_no_room_to_write_it_back(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert run_and_die("engine", path, [TABLE, rows(0, 30)]) == -signal.SIGKILL

    with no_room(), caplog.at_level(logging.WARNING):
        engine = engine_of(path)
        found = await run(engine, FOUND)
        await engine.dispose()

    assert found == [(30, 1, 1)]
    assert "could not write the log of file back" in caplog.text
    with duckdb.connect(path) as plain:
        assert plain.execute(FOUND).fetchall() == [(30, 1, 1)]


@pytest.mark.slow
async def test_without_room_for_a_journal_the_log_stays(path: Path) -> None:
    assert run_and_die("engine", path, INDEXED) == -signal.SIGKILL
    log = log_of(path)

    with no_room():
        engine = engine_of(path)
        found = await run(engine, FOUND)
        await engine.dispose()

    assert found == [(30, 1, 1)]
    assert log_of(path) == log > 0
    assert sorted(path.parent.iterdir()) == [path, Path(f"{path}.wal")]


@pytest.mark.parametrize(
    ("size", "expected"),
    [("1000 bytes", 1000), ("15.2 MiB", 15_938_355), ("931.3 GiB", 999_975_760_691)],
)
def test_a_size_is_read_as_duckdb_prints_it(size: str, expected: int) -> None:
    assert _bytes(size) == expected
