"""The repository: every question about the rows of a model, and every change of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from andamios_orm import bulk
from andamios_orm.bulk.loading import BATCH
from andamios_orm.core.changes import ChangeFeed
from andamios_orm.exceptions import ConfigurationError, QueryRefused
from andamios_orm.repositories.deleting import Deleter
from andamios_orm.repositories.events import operation
from andamios_orm.repositories.keys import key_of, plain_key

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Sequence

    from andamios_orm.bulk import Created, LoadReport, Upserted
    from andamios_orm.core.versions import RowVersion
    from andamios_orm.repositories.keys import Key

__all__ = ["BaseRepository"]

ModelT = TypeVar("ModelT")


class BaseRepository(Deleter[ModelT]):
    """The rows of one model: ``BaseRepository(session, Project)``, or a class with ``model``.

    On a session it flushes and never commits: whoever opened the session does. On a
    ``Database`` each call is a transaction of its own, run again after a conflict, and
    single creates of concurrent tasks share a commit.

    ::

        class ProjectRepository(BaseRepository[Project]):
            model = Project


        async with database.transaction() as session, ProjectRepository(session) as projects:
            project = await projects.create({"name": "Andamios"})
    """

    # ---- thousands of rows: no hooks, one record of the batch ----------------------

    @operation(writes=True)
    async def bulk_create(self, rows: Any, *, schema: type[Any] | None = None) -> Created[ModelT]:
        """Return many new rows, given as dicts, models or columns, as a lazy sequence.

        Raises:
            BulkRefused: some rows are wrong; nothing was written, every one is named.
        """
        return await bulk.bulk_create(self.session, self.model, rows, schema=schema)

    @operation(writes=True)
    async def bulk_update(self, rows: Any, *, schema: type[Any] | None = None) -> int:
        """Return how many rows were changed; each of ``rows`` has its key and new values.

        Raises:
            BulkRefused: some rows are wrong; nothing was written, every one is named.
            NotFound: keys have no row; the error has them all.
            StaleVersion: rows have other versions than were given.
        """
        self._refuse_scope()
        return await bulk.bulk_update(self.session, self.model, rows, schema=schema)

    @operation(writes=True)
    async def bulk_upsert(
        self, rows: Any, *, match_fields: Sequence[str], schema: type[Any] | None = None
    ) -> Upserted:
        """Return how many rows were created and how many, with equal ``match_fields``, changed.

        Raises:
            BulkRefused: some rows are wrong; nothing was written, every one is named.
        """
        self._refuse_scope()
        return await bulk.bulk_upsert(
            self.session, self.model, rows, match_fields=match_fields, schema=schema
        )

    @operation(writes=True)
    async def bulk_delete(self, keys: Iterable[Key], *, purge: bool = False) -> int:
        """Return how many rows were deleted, with what they own; softly unless ``purge``.

        Raises:
            BulkRefused: something is no key of the model.
            ForeignKeyViolation: rows refer to one along a relation that does not cascade.
        """
        self._refuse_scope()
        return await bulk.bulk_delete(self.session, self.model, keys, purge=purge)

    @operation(writes=True, commits_itself=True)
    async def load(  # noqa: PLR0913 - those of bulk.load()
        self,
        source: Any,
        *,
        atomic: bool = True,
        batch_size: int = BATCH,
        schema: type[Any] | None = None,
        on_error: str = "raise",
        progress: Callable[[LoadReport], Any] | None = None,
        resume: str | None = None,
    ) -> LoadReport:
        """Return what was created out of rows, columns or a file, read a batch at a time.

        See ``andamios_orm.bulk.load``: without ``atomic`` each batch is committed, which
        takes a repository on a database.

        Raises:
            BulkRefused: some rows are wrong; the error names them.
        """
        into = self._database if self._database is not None else self.session
        return await bulk.load(
            into,
            self.model,
            source,
            atomic=atomic,
            batch_size=batch_size,
            schema=schema,
            on_error=on_error,
            progress=progress,
            resume=resume,
        )

    def _refuse_scope(self) -> None:
        if self.scope():
            raise QueryRefused(
                f"{type(self).__name__} has a scope, which bulk changes cannot keep to: use "
                f"update_many(), upsert_many() or delete_many()"
            )

    # ---- the past -------------------------------------------------------------------

    @operation(commits_itself=True)
    async def history(self, key: Key, *, since: dt.datetime | None = None) -> list[RowVersion]:
        """Return the committed versions of a row, the oldest first, each with before and after.

        Raises:
            HistoryExpired: older ones were removed; ``since=`` asks for what is kept.
            ConfigurationError: the model keeps no history.
        """
        parts = key_of(self.fields, key)
        return await self._feed().history(self.model, plain_key(parts), since=since)

    @operation(commits_itself=True)
    async def as_of(self, key: Key, time: dt.datetime) -> dict[str, Any] | None:
        """Return a row as it was at ``time``, by attribute, or None if it did not exist.

        Raises:
            HistoryExpired: that is longer ago than history is kept, or it was erased.
            ConfigurationError: the model keeps no history.
        """
        parts = key_of(self.fields, key)
        return await self._feed().as_of(self.model, plain_key(parts), time)

    def _feed(self) -> ChangeFeed:
        engine = self._database.engine if self._database is not None else self.session.bind
        if not isinstance(engine, AsyncEngine):
            raise ConfigurationError(
                "the past of a row is read through an engine: bind the session to one"
            )
        return ChangeFeed(engine, self.mapper.local_table.metadata)  # type: ignore[attr-defined]  # a table has one
