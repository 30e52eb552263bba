"""What happens when the disk, the file or another program gets in the way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy import exc as sa_exc
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

import andamios_orm  # noqa: F401 - makes duckdb:// ours
from andamios_orm.exceptions import (
    ConfigurationError,
    DatabaseAlreadyOpen,
    DatabaseCorrupt,
    DatabaseFault,
    DatabaseLocked,
    DatabaseReplaced,
    DatabaseUnavailable,
    DiskFull,
    ForkedProcess,
    WriteDeadlock,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from andamios_orm.dialect import DuckDBDatabase

resource = pytest.importorskip("resource", reason="faults are made with POSIX means")

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

CHILDREN = Path(__file__).parent / "children"


def engine_of(path: Path, **options: Any) -> AsyncEngine:
    return create_async_engine(URL.create("duckdb", database=str(path)), **options)


def database_of(engine: Any) -> DuckDBDatabase:
    database: DuckDBDatabase = engine.dialect.holder.database
    return database


async def run(engine: AsyncEngine, statement: str, **values: Any) -> list[Any]:
    """Return the rows of one statement in a transaction of its own."""
    async with engine.begin() as connection:
        result = await connection.execute(text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else []


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Return a file with the table ``t`` and the numbers below 1,000 in it."""
    path = tmp_path / "numbers.duckdb"
    engine = engine_of(path)
    await run(engine, "CREATE TABLE t (n BIGINT PRIMARY KEY)")
    await run(engine, "INSERT INTO t SELECT range FROM range(1000)")
    await engine.dispose()
    return path


COUNT = "SELECT count(*) FROM t"


# ---- no space ----------------------------------------------------------------


