"""Copies of a database that others write to."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlalchemy as sa

from andamios_orm import Database
from andamios_orm.dialect.files import sync_folder
from andamios_orm.exceptions import BackupFailed, ConfigurationError
from andamios_orm.maintenance import backup, backups, restore
from andamios_orm.maintenance.digests import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(3)]


@pytest.fixture
def metadata() -> sa.MetaData:
    """Return an account book."""
    metadata = sa.MetaData()
    sa.Table("entry", metadata, sa.Column("writer", sa.Integer), sa.Column("number", sa.Integer))
    return metadata


async def enter(database: Database, writer: int, number: int) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(
            sa.text("INSERT INTO entry VALUES (:writer, :number), (:writer, -:number)"),
            {"writer": writer, "number": number},
        )


def entries(path: Path) -> list[tuple[int, int]]:
    with duckdb.connect(str(path), read_only=True) as raw:
        return raw.execute("SELECT writer, number FROM entry ORDER BY ALL").fetchall()


async def test_a_copy_is_whole_and_says_what_is_in_it(
    duckdb_database: Database, tmp_path: Path
) -> None:
    await enter(duckdb_database, 1, 7)
    told: list[tuple[int, int]] = []

    copy = await backup(
        duckdb_database,
        tmp_path / "copy.duckdb",
        progress=lambda done, total: told.append((done, total)),
    )

    content = copy.path.read_bytes()
    assert entries(copy.path) == [(1, -7), (1, 7)]
    assert copy.rows == {"main.entry": 2}
    assert (copy.size, copy.digest) == (len(content), hashlib.sha256(content).hexdigest())
    assert told[-1] == (copy.size, copy.size)
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.duckdb"]
    await enter(duckdb_database, 1, 8)


@pytest.mark.sampled(1)
@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    ("every", "times"),
    [((0.05, 0.05, 0.05), (3, 3, 3)), pytest.param((0, 3, 30), (0, 3, 20), marks=pytest.mark.slow)],
    ids=["short", "long"],
)
async def test_a_copy_holds_what_was_acknowledged_before_it_began(
    duckdb_database: Database,
    tmp_path: Path,
    rounds: Callable[..., Any],
    every: tuple[float, ...],
    times: tuple[int, ...],
) -> None:
    acknowledged: dict[int, int] = {}
    stop = asyncio.Event()

    async def write(writer: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await enter(duckdb_database, writer, number)
            acknowledged[writer] = number

    writers = [asyncio.create_task(write(writer)) for writer in range(4)]
    for round_ in range(rounds(*times)):
        await asyncio.sleep(rounds(*every))
        before = dict(acknowledged)

        copy = await backup(duckdb_database, tmp_path / f"{round_}.duckdb")
        restored = await restore(copy.path, tmp_path / f"restored_{round_}.duckdb")

        assert (restored.digest, restored.rows) == (copy.digest, copy.rows)
        found = set(entries(restored.path))
        assert len(found) == copy.rows["main.entry"]
        for writer, number in before.items():
            assert {(writer, n) for n in range(1, number + 1)} <= found
        assert all((writer, -number) in found for writer, number in found), "half a transaction"
        copy.path.unlink()
        restored.path.unlink()
    stop.set()
    await asyncio.gather(*writers)


async def test_a_reader_who_holds_the_log_does_not_hold_the_copy_up(
    duckdb_database: Database, tmp_path: Path
) -> None:
    await enter(duckdb_database, 1, 1)
    async with duckdb_database.engine.connect() as reader:
        await reader.execute(sa.text("SELECT count(*) FROM entry"))
        async with duckdb_database.engine.begin() as connection:
            await connection.execute(sa.text("UPDATE entry SET number = number + 1"))

        copy = await backup(duckdb_database, tmp_path / "copy.duckdb")

    assert entries(copy.path) == [(1, 0), (1, 2)]
    assert copy.digest == hashlib.sha256(copy.path.read_bytes()).hexdigest()
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.duckdb"]


async def test_a_log_that_is_copied_is_in_the_indexes_of_the_copy(
    duckdb_database: Database, tmp_path: Path
) -> None:
    async with duckdb_database.engine.begin() as connection:
        await connection.execute(sa.text("CREATE INDEX ix ON entry (number)"))
    await enter(duckdb_database, 1, 1)
    async with duckdb_database.engine.connect() as reader:
        await reader.execute(sa.text("SELECT count(*) FROM entry"))
        async with duckdb_database.engine.begin() as connection:
            await connection.execute(sa.text("UPDATE entry SET writer = writer + 1"))
            await connection.execute(sa.text("INSERT INTO entry VALUES (3, 4321)"))

        copy = await backup(duckdb_database, tmp_path / "copy.duckdb")
    with duckdb.connect(str(copy.path), read_only=True) as raw:
        found = raw.execute("SELECT writer FROM entry WHERE number = 4321").fetchall()
    assert found == [(3,)]


@pytest.mark.slow
async def test_two_backups_at_once_do_not_meet(duckdb_database: Database, tmp_path: Path) -> None:
    await enter(duckdb_database, 1, 1)
    place = tmp_path / "copy.duckdb"

    done = await asyncio.gather(
        backup(duckdb_database, place), backup(duckdb_database, place), return_exceptions=True
    )

    assert sorted(type(each).__name__ for each in done) == ["Backup", "FileExistsError"]
    assert entries(place) == [(1, -1), (1, 1)]
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.duckdb"]


async def test_a_backup_overwrites_nothing(duckdb_database: Database, tmp_path: Path) -> None:
    (tmp_path / "copy.duckdb").write_text("mine")

    with pytest.raises(
        ConfigurationError, match=r"copy.duckdb exists: a backup overwrites nothing"
    ):
        await backup(duckdb_database, tmp_path / "copy.duckdb")

    assert (tmp_path / "copy.duckdb").read_text() == "mine"


@pytest.mark.parametrize("at", [0, 1])
async def test_a_backup_that_is_cancelled_leaves_no_file(
    duckdb_database: Database, tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("andamios_orm.dialect.journal._PIECE", 4096)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    pieces = 0

    def wait(_done: int, _total: int) -> None:
        nonlocal pieces
        pieces += 1
        if pieces == at + 1:
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(cancelled.wait(), loop).result()

    cancelled = asyncio.Event()
    task = asyncio.create_task(backup(duckdb_database, tmp_path / "copy.duckdb", progress=wait))
    await begun.wait()

    task.cancel()
    cancelled.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert list(tmp_path.glob("copy*")) == []
    assert pieces <= at + 2
    await enter(duckdb_database, 1, 1)


async def test_a_backup_that_is_cancelled_at_its_end_leaves_no_file(
    duckdb_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait(folder: Path) -> None:
        sync_folder(folder)
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(cancelled.wait(), loop).result()

    cancelled = asyncio.Event()
    monkeypatch.setattr(backups, "sync_folder", wait)
    task = asyncio.create_task(backup(duckdb_database, tmp_path / "copy.duckdb"))
    await begun.wait()

    task.cancel()
    await asyncio.sleep(0)
    cancelled.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert list(tmp_path.glob("copy*")) == []


@pytest.mark.parametrize("harm", ["bytes", "rows"])
async def test_a_copy_that_is_not_what_was_copied_is_removed(
    duckdb_database: Database, tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enter(duckdb_database, 1, 1)

    def damage(done: int, total: int) -> None:
        if done == total and harm == "bytes":
            (part,) = tmp_path.glob("copy.duckdb.*.part")
            with part.open("r+b") as draft:
                draft.write(b"harm")

    if harm == "rows":
        monkeypatch.setattr(backups, "counted", lambda raw: {**counted(raw), "at": id(raw)})

    with pytest.raises(BackupFailed):
        await backup(duckdb_database, tmp_path / "copy.duckdb", progress=damage)

    assert list(tmp_path.glob("copy*")) == []
    await enter(duckdb_database, 1, 2)


@pytest.mark.slow
async def test_only_duckdb_files_are_copied(
    andamios_memory_url: str,
    postgres_url: str,
    duckdb_url: str,
    tmp_path: Path,
    through_driver: Callable[[str], str],
) -> None:
    async with Database(through_driver(postgres_url)) as database:
        with pytest.raises(ConfigurationError, match="pg_dump"):
            await backup(database, tmp_path / "copy")
    for url in (andamios_memory_url, f"{duckdb_url}?read_only=true"):
        async with Database(url) as database:
            with pytest.raises(ConfigurationError, match="is no file that can be written"):
                await backup(database, tmp_path / "copy")
