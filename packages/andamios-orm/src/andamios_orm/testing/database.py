"""A database of one worker, for tests that manage it by hand."""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import MetaData

from andamios_orm.core import Database
from andamios_orm.exceptions import ConfigurationError
from andamios_orm.testing.databases import PREFIX, duckdb_file_url, remove_duckdb_file
from andamios_orm.testing.parallel import MAIN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType
    from typing import Self

    from andamios_orm.core import Session

__all__ = ["TestDatabaseManager"]


class TestDatabaseManager:
    """A DuckDB file of one worker, from ``setup()`` to ``teardown()``; or a block of its own.

    The fixtures do the same without being asked; this is for scripts, and for unittest.
    """

    __test__ = False

    def __init__(self, worker_id: str = MAIN, *, metadata: MetaData | None = None) -> None:
        """Describe the file of ``worker_id``, with the tables of ``metadata``."""
        self.worker_id = worker_id
        self._metadata = metadata if metadata is not None else MetaData()
        self._folder = Path(tempfile.gettempdir()) / f"{PREFIX}_{worker_id}_{uuid4().hex[:12]}"
        self._database: Database | None = None

    @property
    def db_path(self) -> Path:
        """Where the file is, or will be."""
        return self._folder / f"{self.worker_id}.duckdb"

    @property
    def database(self) -> Database:
        """The database.

        Raises:
            ConfigurationError: it is not set up.
        """
        if self._database is None:
            raise ConfigurationError("the test database is not there: await setup() first")
        return self._database

    async def setup(self) -> Database:
        """Return the database, made anew, with its tables and without rows."""
        await self.teardown()
        self._folder.mkdir(exist_ok=True)
        self._database = Database(duckdb_file_url(self.db_path))
        async with self._database.engine.begin() as connection:
            await connection.run_sync(self._metadata.create_all)
        return self._database

    async def teardown(self) -> None:
        """Close the database and remove its file; without one, nothing happens."""
        if self._database is not None:
            database, self._database = self._database, None
            await database.close(grace=0)
        remove_duckdb_file(self.db_path)
        if self._folder.exists():
            self._folder.rmdir()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Yield a session; what is not committed inside is rolled back.

        Raises:
            ConfigurationError: the database is not set up.
        """
        async with self.database.session() as session:
            yield session

    async def __aenter__(self) -> Self:
        await self.setup()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.teardown()