class Tight:
    """A folder in which space can run out, and come back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def shrink(self) -> None:
        """Leave room for about three megabytes more."""
        raise NotImplementedError

    def relax(self) -> None:
        """Give the space back."""
        raise NotImplementedError


class SmallDisk(Tight):
    """A file system of a few megabytes."""

    def shrink(self) -> None:
        """Fill all but the last of it."""
        free = os.statvfs(self.folder)
        ballast = free.f_bavail * free.f_frsize - 3_000_000
        (self.folder / "ballast").write_bytes(b"x" * ballast)

    def relax(self) -> None:
        """Remove what filled it."""
        (self.folder / "ballast").unlink()


class SmallFiles(Tight):
    """A limit on the size of a file, as ``ulimit -f`` sets it."""

    room = 3_000_000

    def shrink(self) -> None:
        """Limit the size of files."""
        largest = max(file.stat().st_size for file in self.folder.iterdir())
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + self.room, hard))

    def relax(self) -> None:
        """Lift the limit."""
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Yield a disk of 6 MB; only root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mount.returncode:
        pytest.skip(f"no file system can be mounted here: {mount.stderr.strip()}")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def small_files(tmp_path: Path) -> Iterator[SmallFiles]:
    """Yield a folder whose files cannot grow while it is shrunk."""
    tight = SmallFiles(tmp_path)
    yield tight
    tight.relax()


@pytest.fixture(params=["small_disk", "small_files"])
def tight(request: pytest.FixtureRequest) -> Tight:
    """Return a place to run out of space, one way and the other."""
    place: Tight = request.getfixturevalue(request.param)
    return place


WHERE = {"log": "1GB", "checkpoint": "16KB"}
"""What DuckDB writes when space runs out, by the threshold at which it rewrites the file."""


async def insert_until_full(engine: AsyncEngine) -> tuple[int, DiskFull]:
    """Return how many rows of 10 KB were acknowledged, and what the next one raised."""
    for number in range(1_000):
        try:
            await run(
                engine,
                "INSERT INTO t SELECT :n, string_agg(md5((:n * 1000 + i)::VARCHAR), '')"
                " FROM range(320) AS r(i)",
                n=number,
            )
        except DiskFull as error:
            return number, error
    raise AssertionError("the disk was never full")


@pytest.mark.slow
@pytest.mark.parametrize("threshold", WHERE.values(), ids=WHERE)
async def test_a_full_disk_keeps_what_was_acknowledged_and_recovers(
    tight: Tight, threshold: str
) -> None:
    path = tight.folder / "full.duckdb"
    engine = create_async_engine(f"duckdb:///{path}?checkpoint_threshold={threshold}")
    await run(engine, "CREATE TABLE t (n BIGINT PRIMARY KEY, filler VARCHAR)")
    tight.shrink()

    acknowledged, error = await insert_until_full(engine)
    while_full = await run(engine, "SELECT n FROM t ORDER BY n")
    with pytest.raises(DiskFull):
        await run(engine, "INSERT INTO t VALUES (5000, repeat('x', 5000000))")
    tight.relax()
    await run(engine, "INSERT INTO t VALUES (-1, '')")
    after = await run(engine, "SELECT n FROM t ORDER BY n")
    await engine.dispose()

    assert acknowledged > 5
    assert error.path == path
    assert "what was committed before is safe" in str(error)
    assert while_full == [(n,) for n in range(acknowledged)]
    assert after == [(-1,), *while_full]
    with duckdb.connect(path) as plain:
        assert plain.execute("SELECT n FROM t ORDER BY n").fetchall() == after


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("threshold", WHERE.values(), ids=WHERE)
async def test_space_may_run_out_anywhere(
    small_files: SmallFiles, threshold: str, rounds: Callable[..., int]
) -> None:
    for number in range(rounds(3, 12, 50)):
        path = small_files.folder / f"full_{number}.duckdb"
        engine = create_async_engine(f"duckdb:///{path}?checkpoint_threshold={threshold}")
        await run(engine, "CREATE TABLE t (n BIGINT PRIMARY KEY, filler VARCHAR)")
        small_files.room = 20_000 + 17_321 * number
        small_files.shrink()

        acknowledged, _ = await insert_until_full(engine)
        small_files.relax()
        found = await run(engine, "SELECT n FROM t ORDER BY n")
        await engine.dispose()

        assert found == [(n,) for n in range(acknowledged)], number
        path.unlink()


@pytest.mark.slow
async def test_a_reader_goes_on_when_the_instance_was_opened_anew(small_files: SmallFiles) -> None:
    path = small_files.folder / "full.duckdb"
    engine = create_async_engine(f"duckdb:///{path}?checkpoint_threshold=16KB")
    await run(engine, "CREATE TABLE t (n BIGINT PRIMARY KEY, filler VARCHAR)")
    async with engine.connect() as reader:
        await reader.execute(text(COUNT))
        await reader.rollback()
        small_files.shrink()
        acknowledged, _ = await insert_until_full(engine)

        found = await reader.scalar(text(COUNT))

    small_files.relax()
    assert found == acknowledged
    assert database_of(engine).epoch > 0
    await engine.dispose()


@pytest.mark.slow
async def test_a_transaction_over_a_broken_instance_is_lost_whole(small_files: SmallFiles) -> None:
    path = small_files.folder / "full.duckdb"
    engine = create_async_engine(f"duckdb:///{path}?checkpoint_threshold=16KB")
    await run(engine, "CREATE TABLE t (n BIGINT PRIMARY KEY, filler VARCHAR)")
    async with engine.connect() as reader:
        await reader.execute(text(COUNT))
        small_files.shrink()
        await insert_until_full(engine)
        await run(engine, COUNT)

        with pytest.raises(sa_exc.OperationalError, match="run it again"):
            await reader.execute(text(COUNT))

    small_files.relax()
    await engine.dispose()


# ---- damaged files -----------------------------------------------------------


@pytest.fixture
async def crashed(tmp_path: Path) -> Path:
    """Return a file with an unread log: ``t`` holds n transactions of three rows each."""
    path = tmp_path / "crashed.duckdb"
    engine = engine_of(path)
    await run(engine, "CREATE TABLE t (n BIGINT, part INTEGER)")
    await run(engine, "CHECKPOINT")
    for number in range(30):
        await run(engine, "INSERT INTO t SELECT :n, range FROM range(3)", n=number)
    for suffix in ("", ".wal"):
        shutil.copy(f"{path}{suffix}", f"{tmp_path / 'copy.duckdb'}{suffix}")
    await engine.dispose()
    return tmp_path / "copy.duckdb"


async def transactions_in(path: Path) -> list[tuple[int, int]]:
    engine = engine_of(path, threads=1)
    try:
        return await run(engine, "SELECT n, count(*) FROM t GROUP BY n ORDER BY n")
    finally:
        await engine.dispose()


def damaged(crashed: Path, name: str) -> tuple[Path, Path]:
    """Return a new copy of the crashed file, and its log."""
    path, log = crashed.with_name(f"{name}.duckdb"), crashed.with_name(f"{name}.duckdb.wal")
    shutil.copy(crashed, path)
    shutil.copy(f"{crashed}.wal", log)
    return path, log


@pytest.mark.slow
async def test_a_log_that_was_cut_gives_a_clean_prefix(
    crashed: Path, rounds: Callable[..., int]
) -> None:
    size = Path(f"{crashed}.wal").stat().st_size
    chance = random.Random(size)
    lengths = {0, 1, size - 1, *(chance.randrange(size) for _ in range(rounds(12, 12, 120)))}
    found = []

    for length in sorted(lengths):
        path, log = damaged(crashed, f"cut_{length}")
        os.truncate(log, length)
        found.append(await transactions_in(path))

    for transactions in found:
        assert transactions == [(n, 3) for n in range(len(transactions))]
    counts = [len(transactions) for transactions in found]
    assert counts == sorted(counts)
    assert counts[-1] == 29
    assert await transactions_in(crashed) == [(n, 3) for n in range(30)]


@pytest.mark.parametrize("which", ["file", "log"])
@pytest.mark.slow
async def test_a_flipped_bit_is_named_or_harmless(
    crashed: Path, which: str, rounds: Callable[..., int]
) -> None:
    chance = random.Random(which)
    errors: list[tuple[Path, int, DatabaseFault]] = []

    for number in range(rounds(15, 15, 80)):
        path, log = damaged(crashed, f"flip_{number}")
        target = path if which == "file" else log
        content = bytearray(target.read_bytes())
        place = chance.randrange(len(content))
        content[place] ^= 1 << chance.randrange(8)
        target.write_bytes(content)
        try:
            found = await transactions_in(path)
        except DatabaseFault as error:
            errors.append((path, place, error))
        else:
            assert found == [(n, 3) for n in range(len(found))], place

    assert errors
    for path, place, refusal in errors:
        assert isinstance(refusal, DatabaseCorrupt), (place, refusal)
        assert refusal.path == path
        assert "backup" in str(refusal)


def not_a_database(folder: Path, kind: str) -> Path:
    """Return a file that is something else."""
    path = folder / f"{kind}.duckdb"
    if kind == "SQLite":
        with contextlib.closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE t (n INTEGER)")
            other.commit()
    else:
        path.write_bytes(
            {"empty": b"", "short": b"DUCK", "text": b"once upon a time\n" * 1000}[kind]
        )
    return path


@pytest.mark.parametrize("options", [{}, {"read_only": True}, {"hardened": False}], ids=str)
@pytest.mark.parametrize("kind", ["empty", "short", "text", "SQLite"])
async def test_a_file_of_another_kind_is_refused_and_left_alone(
    tmp_path: Path, kind: str, options: dict[str, Any]
) -> None:
    path = not_a_database(tmp_path, kind)
    before = path.read_bytes()
    engine = engine_of(path, **options)

    with pytest.raises(DatabaseCorrupt) as caught:
        await run(engine, COUNT)
    await engine.dispose()

    assert str(path) in str(caught.value)
    assert "check the path" in str(caught.value)
    assert "ownload" not in str(caught.value)
    assert caught.value.path == path
    assert path.read_bytes() == before


async def test_a_truncated_file_is_refused(path: Path) -> None:
    os.truncate(path, 5_000)
    engine = engine_of(path)

    with pytest.raises(DatabaseCorrupt, match="restore it from a backup"):
        await run(engine, COUNT)
    await engine.dispose()


@pytest.mark.slow
async def test_damage_found_by_a_query_is_named(tmp_path: Path) -> None:
    path = tmp_path / "large.duckdb"
    engine = engine_of(path)
    await run(engine, "CREATE TABLE t AS SELECT md5(range::VARCHAR) AS filler FROM range(200000)")
    await engine.dispose()
    content = bytearray(path.read_bytes())
    for place in range(600_000, len(content) - 600_000, 4096):
        content[place] ^= 0xFF
    path.write_bytes(content)
    engine = engine_of(path)

    with pytest.raises(DatabaseCorrupt) as caught:
        await run(engine, "SELECT max(filler) FROM t")
    await engine.dispose()

    assert caught.value.path == path


async def test_a_refused_file_can_be_opened_when_it_was_restored(
    path: Path, tmp_path: Path
) -> None:
    good = path.read_bytes()
    os.truncate(path, 5_000)
    engine = engine_of(path)
    with pytest.raises(DatabaseCorrupt):
        await run(engine, COUNT)

    path.write_bytes(good)
    found = await run(engine, COUNT)
    await engine.dispose()

    assert found == [(1_000,)]


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    engine = engine_of(tmp_path / "nowhere" / "f.duckdb")

    with pytest.raises(ConfigurationError, match="nowhere of the database does not exist"):
        await run(engine, COUNT)


async def test_a_missing_file_is_not_made_by_a_reader(tmp_path: Path) -> None:
    engine = engine_of(tmp_path / "missing.duckdb", read_only=True)

    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        await run(engine, COUNT)

    assert list(tmp_path.iterdir()) == []


async def test_a_reader_writes_nothing(path: Path) -> None:
    before = path.read_bytes()
    engine = engine_of(path, read_only=True)

    with pytest.raises(sa_exc.DBAPIError, match="read-only"):
        await run(engine, "INSERT INTO t VALUES (5000)")
    found = await run(engine, COUNT)
    await engine.dispose()

    assert found == [(1_000,)]
    assert path.read_bytes() == before


NAMES = (
    "it's.duckdb",
    "two words.duckdb",
    "größe ß ☃.duckdb",
    "a.b.c.duckdb",
    "no_suffix",
    ".hidden",
    'double"quote.db',
    "semi;colon.db",
    "per%cent.db",
    "select.duckdb",
    "memory.db",
    "MEMORY.db",
    "temp.duckdb",
    "main.duckdb",
    "system.db",
    "pg_catalog.db",
    "information_schema.db",
    "-.db",
    "0.db",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.sampled(8)
async def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    engine = engine_of(path, threads=1)
    await run(engine, "CREATE TABLE t (n INTEGER PRIMARY KEY)")
    await run(engine, "INSERT INTO t VALUES (1)")
    await run(engine, "CREATE INDEX i ON t (n)")
    await run(engine, "CHECKPOINT")

    found = await run(engine, "SELECT n FROM main.t")
    await engine.dispose()

    assert found == [(1,)]
    assert [file.name for file in tmp_path.iterdir()] == [name]
    with duckdb.connect(path) as plain:
        assert plain.execute("SELECT n FROM t").fetchall() == [(1,)]


async def test_a_name_that_duckdb_would_take_apart_is_refused(tmp_path: Path) -> None:
    engine = engine_of(tmp_path / "what?.db")

    with pytest.raises(ConfigurationError, match="rename it"):
        await run(engine, COUNT)

    assert list(tmp_path.iterdir()) == []


async def test_a_relative_path_is_found_from_anywhere(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(path.parent)
    engine = create_async_engine(f"duckdb:///{path.name}")
    await run(engine, COUNT)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    await run(engine, "INSERT INTO t VALUES (5000)")
    await engine.dispose()

    assert list(elsewhere.iterdir()) == []


async def test_a_file_of_plain_duckdb_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "plain.duckdb"
    with duckdb.connect(path) as plain:
        plain.execute("CREATE SCHEMA s; CREATE TABLE s.t (n INTEGER); INSERT INTO s.t VALUES (1)")
    engine = engine_of(path)

    await run(engine, "INSERT INTO s.t VALUES (2)")
    await engine.dispose()

    with duckdb.connect(path) as plain:
        assert plain.execute("SELECT n FROM s.t ORDER BY n").fetchall() == [(1,), (2,)]


# ---- who else has it open ----------------------------------------------------


def other_process(*urls: str) -> list[dict[str, Any]]:
    """Return what another process gets when it counts the rows at each URL."""
    child = subprocess.run(
        [sys.executable, str(CHILDREN / "use_database.py"), COUNT, *urls],
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in child.stdout.splitlines()]


@pytest.mark.slow
async def test_a_second_process_is_told_who_has_the_file(path: Path) -> None:
    engine = engine_of(path)
    await run(engine, COUNT)
    url = f"duckdb:///{path}"

    answers = await asyncio.to_thread(other_process, url, f"{url}?read_only=true")
    await engine.dispose()

    for answer in answers:
        assert answer["error"] == "DatabaseLocked"
        assert answer["pid"] == os.getpid()
        for way_out in ("stop that process", "read_only=true", "API", "PostgreSQL"):
            assert way_out in answer["message"]


@pytest.mark.slow
async def test_two_processes_read_together(path: Path) -> None:
    engine = engine_of(path, read_only=True)
    await run(engine, COUNT)

    answers = await asyncio.to_thread(other_process, f"duckdb:///{path}?read_only=true")
    await engine.dispose()

    assert answers == [{"rows": [[1_000]]}]


@pytest.mark.slow
async def test_an_engine_opens_the_file_when_the_other_process_has_gone(path: Path) -> None:
    held = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", held, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        engine = engine_of(path)

        with pytest.raises(DatabaseLocked) as caught:
            await run(engine, COUNT)
        child.communicate("\n")

    found = await run(engine, COUNT)
    await engine.dispose()

    assert caught.value.pid == child.pid
    assert caught.value.path == path
    assert found == [(1_000,)]


@pytest.mark.parametrize("link", [os.link, os.symlink])
async def test_another_name_of_the_file_is_the_same_database(
    path: Path, link: Callable[[Path, Path], None]
) -> None:
    other = path.with_name("other.duckdb")
    link(path, other)
    first, second = engine_of(path), engine_of(other)

    await run(first, "INSERT INTO t VALUES (5000)")
    found = await run(second, COUNT)
    same = database_of(first) is database_of(second)
    await first.dispose()
    await second.dispose()

    assert same
    assert found == [(1_001,)]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("threads", 3),
        ("read_only", "true"),
        ("hardened", "false"),
        ("extensions", "fts"),
        ("running_statements", 7),
        ("memory_limit", "1GB"),
        ("temp_directory", "spill"),
    ],
)
@pytest.mark.sampled(3)
async def test_a_second_engine_with_another_option_is_refused(
    path: Path, option: str, value: object
) -> None:
    first = engine_of(path, threads=1)
    await run(first, COUNT)
    second = create_async_engine(f"duckdb:///{path}?{option}={value}")

    with pytest.raises(DatabaseAlreadyOpen, match=option) as caught:
        await run(second, COUNT)
    found = await run(first, COUNT)
    await first.dispose()
    await second.dispose()

    assert caught.value.path == path
    assert found == [(1_000,)]


async def test_a_second_engine_needs_not_repeat_the_options(path: Path) -> None:
    first = engine_of(path, threads=1, connect_args={"memory_limit": "1GB"})
    await run(first, COUNT)
    second = engine_of(path)

    found = await run(second, "SELECT current_setting('threads'), count(*) FROM t")
    await first.dispose()
    await second.dispose()

    assert found == [(1, 1_000)]


@pytest.mark.slow
async def test_a_plain_connection_is_kept_out(path: Path) -> None:
    engine = engine_of(path)
    await run(engine, COUNT)

    with pytest.raises(duckdb.BinderException, match="already attached"):
        duckdb.connect(path)
    with pytest.raises(sa_exc.ProgrammingError, match="already attached"):
        create_engine(f"duckdb+duckdb_sqlalchemy:///{path}", poolclass=NullPool).connect()
    found = await run(engine, COUNT)
    await engine.dispose()

    assert found == [(1_000,)]


async def test_an_engine_is_told_that_a_plain_connection_was_first(path: Path) -> None:
    engine = engine_of(path)
    with duckdb.connect(path), pytest.raises(DatabaseAlreadyOpen) as caught:
        await run(engine, COUNT)

    found = await run(engine, COUNT)
    await engine.dispose()

    assert "database.raw()" in str(caught.value)
    assert caught.value.path == path
    assert found == [(1_000,)]


@pytest.mark.slow
async def test_a_raw_connection_for_writing_holds_the_gate(path: Path) -> None:
    engine = engine_of(path, write_timeout=0.2)
    await run(engine, COUNT)
    database = database_of(engine)
    inside, leave = threading.Event(), threading.Event()

    def write() -> None:
        with database.raw(write=True) as raw:
            raw.execute("INSERT INTO t VALUES (5000)")
            inside.set()
            leave.wait(20)

    writing = asyncio.create_task(asyncio.to_thread(write))
    await asyncio.to_thread(inside.wait, 20)
    with pytest.raises(TimeoutError):
        await run(engine, "INSERT INTO t VALUES (5001)")
    with database.raw() as reader:
        found = reader.execute(COUNT).fetchall()
    leave.set()
    await writing
    await run(engine, "INSERT INTO t VALUES (5001)")
    last = await run(engine, COUNT)
    await engine.dispose()

    assert found == [(1_001,)]
    assert last == [(1_002,)]


async def test_a_raw_connection_does_not_wait_for_its_own_thread(path: Path) -> None:
    engine = engine_of(path)
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO t VALUES (5000)"))

        with pytest.raises(WriteDeadlock), database_of(engine).raw(write=True):
            pass

    await engine.dispose()


# ---- the file goes away ------------------------------------------------------


def delete(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    copy = path.with_name("copy.duckdb")
    shutil.copy(path, copy)
    copy.replace(path)


def move(path: Path) -> None:
    path.rename(path.with_name("moved.duckdb"))


@pytest.mark.parametrize("accident", [delete, replace, move])
async def test_nothing_is_acknowledged_when_the_file_is_gone(
    path: Path, accident: Callable[[Path], None]
) -> None:
    engine = engine_of(path)
    blocking = create_engine(f"duckdb:///{path}")
    await run(engine, COUNT)
    with blocking.connect() as connection:
        connection.execute(text(COUNT))
    accident(path)

    with pytest.raises(DatabaseReplaced) as caught:
        await run(engine, "INSERT INTO t VALUES (5000)")
    with pytest.raises(DatabaseReplaced):
        await run(
            engine.execution_options(isolation_level="AUTOCOMMIT"), "INSERT INTO t VALUES (5000)"
        )
    with pytest.raises(DatabaseReplaced), blocking.begin() as connection:
        connection.execute(text("INSERT INTO t VALUES (5000)"))
    with pytest.raises(DatabaseReplaced), database_of(engine).raw(write=True) as raw:
        raw.execute("INSERT INTO t VALUES (5000)")
    found = await run(engine, COUNT)
    await engine.dispose()
    await asyncio.to_thread(blocking.dispose)

    assert caught.value.path == path
    assert "open it anew" in str(caught.value)
    assert found == [(1_000,)]


async def test_a_raw_connection_says_when_the_file_went_while_it_wrote(path: Path) -> None:
    engine = engine_of(path)
    await run(engine, COUNT)

    with pytest.raises(DatabaseReplaced), database_of(engine).raw(write=True) as raw:
        raw.execute("INSERT INTO t VALUES (5000)")
        delete(path)
    await engine.dispose()


async def test_an_engine_opened_anew_sees_the_file_that_was_put_in_its_place(path: Path) -> None:
    engine = engine_of(path)
    await run(engine, "DELETE FROM t WHERE n >= 10")
    await run(engine, "CHECKPOINT")
    replace(path)

    await engine.dispose()
    await run(engine, "INSERT INTO t VALUES (5000)")
    found = await run(engine, COUNT)
    await engine.dispose()

    assert found == [(11,)]


# ---- a fork ------------------------------------------------------------------


def in_fork(work: Callable[[], object]) -> str:
    """Return the name of what ``work()`` raises in a forked child, or the repr of its result."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            answer = repr(work())
        except BaseException as error:  # noqa: BLE001 - reported
            answer = type(error).__name__
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0
    return answer


