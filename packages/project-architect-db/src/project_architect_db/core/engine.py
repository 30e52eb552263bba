"""The database of a project architect: opened, brought up to date, asked, closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from andamios_orm.core import Database
from andamios_orm.core.reading import raw_text, read
from project_architect_db.migration.manager import MigrationManager

if TYPE_CHECKING:
    from collections.abc import Mapping

    from andamios_orm.core import Session, Settings

__all__ = ["DEFAULT_URL", "DatabaseEngine"]

DEFAULT_URL = "duckdb:///project_architect.duckdb"
"""The database of whoever names none."""


class DatabaseEngine(Database):
    """A database with the tables of this package, on DuckDB or PostgreSQL.

    ::

        engine = DatabaseEngine("duckdb:///project_architect.duckdb")
        await engine.initialize()
        async with engine.transaction() as session:
            ...
        await engine.close()

    Nothing is opened before ``initialize()`` or the first statement. ``options`` are those
    of ``andamios_orm.Database``.
    """

    def __init__(
        self,
        database_url: str = DEFAULT_URL,
        *,
        settings: Settings | None = None,
        **options: Any,
    ) -> None:
        """Describe a database by its URL.

        Raises:
            ConfigurationError: an option that makes no sense.
        """
        super().__init__(database_url, settings=settings, **options)

    @property
    def migrations(self) -> MigrationManager:
        """The migrations of this package, for this database."""
        return MigrationManager(self)

    async def initialize(self) -> None:
        """Open the database and bring its tables up to date; a new one gets them.

        Raises:
            MigrationFailed: a revision raised; the database is at the one before it.
        """
        await self.migrations.upgrade()

    async def get_session(self) -> Session:
        """Return a session of the caller's, who commits and closes it."""
        return self._open()

    async def execute_raw(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, read_only: bool = False
    ) -> list[dict[str, Any]]:
        """Return the rows of one statement, which is committed; ``:name`` is a parameter.

        Raises:
            StatementRefused: it is none that DuckDB is allowed to run, or it would write
                where one may only read.
        """
        if read_only:
            names, rows = await read(self, sql, parameters)
            return [dict(zip(names, row, strict=True)) for row in rows]
        async with self.engine.begin() as connection:
            result = await connection.execute(raw_text(sql, parameters), parameters)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []
