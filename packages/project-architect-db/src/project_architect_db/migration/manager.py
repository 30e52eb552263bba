"""The migrations that come with this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from andamios_orm.migration import MigrationManager as CoreManager
from project_architect_db.models import Base

if TYPE_CHECKING:
    from andamios_orm.core import Database

__all__ = ["VERSION_TABLE", "MigrationManager"]

VERSION_TABLE: Final = "project_architect_version"
"""Where a database says at which revision it is, beside the migrations of an application."""


class MigrationManager(CoreManager):
    """Brings a database up to the models of this package, by the revisions that come with it.

    Tables of an application beside them are left alone.
    ``options`` are those of ``andamios_orm.migration.MigrationManager``.
    """

    def __init__(self, database: Database, **options: Any) -> None:
        """Migrate ``database``."""
        options.setdefault("version_table", VERSION_TABLE)
        options.setdefault("others", "leave")
        super().__init__(database, Base, Path(__file__).parent, **options)