@pytest.fixture
def opened(path: Path) -> Iterator[tuple[Any, Path]]:
    """Yield a blocking engine that has written to the log of its file."""
    engine = create_engine(f"duckdb:///{path}")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO t VALUES (5000)"))
    yield engine, path
    engine.dispose()


def use(engine: Any) -> object:
    with engine.connect() as connection:
        return connection.scalar(text(COUNT))


def use_raw(engine: Any) -> object:
    with database_of(engine).raw() as raw:
        return raw.execute(COUNT).fetchall()


def use_another_engine(engine: Any) -> object:
    return use(create_engine(engine.url))


def dispose_and_use(engine: Any) -> object:
    engine.dispose()
    return use(engine)


def close_database(engine: Any) -> object:
    database_of(engine).close()
    return None


def write_to_the_copy(engine: Any) -> object:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO t VALUES (6000)"))
    return "acknowledged"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(
    "work", [use, use_raw, use_another_engine, dispose_and_use, write_to_the_copy]
)
def test_a_forked_child_is_told_and_leaves_the_file_alone(
    opened: tuple[Any, Path], work: Callable[[Any], object]
) -> None:
    engine, path = opened
    log = Path(f"{path}.wal")
    before = path.read_bytes(), log.read_bytes()
    held = engine.connect()
    held.execute(text(COUNT))

    answer = in_fork(lambda: work(engine))
    after = path.read_bytes(), log.read_bytes()
    held.close()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO t VALUES (7000)"))
    engine.dispose()

    assert answer == ForkedProcess.__name__
    assert after == before
    with duckdb.connect(path) as plain:
        assert plain.execute(COUNT).fetchall() == [(1_002,)]


