"""Room given back: nothing of a file is lost, whatever comes in between."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlalchemy as sa

from andamios_orm import Database
from andamios_orm.dialect.registry import registry
from andamios_orm.exceptions import (
    BackupFailed,
    ConfigurationError,
    DatabaseAlreadyOpen,
    DatabaseCorrupt,
    DatabaseLocked,
    DiskFull,
)
from andamios_orm.maintenance import Occupancy, compacting, occupancy, rewriting, vacuum

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db]

CHILD = Path(__file__).parent / "children" / "vacuum_and_die.py"

EVERYTHING = r"""
CREATE SCHEMA shop;
CREATE MACRO plus(a, b) AS a + b;
CREATE TYPE mood AS ENUM ('glad', 'it''s');
CREATE TYPE pair AS STRUCT(a INTEGER, b mood);
CREATE SEQUENCE shop.numbers START 5 INCREMENT 2;
CREATE SEQUENCE ends MAXVALUE 2;
CREATE TABLE zz_author (
    id INTEGER PRIMARY KEY DEFAULT nextval('shop.numbers'),
    mood mood DEFAULT 'glad',
    "the name" VARCHAR COLLATE NOCASE DEFAULT 'x;y' CHECK (length("the name") > 0),
    three INTEGER DEFAULT (plus(1, 2)),
    twice INTEGER GENERATED ALWAYS AS (id * 2),
    pairs pair[],
    UNIQUE (mood, "the name")
);
CREATE TABLE a_book (
    id INTEGER, author INTEGER REFERENCES zz_author (id), said TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TABLE tree (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES tree (id));
CREATE TABLE shop.values (
    a BIT, b TIMETZ, c DECIMAL(30, 4), d INTERVAL, e BLOB, f UUID, g DOUBLE, h TIMESTAMP_NS,
    j JSON, k MAP(INTEGER, VARCHAR), l INTEGER[3], m UHUGEINT, n mood
);
CREATE INDEX of_mood ON zz_author (mood, (id + 1));
CREATE UNIQUE INDEX of_book ON a_book (id);
CREATE VIEW z_first AS SELECT * FROM zz_author WHERE id > 1;
CREATE VIEW a_second AS SELECT * FROM z_first;
CREATE MACRO shop.found(a) AS TABLE SELECT * FROM zz_author WHERE id = a;
COMMENT ON TABLE zz_author IS 'it''s';
COMMENT ON COLUMN zz_author.mood IS 'mm';
COMMENT ON INDEX of_mood IS 'i';
COMMENT ON VIEW a_second IS 'v';
COMMENT ON SEQUENCE ends IS 's';
COMMENT ON TYPE mood IS 't';
COMMENT ON MACRO plus IS 'm';
INSERT INTO zz_author (mood, "the name", pairs) VALUES ('it''s', 'q', [{a: 1, b: 'glad'}]);
INSERT INTO tree VALUES (1, NULL); INSERT INTO tree VALUES (3, 1); INSERT INTO tree VALUES (2, 3);
INSERT INTO a_book (id, author) SELECT 1, id FROM zz_author;
INSERT INTO shop.values VALUES (
    '1010', '12:00:00+02', 1.5, INTERVAL '1 month 3 microseconds', '\xAA'::BLOB, uuid(), 'nan',
    '2024-01-02 03:04:05.678901234', '{"a": 1}', MAP {1: 'x'}, [1, 2, 3],
    340282366920938463463374607431768211455, 'glad'
);
SELECT nextval('ends'); SELECT nextval('ends');
"""
FACTS = (
    *(f"SELECT {query} ORDER BY ALL" for query in rewriting._CATALOG.values()),
    *(f"SELECT * FROM {table} ORDER BY ALL" for table in ("zz_author", "a_book", "tree")),
    "SELECT * REPLACE (g::VARCHAR AS g) FROM shop.values",
    "SELECT plus(1, 2), twice FROM a_second",
    "SELECT tags FROM duckdb_databases() WHERE database_name = current_database()",
    "SELECT block_size FROM pragma_database_size() WHERE database_name = current_database()",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file in which most room is free."""
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(":memory:") as raw:
        raw.execute(f"ATTACH '{path}' AS shop (BLOCK_SIZE 16384, STORAGE_VERSION 'v1.2.0')")
        raw.execute("USE shop")
        for statement in (
            "CREATE TABLE junk AS SELECT hash(range) AS h FROM range(50000)",
            "CREATE TABLE t AS SELECT range AS id, 's' || hash(range) AS s FROM range(2000)",
            "CHECKPOINT",
            "DROP TABLE junk",
            "INSERT INTO t VALUES (-1, 'last')",
            "CHECKPOINT",
        ):
            raw.execute(statement)
    return path


def content(path: Path) -> list[Any]:
    with duckdb.connect(str(path), read_only=True) as raw:
        return raw.execute("SELECT * FROM t ORDER BY id").fetchall()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
async def test_a_file_becomes_smaller_and_nothing_is_lost(file: Path, tmp_path: Path) -> None:
    before, size = content(file), file.stat().st_size
    file.chmod(0o640)
    told: list[tuple[int, int]] = []

    done = await vacuum(file, progress=lambda *rows: told.append(rows))

    assert (done.before, done.after, done.tables) == (size, file.stat().st_size, 1)
    assert done.after < done.before / 3
    assert done.saved == done.before - done.after
    assert content(file) == before
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert told == [(2001, 4002), (4002, 4002)]
    assert names(tmp_path) == ["shop.duckdb"]


def facts(path: Path) -> list[list[Any]]:
    with duckdb.connect(str(path), read_only=True) as raw:
        return [raw.execute(query).fetchall() for query in FACTS]


@pytest.mark.slow
@pytest.mark.parametrize("options", ["BLOCK_SIZE 16384, STORAGE_VERSION 'v1.2.0'", "TYPE duckdb"])
async def test_everything_is_there_again(tmp_path: Path, options: str) -> None:
    path = tmp_path / "with [*] and '.duckdb"
    with duckdb.connect(":memory:") as raw:
        raw.execute(f"ATTACH '{str(path).replace(chr(39), 2 * chr(39))}' AS a ({options})")
        raw.execute("USE a")
        raw.execute(EVERYTHING)
    before = facts(path)

    done = await vacuum(f"duckdb:///{path}")

    assert done.tables == 4
    for query, here, there in zip(FACTS, before, facts(path), strict=True):
        assert here == there, query
    with duckdb.connect(str(path)) as raw:
        raw.execute("INSERT INTO zz_author (mood) VALUES ('glad')")
        newest = raw.execute("SELECT id, three FROM zz_author ORDER BY id DESC").fetchone()
        with pytest.raises(duckdb.ConstraintException, match="foreign key"):
            raw.execute("INSERT INTO tree VALUES (9, 8)")
    assert newest == (7, 3)


@pytest.mark.slow
async def test_what_is_in_the_log_is_in_the_new_file(file: Path, tmp_path: Path) -> None:
    raw = duckdb.connect(str(file))
    raw.execute("INSERT INTO t VALUES (7777, 'logged')")
    left = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    raw.close()
    for name, written in left.items():
        (tmp_path / name).write_bytes(written)
    assert "shop.duckdb.wal" in left

    await vacuum(file)

    assert content(file)[-1] == (7777, "logged")
    assert names(tmp_path) == ["shop.duckdb"]


@pytest.mark.slow
async def test_a_link_leads_to_the_new_file(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.duckdb"
    link.symlink_to(file)

    await vacuum(link)

    assert link.is_symlink()
    assert file.stat().st_size < 200_000
    assert len(content(link)) == 2001


@pytest.mark.slow
async def test_a_database_that_nothing_has_opened_is_vacuumed(file: Path) -> None:
    async with Database(f"duckdb:///{file}") as database:
        done = await vacuum(database)

    assert done.saved > 0


@pytest.mark.parametrize("place", ["missing.duckdb", ".", "duckdb:///:memory:"])
async def test_only_a_file_is_vacuumed(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigurationError, match="is no file that exists"):
        await vacuum(place)

    assert names(tmp_path) == []


async def test_a_file_with_two_names_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "other.duckdb").hardlink_to(file)

    with pytest.raises(ConfigurationError, match="has other names"):
        await vacuum(file)


async def test_a_file_that_is_open_here_is_refused(file: Path) -> None:
    async with Database(f"duckdb:///{file}") as database:
        await database.health()

        with pytest.raises(DatabaseAlreadyOpen, match="close it first"):
            await vacuum(file)


@contextmanager
def held(path: Path) -> Iterator[int]:
    """Let another process have the file open, and yield its number."""
    program = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print(1); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-uc", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdout.read(1)
        yield holder.pid
        holder.stdin.close()


@pytest.mark.slow
async def test_a_file_that_another_process_has_open_is_refused(file: Path) -> None:
    with held(file) as pid, pytest.raises(DatabaseLocked) as refused:
        await vacuum(file)

    assert refused.value.pid == pid
    assert file.resolve() not in {database.path for database in registry}


@pytest.mark.slow
async def test_nobody_opens_the_file_meanwhile(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = f"import duckdb; duckdb.connect({str(file)!r})"
    seen: list[str] = []
    sync = rewriting.Rewriting._sync

    def look(self: rewriting.Rewriting) -> None:
        with pytest.raises(DatabaseAlreadyOpen):
            asyncio.run(query_one(file))
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
        seen.append(done.stderr.decode())
        sync(self)

    monkeypatch.setattr(rewriting.Rewriting, "_sync", look)

    await vacuum(file)

    assert "Conflicting lock is held" in seen[0]


async def query_one(path: Path) -> None:
    async with Database(f"duckdb:///{path}") as database, database.engine.connect() as connection:
        await connection.execute(sa.text("SELECT 1"))


@pytest.mark.slow
async def test_who_waited_for_the_old_file_finds_no_database(file: Path, tmp_path: Path) -> None:
    waiting = os.open(file, os.O_RDWR)

    await vacuum(file)

    try:
        assert os.pread(waiting, 4096, 0) == bytes(4096)
    finally:
        os.close(waiting)


# ---- what goes wrong ---------------------------------------------------------


@pytest.mark.slow
async def test_a_damaged_file_is_left_as_it_is(file: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(file)) as raw:
        [(block,)] = raw.execute(
            "SELECT max(block_id) FROM pragma_storage_info('t') WHERE persistent"
        ).fetchall()
    damaged = bytearray(file.read_bytes())
    damaged[3 * 4096 + block * 16384 + 100] ^= 0xFF
    file.write_bytes(damaged)

    with pytest.raises(DatabaseCorrupt, match="restore it from a backup"):
        await vacuum(file)

    assert file.read_bytes() == damaged
    assert names(tmp_path) == ["shop.duckdb"]


async def test_a_disk_without_room_is_told(file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        with pytest.raises(DiskFull, match="no space left"):
            await vacuum(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert file.read_bytes() == before
    assert names(tmp_path) == ["shop.duckdb"]


@pytest.mark.slow
async def test_rows_that_break_a_rule_are_told(file: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(file)) as raw:
        raw.execute("CREATE TABLE u (a INTEGER NOT NULL); INSERT INTO u VALUES (1)")
        raw.execute("ALTER TABLE u ALTER a TYPE VARCHAR USING NULL")
    before = file.stat()

    with pytest.raises(BackupFailed, match=r"NOT NULL.*'andamios-orm verify' says which"):
        await vacuum(file)

    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert names(tmp_path) == ["shop.duckdb"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DROP INDEX i", "an? index would not be as it is: i"),
        ("UPDATE t SET s = 'x'", "t has other rows"),
    ],
)
async def test_a_new_file_that_differs_is_thrown_away(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, message: str
) -> None:
    with duckdb.connect(str(file)) as raw:
        raw.execute("CREATE INDEX i ON t (id)")
    compare = rewriting.Rewriting._compare

    def harmed(self: rewriting.Rewriting, *arguments: Any) -> None:
        with duckdb.connect(str(self._draft)) as raw:
            raw.execute(statement)
        compare(self, *arguments)

    monkeypatch.setattr(rewriting.Rewriting, "_compare", harmed)

    with pytest.raises(BackupFailed, match=message):
        await vacuum(file)

    assert len(content(file)) == 2001
    assert names(tmp_path) == ["shop.duckdb"]


async def test_a_log_that_cannot_be_written_back_stops_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("andamios_orm.dialect.checkpoints.Checkpoints.log_size", 7)
    monkeypatch.setattr("andamios_orm.dialect.checkpoints.Checkpoints.run", lambda *_: True)

    with pytest.raises(BackupFailed, match=r"the log of .* cannot be written back"):
        await vacuum(file)


@pytest.mark.slow
async def test_an_owner_who_cannot_be_kept_is_no_reason_to_stop(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuse)

    assert (await vacuum(file)).saved > 0


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["insert_rows", "checksum"])
async def test_one_that_is_cancelled_leaves_the_old_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    before = file.read_bytes()
    begun, loop = asyncio.Event(), asyncio.get_running_loop()
    monkeypatch.setattr(compacting, "_AGAIN", 0.01)

    def run_long(raw: duckdb.DuckDBPyConnection, *_: object) -> None:
        loop.call_soon_threadsafe(begun.set)
        raw.execute("SELECT count(*) FROM range(100000000000) WHERE range % 7 = 8")

    monkeypatch.setattr(rewriting, moment, run_long)
    task = asyncio.create_task(vacuum(file))
    await begun.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert file.read_bytes() == before
    assert names(tmp_path) == ["shop.duckdb"]


@pytest.mark.slow
async def test_one_that_is_cancelled_just_before_the_end_leaves_the_old_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compacting, "_AGAIN", 100.0)
    loop, may_go_on = asyncio.get_running_loop(), threading.Event()

    def cancel(done: int, total: int) -> None:
        if done == total:
            loop.call_soon_threadsafe(task.cancel)
            loop.call_soon_threadsafe(loop.call_later, 0.05, may_go_on.set)
            may_go_on.wait()

    task = asyncio.create_task(vacuum(file, progress=cancel))
    with pytest.raises(asyncio.CancelledError):
        await task

    assert len(content(file)) == 2001
    assert names(tmp_path) == ["shop.duckdb"]


STEPS = ("attach", "insert", "compare", "sync", "swap", "folder", "wipe")


@pytest.mark.slow
@pytest.mark.parametrize(("step", "when"), [*itertools.product(STEPS, ("before", "behind"))])
def test_whoever_kills_it_leaves_a_whole_file(
    file: Path, tmp_path: Path, step: str, when: str
) -> None:
    before = content(file)

    killed = subprocess.run([sys.executable, str(CHILD), str(file), when, step], check=False)

    assert killed.returncode == -signal.SIGKILL
    assert content(file) == before
    asyncio.run(vacuum(file))
    assert content(file) == before
    assert file.stat().st_size < 200_000
    assert names(tmp_path) == ["shop.duckdb"]


# ---- how much there is to gain -----------------------------------------------


@pytest.mark.slow
async def test_the_room_that_nothing_uses_is_told(file: Path) -> None:
    size = file.stat().st_size
    async with Database(f"duckdb:///{file}?read_only=true") as database:
        before = await occupancy(database)
    await vacuum(file)
    async with Database(f"duckdb:///{file}") as database:
        after = await occupancy(database)

    assert before.tables == 1
    assert size / 2 < before.free < before.size < size
    assert after.free < 3 * 16384


@pytest.mark.parametrize("full", [False, True])
async def test_tables_of_postgresql_are_vacuumed(postgres_url: str, *, full: bool) -> None:
    told: list[tuple[int, int]] = []
    async with Database(postgres_url) as database:
        async with database.engine.begin() as connection:
            rows = "SELECT n, repeat(md5(n::text), 9) AS s FROM generate_series(1, 3000) n"
            for statement in (
                'CREATE SCHEMA "a b"',
                f'CREATE TABLE "a b"."t ""x" AS {rows}',
                "CREATE TABLE u (id integer)",
                'DELETE FROM "a b"."t ""x" WHERE n > 9',
            ):
                await connection.execute(sa.text(statement))

        before = (await occupancy(database)).size
        done = await vacuum(database, full=full, progress=lambda *tables: told.append(tables))
        assert (done.before, done.tables, told) == (before, 2, [(1, 2), (2, 2)])
        while done.after > before / 2:  # the server's own reading can keep dead rows for a moment
            await asyncio.sleep(0.02)
            done = await vacuum(database, full=full)
        found = await occupancy(database)
        async with database.engine.connect() as connection:
            analyzed = await connection.scalar(
                sa.text("SELECT count(*) FROM pg_stats WHERE tablename = 't \"x'")
            )

    assert analyzed == 2
    assert isinstance(found, Occupancy)
    assert (found.tables, found.size) == (2, done.after)


async def test_a_url_of_postgresql_is_enough(postgres_url: str) -> None:
    assert (await vacuum(postgres_url)).tables == 0


def test_what_is_stopped_before_it_begins_changes_nothing(file: Path) -> None:
    before = file.read_bytes()
    work = rewriting.Rewriting(file, lambda _done, _total: None)
    work.stop()

    with pytest.raises(rewriting._Stopped):
        work.run()

    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]
