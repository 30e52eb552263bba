from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import andamios_orm  # noqa: F401 - makes duckdb:// ours
from andamios_orm.dialect.calls import Call
from andamios_orm.dialect.channel import Channel
from andamios_orm.dialect.database import DuckDBDatabase, _finish, _Opened
from andamios_orm.dialect.gate import Owner, WaitGraph
from andamios_orm.dialect.options import parse_options
from andamios_orm.dialect.worker import Crew
from andamios_orm.exceptions import (
    ConfigurationError,
    DatabaseClosed,
    DatabaseCorrupt,
    DatabaseReplaced,
    DatabaseUnavailable,
    MissingExtra,
    WriteGateTimeout,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file that does not exist yet."""
    return tmp_path / "file.duckdb"


def new(path: Path | None = None, name: str = "", **options: Any) -> DuckDBDatabase:
    """Return a database object that no registry knows of."""
    return DuckDBDatabase(
        path, name, parse_options(options), WaitGraph(), when_unused=lambda _: None
    )


@pytest.fixture
def make() -> Iterator[Callable[..., DuckDBDatabase]]:
    """Yield a function that makes a database object; all are closed afterwards."""
    made: list[DuckDBDatabase] = []

    def make(path: Path | None = None, name: str = "", **options: Any) -> DuckDBDatabase:
        database = new(path, name, **options)
        made.append(database)
        return database

    yield make
    for database in made:
        database.close()


if TYPE_CHECKING:
    Make = Callable[..., DuckDBDatabase]


def one(database: DuckDBDatabase, query: str) -> Any:
    with database.raw() as raw:
        [(value,)] = raw.execute(query).fetchall()
    return value


# ---- opening -----------------------------------------------------------------


def test_nothing_is_opened_before_it_is_asked_for(make: Make, path: Path) -> None:
    database = make(path)

    assert database.state == "new"
    assert not path.exists()
    assert repr(database) == f"<DuckDBDatabase {path} new>"


def test_opening_twice_opens_once(make: Make, path: Path) -> None:
    database = make(path)

    database.open()
    first = database._anchor
    database.open()

    assert database._anchor is first
    assert database.state == "open"
    assert database.in_place


def test_a_closed_database_stays_closed(make: Make, path: Path) -> None:
    database = make(path)
    database.open()
    database.close()

    with pytest.raises(DatabaseClosed) as caught:
        database.open()

    assert caught.value.path == path
    assert database.state == "closed"


def test_closing_what_was_never_opened_is_harmless(make: Make, path: Path) -> None:
    make(path).close()

    assert not path.exists()


@pytest.mark.parametrize("name", ["", ":memory:named"])
def test_a_memory_database_is_named_for_what_it_is(make: Make, name: str) -> None:
    database = make(None, name)

    database.open()

    assert one(database, "SELECT current_database()") == "memory"
    assert database.alias is None
    assert database.in_place


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("plain.duckdb", "plain"),
        ("a.b.c", "a"),
        (".hidden", ".hidden"),
        ("none", "none"),
        ("Memory.db", "Memory_db"),
        ("temp", "temp_db"),
    ],
)
def test_the_alias_is_the_first_part_of_the_name(
    make: Make, tmp_path: Path, name: str, alias: str
) -> None:
    database = make(tmp_path / name)

    assert database.alias == alias
    assert one(database, "SELECT current_database()") == alias


def test_no_other_database_is_in_reach(make: Make, path: Path) -> None:
    database = make(path)

    with database.raw() as raw:
        names = raw.execute("SELECT database_name FROM duckdb_databases()").fetchall()
        with pytest.raises(duckdb.Error, match=r"(?i)memory"):
            raw.execute("CREATE TABLE memory.main.lost (n INTEGER)")

    assert sorted(names) == [("file",), ("system",), ("temp",)]


HARDENED = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
    "lock_configuration": True,
    "TimeZone": "UTC",
}


def settings(database: DuckDBDatabase) -> dict[str, Any]:
    return {name: one(database, f"SELECT current_setting('{name}')") for name in HARDENED}


def test_every_connection_is_hardened_and_in_utc(make: Make, path: Path) -> None:
    assert settings(make(path)) == HARDENED


def test_hardening_can_be_left_out(make: Make, path: Path) -> None:
    found = settings(make(path, hardened=False))

    assert found["enable_external_access"] is True
    assert found["lock_configuration"] is False
    assert found["TimeZone"] == "UTC"


@pytest.mark.parametrize(
    ("allow", "files", "locked"), [("COPY", True, True), ("SET", False, False), ("", False, True)]
)
def test_what_is_allowed_is_not_locked_away(
    make: Make, path: Path, allow: str, files: object, locked: object
) -> None:
    found = settings(make(path, allow=allow))

    assert found["enable_external_access"] is files
    assert found["lock_configuration"] is locked


def test_a_setting_is_made_before_the_lock(make: Make, path: Path) -> None:
    database = make(path, memory_limit="1GB", threads=3)

    assert one(database, "SELECT current_setting('memory_limit')") == "953.6 MiB"
    assert one(database, "SELECT current_setting('threads')") == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory_limit": "a lot"}, "memory_limit='a lot'"),
        ({"memori_limit": "1GB"}, "did you mean memory_limit"),
    ],
)
def test_a_setting_that_fails_leaves_nothing_open(
    make: Make, path: Path, options: dict[str, str], message: str
) -> None:
    database = make(path, **options)

    with pytest.raises(ConfigurationError, match=message):
        database.open()

    assert database.state == "new"
    duckdb.connect(path).close()


@pytest.mark.parametrize(
    ("where", "folder"),
    [("file", "{path}.tmp"), ("memory", None), ("given", "{parent}/elsewhere")],
)
def test_spilling_goes_where_it_is_no_bother(
    make: Make, path: Path, where: str, folder: str | None
) -> None:
    options = {"temp_directory": f"{path.parent}/elsewhere"} if where == "given" else {}
    database = make(None if where == "memory" else path, **options)

    found = Path(one(database, "SELECT current_setting('temp_directory')"))

    if folder is None:
        assert found.is_absolute()
        assert found.name.startswith("andamios-")
        assert Path.cwd() not in found.parents
    else:
        assert str(found) == folder.format(path=path, parent=path.parent)


@pytest.mark.slow
def test_an_unread_log_is_noticed(make: Make, path: Path) -> None:
    code = """
        import os, sys, signal, duckdb
        c = duckdb.connect(sys.argv[1])
        c.execute("CREATE TABLE t AS SELECT 1 AS n")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    child = subprocess.run(
        [sys.executable, "-c", "\n".join(line.strip() for line in code.splitlines()), str(path)],
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    crashed, calm = make(path), make(path)

    crashed.open()
    crashed.close()
    calm.open()

    assert crashed.recovered_from_log
    assert not calm.recovered_from_log


def test_a_file_that_cannot_be_opened_is_tried_again(make: Make, path: Path) -> None:
    path.write_text("no database", encoding="utf-8")
    database = make(path)
    with pytest.raises(DatabaseCorrupt):
        database.open()

    path.unlink()
    database.open()

    assert database.state == "open"


def test_an_extension_is_loaded_by_its_path(make: Make, path: Path) -> None:
    missing = path.with_name("no.duckdb_extension")
    database = make(path, extensions=(str(missing),))

    with pytest.raises(DatabaseUnavailable, match=r"no\.duckdb_extension"):
        database.open()


def test_an_extension_is_found_in_its_wheel(
    make: Make, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "duckdb_extension_pretend"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    database = make(path, extensions=("pretend",))

    with pytest.raises(DatabaseUnavailable) as caught:
        database.open()

    expected = package / "extensions" / f"v{duckdb.__version__}" / "pretend.duckdb_extension"
    assert str(expected) in str(caught.value)


def test_an_extension_without_a_wheel_names_the_wheel(make: Make, path: Path) -> None:
    database = make(path, extensions=("sqlite_pretend",))

    with pytest.raises(MissingExtra, match=r"pip install duckdb-extension-sqlite-pretend==1\."):
        database.open()


# ---- recovery ----------------------------------------------------------------


def test_an_invalidated_file_is_opened_anew(
    make: Make, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = make(path)
    with database.raw(write=True) as raw:
        raw.execute("CREATE TABLE t AS SELECT 1 AS n")
    old, epoch = database.cursor()
    channel = Channel(database)

    with caplog.at_level(logging.WARNING, "andamios_orm.dialect"):
        database.invalidate(epoch)
        database.invalidate(epoch)
        found = one(database, "SELECT n FROM t")

    assert found == 1
    assert (database.epoch, database.state) == (epoch + 1, "open")
    assert len(caplog.records) == 2
    with pytest.raises(duckdb.ConnectionException):
        old.execute("SELECT 1")
    channel.close()


def test_news_of_an_instance_that_is_gone_changes_nothing(make: Make, path: Path) -> None:
    database = make(path)
    database.open()

    database.invalidate(epoch=-1)

    assert database.state == "open"


def test_an_invalidated_memory_database_is_lost_and_says_so(make: Make) -> None:
    database = make()
    _, epoch = database.cursor()
    database.invalidate(epoch)

    with pytest.raises(DatabaseUnavailable, match="its content is lost"):
        database.cursor()


def test_recovery_does_not_open_another_file_in_its_place(make: Make, path: Path) -> None:
    database = make(path)
    _, epoch = database.cursor()
    database.invalidate(epoch)
    path.unlink()

    with pytest.raises(DatabaseReplaced):
        database.cursor()

    assert not path.exists()


# ---- raw connections ---------------------------------------------------------


def test_a_raw_connection_commits_each_statement(make: Make, path: Path) -> None:
    database = make(path)

    with database.raw(write=True) as raw:
        raw.execute("CREATE TABLE t AS SELECT 1 AS n")
        holder = database.gate.holder
        seen = one(database, "SELECT n FROM t")

    assert holder is not None
    assert seen == 1
    assert database.gate.holder is None
    assert database.commits == 1
    with pytest.raises(duckdb.ConnectionException):
        raw.execute("SELECT 1")


def test_a_raw_connection_gives_the_gate_back_after_an_error(make: Make, path: Path) -> None:
    database = make(path)

    with pytest.raises(duckdb.CatalogException), database.raw(write=True) as raw:
        raw.execute("BEGIN")
        raw.execute("SELECT * FROM missing")

    assert database.gate.holder is None


@pytest.mark.slow
def test_a_raw_connection_waits_as_long_as_it_is_told(make: Make, path: Path) -> None:
    database = make(path)
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with database.raw(write=True):
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(20)
    began = time.monotonic()

    with pytest.raises(WriteGateTimeout), database.raw(write=True, timeout=0.1):
        pass

    took = time.monotonic() - began
    leave.set()
    thread.join()
    assert 0.1 <= took < 5


# ---- closing -----------------------------------------------------------------


@pytest.mark.slow
async def test_closing_interrupts_what_runs(path: Path) -> None:
    engine = create_async_engine(f"duckdb:///{path}")
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        dialect: Any = engine.dialect
        endless = text("SELECT count(*) FROM range(100000000000) WHERE range % 3 > 2")
        running = asyncio.create_task(connection.execute(endless))
        await asyncio.sleep(0.2)

        await asyncio.to_thread(dialect.holder.database.close)
        with pytest.raises(Exception, match=r"(?i)interrupt"):
            await running

    await engine.dispose()
    duckdb.connect(path).close()


def leave_log(channel: Channel) -> None:
    """Write a row, which stays in the log."""
    channel.execute(Call("INSERT INTO t VALUES (2)", None, Owner.of_thread(), autocommit=True))
    assert Path(f"{channel.database.path}.wal").exists()


@pytest.mark.slow
def test_a_forgotten_object_closes_its_file(path: Path) -> None:
    database = new(path)
    with database.raw(write=True) as raw:
        raw.execute("CREATE TABLE t AS SELECT 1 AS n")
    channel = Channel(database)
    leave_log(channel)
    log = Path(f"{path}.wal")
    existed = log.exists()

    del database, channel, raw
    gc.collect()

    assert existed
    assert not log.exists()
    duckdb.connect(path).close()


def test_the_end_of_the_process_closes_what_is_open(path: Path) -> None:
    database = new(path)
    with database.raw(write=True) as raw:
        raw.execute("CREATE TABLE t AS SELECT 1 AS n")
    channel = Channel(database)
    leave_log(channel)
    finalizer: Any = database._finalizer

    runs_at_exit = finalizer.atexit
    finalizer()

    assert runs_at_exit
    assert not Path(f"{path}.wal").exists()
    duckdb.connect(path).close()


def test_the_end_of_a_forked_child_closes_nothing() -> None:
    anchor = duckdb.connect(":memory:")
    another_process = os.getppid()

    opened = _Opened(anchor, None, None)
    _finish(another_process, threading.RLock(), Crew(), weakref.WeakSet(), opened)

    assert anchor.execute("SELECT 1").fetchall() == [(1,)]


@pytest.mark.slow
def test_a_memory_database_spills_to_one_place() -> None:
    database = new()

    assert database._spill_folder() == database._spill_folder()


@pytest.mark.slow
def test_a_forgotten_memory_database_removes_what_it_spilled() -> None:
    database = new()
    database.open()
    spill = Path(database._spill_folder())
    spill.mkdir()

    del database
    gc.collect()

    assert not spill.exists()


def test_a_raw_connection_that_was_not_to_write_cannot(make: Make, path: Path) -> None:
    database = make(path)
    with database.raw(write=True) as raw:
        raw.execute("CREATE TABLE t AS SELECT 1 AS n")

    with database.raw() as raw:
        rows = raw.execute("SELECT n FROM t").fetchall()
        with pytest.raises(duckdb.Error, match="read-only"):
            raw.execute("UPDATE t SET n = 2")

    assert rows == [(1,)]
