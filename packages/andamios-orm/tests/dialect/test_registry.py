from __future__ import annotations

import asyncio
import shutil
import threading
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

import andamios_orm  # noqa: F401 - makes duckdb:// ours
from andamios_orm.dialect.channel import Channel
from andamios_orm.dialect.options import DatabaseOptions, parse_options
from andamios_orm.dialect.registry import Registry, registry
from andamios_orm.exceptions import ConfigurationError, DatabaseAlreadyOpen

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file that does not exist yet."""
    return tmp_path / "file.duckdb"


def test_one_file_is_one_object_until_the_last_one_leaves(path: Path) -> None:
    mine = Registry()
    first = mine.acquire(str(path), DatabaseOptions())
    second = mine.acquire(str(path.parent / "." / path.name), DatabaseOptions())

    mine.release(first)
    between = first.state
    mine.release(second)

    assert first is second
    assert (between, first.state) == ("open", "closed")
    assert list(mine) == []


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (":memory:", ":memory:", False),
        ("", "", False),
        (":memory:a", ":memory:a", True),
        (":memory:a", ":memory:b", False),
    ],
)
def test_memory_is_shared_by_name_only(first: str, second: str, same: object) -> None:
    mine = Registry()
    databases = [mine.acquire(name, DatabaseOptions()) for name in (first, second)]

    shared = databases[0] is databases[1]
    for database in databases:
        mine.release(database)

    assert shared is same
    assert list(mine) == []


def test_a_file_is_not_confused_with_memory_or_another_file(path: Path) -> None:
    mine = Registry()
    places = (":memory:a", str(path), str(path.with_name("other.duckdb")))
    databases = [mine.acquire(place, DatabaseOptions()) for place in places]

    different = {id(database) for database in databases}
    for database in databases:
        mine.release(database)

    assert len(different) == 3


def test_a_home_folder_is_understood(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    mine = Registry()

    database = mine.acquire("~/mine.duckdb", DatabaseOptions())
    mine.release(database)

    assert database.path == tmp_path / "mine.duckdb"


def test_what_cannot_be_opened_is_forgotten(tmp_path: Path) -> None:
    mine = Registry()

    with pytest.raises(ConfigurationError, match="does not exist"):
        mine.acquire(str(tmp_path / "nowhere" / "f"), DatabaseOptions())

    assert list(mine) == []


def test_a_refused_engine_leaves_no_reference(path: Path) -> None:
    mine = Registry()
    database = mine.acquire(str(path), parse_options({"threads": 1}))

    with pytest.raises(DatabaseAlreadyOpen, match="another threads"):
        mine.acquire(str(path), parse_options({"threads": 2}))
    mine.release(database)

    assert database.state == "closed"


def test_a_database_closes_with_its_last_connection(path: Path) -> None:
    database = registry.acquire(str(path), DatabaseOptions())
    channel = Channel(database)
    registry.release(database)
    still = database.state

    channel.close()

    assert (still, database.state) == ("open", "closed")
    assert database not in list(registry)


@pytest.mark.slow
def test_opening_waits_for_a_closing_to_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Registry()
    first = mine.acquire(str(path), DatabaseOptions())
    closing, go_on = threading.Event(), threading.Event()
    close = first.close

    def slowly() -> None:
        closing.set()
        go_on.wait(20)
        close()

    monkeypatch.setattr(first, "close", slowly)
    leaving = threading.Thread(target=mine.release, args=(first,))
    leaving.start()
    closing.wait(20)
    threading.Timer(0.1, go_on.set).start()

    second = mine.acquire(str(path), DatabaseOptions())

    leaving.join()
    assert second is not first
    assert (first.state, second.state) == ("closed", "open")
    mine.release(second)


def test_it_is_closed_once_whoever_notices_that_nobody_uses_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry()
    database = registry.acquire(str(path), parse_options({}))
    close = database.close

    def closed_as_the_last_connection_goes() -> None:
        close()
        registry.close_if_unused(database)

    monkeypatch.setattr(database, "close", closed_as_the_last_connection_goes)
    registry.release(database)

    assert list(registry) == []
    assert database.state == "closed"


@pytest.mark.slow
def test_closing_waits_for_a_connection_that_is_on_its_way_out(path: Path) -> None:
    database = registry.acquire(str(path), DatabaseOptions())
    channel = Channel(database)
    channel.retire()
    threading.Timer(0.1, channel.close).start()

    registry.release(database)

    assert database.state == "closed"


def test_closing_does_not_wait_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andamios_orm.dialect.database._GRACE", 0.05)
    database = registry.acquire(str(path), DatabaseOptions())
    channel = Channel(database)
    channel.retire()

    registry.release(database)
    left_open = database.state
    channel.close()

    assert (left_open, database.state) == ("open", "closed")


def test_two_kinds_of_engine_share_one_object(path: Path) -> None:
    blocking = create_engine(f"duckdb:///{path}")
    with blocking.begin() as connection:
        connection.execute(text("CREATE TABLE t AS SELECT 1 AS n"))

    async def other() -> tuple[object, int]:
        engine = create_async_engine(f"duckdb:///{path}")
        async with engine.connect() as connection:
            found = await connection.scalar(text("SELECT n FROM t"))
        dialect: Any = engine.dialect
        database = dialect.holder.database
        await engine.dispose()
        return database, found

    database, found = asyncio.run(other())
    dialect: Any = blocking.dialect
    same = database is dialect.holder.database
    blocking.dispose()

    assert same
    assert found == 1


def test_a_copy_of_a_file_is_another_database(path: Path) -> None:
    with duckdb.connect(path) as plain:
        plain.execute("CREATE TABLE t AS SELECT 1 AS n")
    copy = path.with_name("copy.duckdb")
    shutil.copy(path, copy)
    mine = Registry()

    first, second = (mine.acquire(str(place), DatabaseOptions()) for place in (path, copy))
    different = first is not second
    mine.release(first)
    mine.release(second)

    assert different
