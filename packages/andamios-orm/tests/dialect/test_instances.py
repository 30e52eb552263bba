"""Instances that serve one file after another: whose they are, and what they may reach."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from andamios_orm.dialect.instances import Instances
from andamios_orm.dialect.options import parse_options
from andamios_orm.dialect.registry import Registry
from andamios_orm.exceptions import DatabaseCorrupt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from andamios_orm.dialect.database import DuckDBDatabase

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Yield a registry whose files in ``tmp_path`` share instances."""
    registry = Registry()
    with registry.reusing_instances(tmp_path):
        yield registry


def opened(registry: Registry, path: Path, **options: Any) -> DuckDBDatabase:
    return registry.acquire(str(path), parse_options(options))


def anchor_of(database: DuckDBDatabase) -> Any:
    return database._anchor


def used(registry: Registry, path: Path, *statements: str, **options: Any) -> Any:
    """Return the instance that served a file, on which the statements were run."""
    database = opened(registry, path, **options)
    with database.raw(write=True) as raw:
        for statement in statements:
            raw.execute(statement)
    anchor = anchor_of(database)
    registry.release(database)
    return anchor


def test_a_file_gets_the_instance_of_one_that_was_closed(
    registry: Registry, tmp_path: Path
) -> None:
    first = used(registry, tmp_path / "a.duckdb", "CREATE TABLE t AS SELECT 1 AS n")
    database = opened(registry, tmp_path / "b.duckdb")

    assert anchor_of(database) is first
    with database.raw() as raw:
        assert raw.execute("SELECT current_database()").fetchall() == [("b",)]
        assert raw.execute("FROM duckdb_tables()").fetchall() == []
        listed = "SELECT database_name FROM duckdb_databases() WHERE NOT internal"
        assert raw.execute(listed).fetchall() == [("b",)]
    registry.release(database)
    with duckdb.connect(tmp_path / "a.duckdb") as plain:
        assert plain.execute("FROM t").fetchall() == [(1,)]


def test_the_same_file_can_be_opened_again(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    first = used(registry, path, "CREATE TABLE t AS SELECT 1 AS n")

    assert used(registry, path, "INSERT INTO t VALUES (2)") is first
    assert not path.with_name("a.duckdb.wal").exists()


def test_files_that_are_open_at_once_have_instances_of_their_own(
    registry: Registry, tmp_path: Path
) -> None:
    one, two = (opened(registry, tmp_path / name) for name in ("a.duckdb", "b.duckdb"))

    assert anchor_of(one) is not anchor_of(two)
    for database in (one, two):
        registry.release(database)


@pytest.mark.parametrize(
    "options", [{"memory_limit": "1GB"}, {"allow": "SET"}, {"hardened": "false"}], ids=str
)
def test_options_of_its_own_need_an_instance_of_its_own(
    registry: Registry, tmp_path: Path, options: dict[str, str]
) -> None:
    first = used(registry, tmp_path / "a.duckdb")

    assert used(registry, tmp_path / "b.duckdb", **options) is not first


def test_a_file_elsewhere_has_an_instance_of_its_own(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    first = used(registry, tmp_path / "a.duckdb")

    assert used(registry, tmp_path / "inner" / "b.duckdb") is not first


def test_an_instance_reaches_no_other_folder(registry: Registry, tmp_path: Path) -> None:
    database = opened(registry, tmp_path / "a.duckdb")

    with database.raw() as raw, pytest.raises(duckdb.PermissionException):
        raw.execute(f"ATTACH '{tmp_path.parent / 'other.duckdb'}' AS other")
    registry.release(database)


def test_an_instance_whose_file_is_still_in_use_is_not_kept(
    registry: Registry, tmp_path: Path
) -> None:
    database = opened(registry, tmp_path / "a.duckdb")
    first = anchor_of(database)
    first.begin()
    first.execute("CREATE TABLE t (n INTEGER)")  # a transaction that nobody ends
    registry.release(database)

    assert used(registry, tmp_path / "b.duckdb") is not first


def test_a_file_that_cannot_be_attached_costs_the_instance(
    registry: Registry, tmp_path: Path
) -> None:
    first = used(registry, tmp_path / "a.duckdb")
    broken = tmp_path / "broken.duckdb"
    broken.write_text("no database at all " * 1_000, encoding="utf-8")

    with pytest.raises(DatabaseCorrupt):
        opened(registry, broken)
    assert used(registry, tmp_path / "b.duckdb") is not first


def test_a_file_with_a_log_gets_an_instance_of_its_own(registry: Registry, tmp_path: Path) -> None:
    """A log with an altered default wants the default database, which a used instance lacks."""
    with duckdb.connect(":memory:") as raw:
        raw.execute(f"ATTACH '{tmp_path / 'made.duckdb'}' AS made")
        raw.execute("USE made")
        raw.execute("CREATE TABLE t (id INTEGER, moment TIMESTAMP DEFAULT now())")
        raw.execute("CHECKPOINT")
        raw.execute("ALTER TABLE t ADD COLUMN more INTEGER")
        for suffix in ("", ".wal"):
            shutil.copy(tmp_path / f"made.duckdb{suffix}", tmp_path / f"b.duckdb{suffix}")
    first = used(registry, tmp_path / "a.duckdb")

    second = used(registry, tmp_path / "b.duckdb")

    assert second is not first


def test_a_child_of_a_fork_takes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instances = Instances(tmp_path)
    anchor = duckdb.connect(":memory:")
    anchor.execute("ATTACH ':memory:' AS a")
    anchor.execute("USE a")
    instances.keep(anchor, "a", 1)
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: -1)
        assert instances.take(1) is None

    assert instances.take(1) is anchor
    anchor.close()


def test_at_the_end_none_is_kept(tmp_path: Path) -> None:
    registry = Registry()
    with registry.reusing_instances(tmp_path):
        anchor = used(registry, tmp_path / "a.duckdb")

    with pytest.raises(duckdb.ConnectionException):
        anchor.execute("SELECT 1")
    assert used(registry, tmp_path / "a.duckdb") is not anchor