def finish_and_exit(engine: Any, held: Any) -> None:
    held.close()
    engine.dispose()
    del engine
    sys.exit(0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_of_multiprocessing_ends_without_touching_the_file(
    opened: tuple[Any, Path],
) -> None:
    engine, path = opened
    log = Path(f"{path}.wal")
    before = path.read_bytes(), log.read_bytes()
    held = engine.connect()
    held.execute(text("INSERT INTO t VALUES (6000)"))

    child = multiprocessing.get_context("fork").Process(target=finish_and_exit, args=(engine, held))
    child.start()
    child.join(20)
    after = path.read_bytes(), log.read_bytes()
    held.commit()
    held.close()
    engine.dispose()

    assert child.exitcode == 0
    assert after == before
    with duckdb.connect(path) as plain:
        assert plain.execute(COUNT).fetchall() == [(1_002,)]


@pytest.mark.slow
def test_a_forked_child_that_ends_as_usual_leaves_the_file_alone(path: Path) -> None:
    code = """
import os, pathlib, sys, warnings
import andamios_orm
from sqlalchemy import create_engine, text

path = sys.argv[1]
engine = create_engine(f"duckdb:///{path}")
with engine.begin() as connection:
    connection.execute(text("INSERT INTO t VALUES (5000)"))
content = lambda: [pathlib.Path(path + suffix).read_bytes() for suffix in ("", ".wal")]
before = content()
warnings.simplefilter("ignore")
if child := os.fork():
    _, status = os.waitpid(child, 0)
    print(status, content() == before)
"""

    parent = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )

    assert (parent.stdout, parent.stderr) == ("0 True\n", "")
    with duckdb.connect(path) as plain:
        assert plain.execute(COUNT).fetchall() == [(1_001,)]


