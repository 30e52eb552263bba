"""A copy put in the place of a file: whole, or not at all."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Literal

import duckdb
import pytest

from andamios_orm import Database
from andamios_orm.exceptions import (
    BackupFailed,
    ConfigurationError,
    DatabaseAlreadyOpen,
    DatabaseCorrupt,
    DatabaseLocked,
)
from andamios_orm.maintenance import backup, restore, restoring

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(4)]


def make(path: Path, value: int) -> Path:
    with duckdb.connect(str(path)) as raw:
        raw.execute(f"CREATE TABLE t AS SELECT {value} AS n")
    return path


def value(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as raw:
        [(found,)] = raw.execute("SELECT n FROM t").fetchall()
        return int(found)


@pytest.mark.slow
async def test_a_backup_is_restored_to_a_new_place(tmp_path: Path) -> None:
    async with Database(f"duckdb:///{make(tmp_path / 'shop.duckdb', 7)}") as database:
        copy = await backup(database, tmp_path / "copy.duckdb")

    restored = await restore(copy.path, tmp_path / "again.duckdb", digest=copy.digest)

    assert value(restored.path) == 7
    assert (restored.rows, restored.digest) == (copy.rows, copy.digest)
    assert copy.path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["file", "open"])
async def test_a_dry_run_looks_the_copy_through_and_writes_nothing(
    tmp_path: Path, form: Literal["file", "open"]
) -> None:
    async with Database(f"duckdb:///{make(tmp_path / 'shop.duckdb', 7)}") as database:
        copy = await backup(database, tmp_path / "copy", form=form)
    before = sorted(tmp_path.rglob("*"))
    target = tmp_path / "again.duckdb"

    found = await restore(copy.path, target, digest=copy.digest, dry_run=True)

    assert (found.path, found.rows, found.digest) == (target, copy.rows, copy.digest)
    assert found.size > 0
    with pytest.raises(BackupFailed, match="has the SHA-256"):
        await restore(copy.path, target, digest="0" * 64, dry_run=True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
async def test_what_was_there_is_kept_with_its_log(tmp_path: Path) -> None:
    copy, target = make(tmp_path / "copy.duckdb", 1), make(tmp_path / "shop.duckdb", 2)
    for name in ("wal", "journal"):
        (tmp_path / f"shop.duckdb.{name}").write_text(name)

    await restore(copy, target, overwrite=True)
    await restore(copy, target, overwrite=True)

    assert value(target) == 1
    assert value(tmp_path / "shop.duckdb-2.replaced") == 1
    assert sorted(path.name for path in tmp_path.glob("shop*")) == [
        "shop.duckdb",
        "shop.duckdb-2.replaced",
        "shop.duckdb.replaced",
        "shop.duckdb.replaced.journal",
        "shop.duckdb.replaced.wal",
    ]
    (tmp_path / "shop.duckdb.replaced.wal").unlink()
    assert value(tmp_path / "shop.duckdb.replaced") == 2


async def test_a_file_is_not_replaced_unless_that_is_said(tmp_path: Path) -> None:
    copy, target = make(tmp_path / "copy.duckdb", 1), make(tmp_path / "shop.duckdb", 2)

    with pytest.raises(ConfigurationError, match=r"exists: pass overwrite=True"):
        await restore(copy, target)

    assert value(target) == 2


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("no database " * 5_000)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:8192])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for at in range(12_288, len(content), 512):
        content[at] ^= 0xFF
    path.write_bytes(content)


def headless(path: Path) -> None:
    path.write_bytes(b"\0" * 4096 + path.read_bytes()[4096:])


@pytest.mark.parametrize("harm", [empty, text, cut, flipped, headless])
async def test_a_copy_that_cannot_be_read_changes_nothing(tmp_path: Path, harm: object) -> None:
    copy, target = make(tmp_path / "copy.duckdb", 1), make(tmp_path / "shop.duckdb", 2)
    assert callable(harm)
    harm(copy)

    with pytest.raises(DatabaseCorrupt, match=r"copy.duckdb"):
        await restore(copy, target, overwrite=True)

    assert value(target) == 2
    assert [path.name for path in tmp_path.glob("shop*")] == ["shop.duckdb"]


async def test_a_copy_with_another_digest_is_refused(tmp_path: Path) -> None:
    copy = make(tmp_path / "copy.duckdb", 1)

    with pytest.raises(BackupFailed, match=r"has the SHA-256 .*, not 00"):
        await restore(copy, tmp_path / "shop.duckdb", digest="00")

    assert [path.name for path in tmp_path.iterdir()] == ["copy.duckdb"]


@pytest.mark.parametrize("kind", ["missing", "link"])
async def test_only_plain_files_are_restored(tmp_path: Path, kind: str) -> None:
    copy = tmp_path / "copy.duckdb"
    if kind == "link":
        copy.symlink_to(make(tmp_path / "other.duckdb", 1))

    with pytest.raises(ConfigurationError, match="is no file"):
        await restore(copy, tmp_path / "shop.duckdb")


@pytest.mark.slow
async def test_a_file_that_is_open_is_not_replaced(tmp_path: Path) -> None:
    copy, target = make(tmp_path / "copy.duckdb", 1), make(tmp_path / "shop.duckdb", 2)
    async with Database(f"duckdb:///{target}") as database:
        await database.health()
        with pytest.raises(DatabaseAlreadyOpen, match="open in this process: close it first"):
            await restore(copy, target, overwrite=True)
    program = f"import duckdb, sys; c = duckdb.connect({str(target)!r}); print(1); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-uc", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        holder.stdout.read(1)
        with pytest.raises(DatabaseLocked, match="another process has"):
            await restore(copy, target, overwrite=True)
        holder.stdin.close()

    assert value(target) == 2


async def test_what_fails_in_the_middle_leaves_the_old_file_under_one_of_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, target = make(tmp_path / "copy.duckdb", 1), make(tmp_path / "shop.duckdb", 2)
    calls = 0

    def fail(folder: Path) -> None:
        nonlocal calls
        calls += 1
        raise OSError("the disk is gone")

    monkeypatch.setattr(restoring, "sync_folder", fail)

    with pytest.raises(OSError, match="the disk is gone"):
        await restore(copy, target, overwrite=True)

    assert calls == 1
    assert value(target) == value(tmp_path / "shop.duckdb.replaced") == 2
    assert list(tmp_path.glob("*.part")) == []
