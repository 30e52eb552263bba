"""What Alembic is told about a database and its models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alembic.runtime.migration import MigrationContext

if TYPE_CHECKING:
    from io import StringIO

    from sqlalchemy import Connection, MetaData
    from sqlalchemy.engine import Dialect

__all__ = ["Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """The models, and the table that says at which revision the database is.

    With ``leaves_others`` what no model knows is somebody else's, and no difference.
    """

    metadata: tuple[MetaData, ...]
    version_table: str = "alembic_version"
    leaves_others: bool = False

    @property
    def progress_table(self) -> str:
        """The table that says how far an unfinished data migration is."""
        return f"{self.version_table}_progress"

    def context(self, connection: Connection, **options: Any) -> MigrationContext:
        """Return Alembic's context on ``connection``."""
        return MigrationContext.configure(connection, opts=self._options(options))

    def offline(self, dialect: Dialect, output: StringIO, **options: Any) -> MigrationContext:
        """Return Alembic's context that writes SQL for ``dialect`` in place of running it."""
        given = {"as_sql": True, "output_buffer": output, **options}
        return MigrationContext.configure(dialect=dialect, opts=self._options(given))

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        return {
            "target_metadata": list(self.metadata),
            "version_table": self.version_table,
            **options,
        }