def use_async(engine: AsyncEngine) -> object:
    # The loop that came with the fork is marked as running; the child needs one of its own.
    asyncio.events._set_running_loop(None)
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        return loop.run_until_complete(run(engine, COUNT))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("connections", [0, 1], ids=["new connection", "pooled connection"])
async def test_a_forked_child_is_told_by_an_async_engine(path: Path, connections: int) -> None:
    engine = engine_of(path)
    await run(engine, COUNT)
    if not connections:
        engine.sync_engine.pool = engine.sync_engine.pool.recreate()

    answer = in_fork(lambda: use_async(engine))
    await run(engine, "INSERT INTO t VALUES (5000)")
    found = await run(engine, COUNT)
    await engine.dispose()

    assert answer == ForkedProcess.__name__
    assert found == [(1_001,)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_opens_what_was_not_open_at_the_fork(path: Path) -> None:
    engine = create_engine(f"duckdb:///{path}")

    answer = in_fork(lambda: use(engine))

    assert answer == "1000"


# ---- spilling ----------------------------------------------------------------

LARGE_SORT = (
    "SELECT count(*) FROM (SELECT md5(i::VARCHAR) AS m, i FROM range(1500000) AS r(i)"
    " ORDER BY m LIMIT 1499999)"
)


@pytest.mark.slow
async def test_a_memory_database_spills_outside_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = create_async_engine("duckdb:///:memory:?memory_limit=40MB&threads=1")
    [(folder,)] = await run(engine, "SELECT current_setting('temp_directory')")

    found = await run(engine, LARGE_SORT)
    existed = Path(folder).exists()
    await engine.dispose()

    assert found == [(1_499_999,)]
    assert existed, "it did not spill"
    assert not Path(folder).exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
async def test_a_file_spills_beside_itself(path: Path) -> None:
    engine = engine_of(path, threads=1, connect_args={"memory_limit": "40MB"})
    [(folder,)] = await run(engine, "SELECT current_setting('temp_directory')")

    found = await run(engine, LARGE_SORT)
    existed = Path(folder).exists()
    await engine.dispose()

    assert found == [(1_499_999,)]
    assert folder == f"{path}.tmp"
    assert existed, "it did not spill"
    assert not Path(folder).exists()


@pytest.mark.slow
async def test_a_query_that_needs_too_much_memory_leaves_the_engine_usable(path: Path) -> None:
    engine = engine_of(
        path, threads=1, connect_args={"memory_limit": "20MB", "max_temp_directory_size": "1MB"}
    )

    with pytest.raises(sa_exc.OperationalError, match=r"(?i)out of memory"):
        await run(engine, LARGE_SORT)
    found = await run(engine, COUNT)
    await engine.dispose()

    assert found == [(1_000,)]


@pytest.mark.slow
async def test_health_follows_a_reopening(small_files: SmallFiles, caplog: Any) -> None:
    path = small_files.folder / "full.duckdb"
    engine = create_async_engine(f"duckdb:///{path}?checkpoint_threshold=16KB")
    await run(engine, "CREATE TABLE t (n BIGINT PRIMARY KEY, filler VARCHAR)")
    small_files.room = 100_000
    small_files.shrink()
    await run(engine, "INSERT INTO t VALUES (0, repeat('x', 50000))")
    broken = database_of(engine).state
    small_files.relax()

    began = time.monotonic()
    await run(engine, "INSERT INTO t VALUES (1, '')")
    took = time.monotonic() - began
    healed = database_of(engine).state
    await engine.dispose()

    assert (broken, healed) == ("invalid", "open")
    assert took < 1
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].startswith("could not write the log of full back: IO Error: Checkpoint")
    assert messages[1:] == [
        f"database {path} was invalidated by DuckDB",
        f"database {path} was opened anew",
    ]
    with duckdb.connect(path) as plain:
        assert plain.execute("SELECT n FROM t ORDER BY n").fetchall() == [(0,), (1,)]
