"""A database file for tests, with the tables of this package."""

from __future__ import annotations

from andamios_orm.testing.database import TestDatabaseManager as CoreManager
from project_architect_db.models import Base
from project_architect_db.testing.parallel import MAIN

__all__ = ["TestDatabaseManager"]


class TestDatabaseManager(CoreManager):
    """A DuckDB file of one worker, between ``await setup()`` and ``await teardown()``.

    ``db_path`` is where it is, ``session()`` yields a session on it.
    """

    __test__ = False

    def __init__(self, worker_id: str = MAIN) -> None:
        """Describe the file of ``worker_id``."""
        super().__init__(worker_id, metadata=Base.metadata)
