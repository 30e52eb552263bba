"""Copies that can only be read, one after the other under one name."""

from __future__ import annotations

import asyncio
import stat
import threading
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlalchemy as sa

from andamios_orm.exceptions import BackupFailed, ConfigurationError
from andamios_orm.maintenance import snapshot, snapshots

if TYPE_CHECKING:
    from pathlib import Path

    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def metadata() -> sa.MetaData:
    """Return one table."""
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("n", sa.Integer))
    return metadata


async def write(database: Database, number: int) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(sa.text("INSERT INTO t VALUES (:n)"), {"n": number})


def numbers(path: Path) -> list[int]:
    with duckdb.connect(str(path), read_only=True) as raw:
        return [n for (n,) in raw.execute("SELECT n FROM t ORDER BY n").fetchall()]


async def test_a_snapshot_can_only_be_read(duckdb_database: Database, tmp_path: Path) -> None:
    await write(duckdb_database, 1)

    copy = await snapshot(duckdb_database, tmp_path / "now.duckdb")

    assert copy.path == tmp_path / "now.duckdb"
    assert (copy.rows, copy.size) == ({"main.t": 1}, copy.path.stat().st_size)
    assert stat.S_IMODE(copy.path.stat().st_mode) == 0o444
    assert numbers(copy.path) == [1]
    assert [path.name for path in tmp_path.glob("now*")] == ["now.duckdb"]


@pytest.mark.slow
async def test_one_takes_the_place_of_the_last_one_and_its_readers_go_on(
    duckdb_database: Database, tmp_path: Path
) -> None:
    place = tmp_path / "now.duckdb"
    await snapshot(duckdb_database, place, overwrite=True)
    reader = duckdb.connect(str(place), read_only=True)
    await write(duckdb_database, 1)

    with pytest.raises(ConfigurationError, match=r"overwrite=True \(--replace\)"):
        await snapshot(duckdb_database, place)
    await snapshot(duckdb_database, place, overwrite=True)

    assert reader.execute("SELECT * FROM t").fetchall() == []
    reader.close()
    assert numbers(place) == [1]


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
async def test_only_a_snapshot_is_replaced(
    duckdb_database: Database, tmp_path: Path, kind: str
) -> None:
    place = tmp_path / "now.duckdb"
    if kind == "file":
        place.write_text("dear")
    elif kind == "folder":
        place.mkdir(mode=0o555)
    else:
        place.symlink_to("nowhere")

    with pytest.raises(ConfigurationError, match="is no snapshot"):
        await snapshot(duckdb_database, place, overwrite=True)

    assert [path.name for path in tmp_path.glob("now*")] == ["now.duckdb"]


@pytest.mark.slow
async def test_what_fails_leaves_the_last_one(
    duckdb_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "now.duckdb"
    await snapshot(duckdb_database, place)
    await write(duckdb_database, 1)

    async def fail(*_: object, **__: object) -> None:
        raise BackupFailed("no")

    monkeypatch.setattr(snapshots, "backup", fail)
    with pytest.raises(BackupFailed):
        await snapshot(duckdb_database, place, overwrite=True)

    assert numbers(place) == []
    assert [path.name for path in tmp_path.glob("now*")] == ["now.duckdb"]


async def test_one_that_is_cancelled_as_it_gets_its_name_is_whole(
    duckdb_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    loop, name = asyncio.get_running_loop(), snapshots._name

    def wait(*arguments: Any, **options: Any) -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait()
        name(*arguments, **options)

    monkeypatch.setattr(snapshots, "_name", wait)
    task = asyncio.create_task(snapshot(duckdb_database, tmp_path / "now.duckdb"))
    await begun.wait()

    task.cancel()
    loop.call_later(0.01, go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await task

    assert numbers(tmp_path / "now.duckdb") == []
    assert [path.name for path in tmp_path.glob("now*")] == ["now.duckdb"]
