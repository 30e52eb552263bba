"""Migrations in a folder of the test, for a database of each system that is empty at first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.migration import MigrationManager

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from andamios_orm import Database


@pytest.fixture
def manage(database: Database, tmp_path: Path) -> Callable[..., MigrationManager]:
    """Return what makes a manager of the database, for some models, in the test's folder."""

    def make(models: Any, **options: Any) -> MigrationManager:
        manager = MigrationManager(database, models, tmp_path / "migrations", **options)
        if not manager.folder.path.exists():
            manager.init()
        return manager

    return make
