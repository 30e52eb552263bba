"""The migrations of one database: revisions up and down, each in a transaction of its own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sqlalchemy import MetaData, text

from andamios_orm.dialect.files import first_free
from andamios_orm.exceptions import CommitOutcomeUnknown, DatabaseFault
from andamios_orm.maintenance import backup
from andamios_orm.migration import comparing, running, turns, writing
from andamios_orm.migration.destroying import destroys
from andamios_orm.migration.revisions import Folder
from andamios_orm.migration.target import Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from andamios_orm.core import Database
    from andamios_orm.migration.batches import Batches
    from andamios_orm.migration.comparing import Difference
    from andamios_orm.migration.revisions import Revision, Scripts
    from andamios_orm.migration.running import Plan, Step

__all__ = ["MigrationManager"]

T = TypeVar("T")


class MigrationManager:
    """The migrations in a folder, and the database that they are for.

    Every revision is one transaction, together with the row that says where the database
    is: a process that is killed leaves the revision before it or the revision itself.
    Several that migrate at once take turns, and none runs a revision again.
    """

    def __init__(  # noqa: PLR0913 - two of what is migrated, the others have defaults
        self,
        database: Database,
        metadata: MetaData | type[Any] | Iterable[MetaData | type[Any]],
        folder: str | Path = "migrations",
        *,
        version_table: str = "alembic_version",
        others: Literal["drop", "leave"] = "drop",
        backup: Literal["destructive", "always", "never"] = "destructive",
        patience: float = 60.0,
        progress: Callable[[Step], None] | None = None,
    ) -> None:
        """Migrate ``database`` to what ``metadata`` says, by the revisions in ``folder``.

        ``metadata`` may be the base of the models, or several. ``others`` says what becomes of
        tables that no model knows: to drop them is a difference like any other, or they are
        left to whoever made them, such as another package. ``backup`` says before which
        revisions a DuckDB file is copied: by default before those that drop tables or columns
        or delete rows; the copy lies beside it. ``patience`` is how many seconds to wait for
        another process that migrates. ``progress`` is called after each revision, and each
        batch of a data migration.
        """
        self.database = database
        self.folder = Folder(Path(folder))
        self.target = Target(_metadata(metadata), version_table, others == "leave")
        self.backup = backup
        self.patience = patience
        self.progress = progress or _say_nothing

    # ---- the folder ----------------------------------------------------------------------

    def init(self) -> Path:
        """Return the folder, made and without a revision yet.

        Raises:
            MigrationRefused: there is something at its place.
        """
        return self.folder.create()

    def history(self) -> tuple[Revision, ...]:
        """Return all revisions, in the order in which they are applied."""
        return self.folder.scripts().all()

    def heads(self) -> tuple[Revision, ...]:
        """Return the newest revisions: one, unless there are branches."""
        return self.folder.scripts().heads()

    async def revision(self, message: str, *, empty: bool = False) -> Revision | None:
        """Return a new revision that brings the database to the models.

        It is None, and nothing is written, if nothing differs. An ``empty`` one has no
        operations: they are yours to write.

        Raises:
            RevisionsPending: the database is not at the newest revision.
            RevisionUnknown: it is at one that the folder does not have.
        """
        scripts = self.folder.scripts()
        if empty:
            return writing.write(scripts, message)
        write = partial(writing.write_differences, self.target, scripts, message)
        return await self._look(write)

    # ---- where the database is -----------------------------------------------------------

    async def current(self) -> tuple[Revision, ...]:
        """Return the revisions that the database is at; none if it was never migrated.

        Raises:
            RevisionUnknown: it is at a revision that the folder does not have.
        """
        scripts = self.folder.scripts()
        return tuple(scripts.find(each) for each in await self._heads())

    async def pending(self) -> tuple[Revision, ...]:
        """Return the revisions that ``upgrade()`` would run."""
        scripts = self.folder.scripts()
        steps = scripts.upgrade("heads", await self._heads())
        return tuple(scripts.find(step.revision.revision) for step in steps)  # type: ignore[attr-defined, unused-ignore]  # an upgrade is no stamp

    async def check(self) -> tuple[Difference, ...]:
        """Return the differences between the models and the database: none, if all is well."""
        return await self._look(partial(comparing.differences, self.target))

    async def stamp(self, target: str = "head") -> tuple[Revision, ...]:
        """Say that the database is at ``target`` without running anything; return where it is.

        Raises:
            RevisionUnknown: there is no such revision.
        """
        scripts = self.folder.scripts()
        async with self._turn() as connection:
            await connection.run_sync(running.stamp, self.target, scripts, target)
            await connection.commit()
        return await self.current()

    # ---- up and down ---------------------------------------------------------------------

    async def upgrade(self, target: str = "head") -> tuple[Revision, ...]:
        """Run the revisions up to ``target``, and return them.

        Raises:
            MigrationFailed: a revision raised; the database is at the one before it.
            MigrationLocked: another process migrates.
            RevisionUnknown: there is no such revision.
        """
        scripts = self.folder.scripts()
        return await self._run(scripts, scripts.above(await self._heads(), target))

    async def downgrade(self, target: str = "-1") -> tuple[Revision, ...]:
        """Undo the revisions behind ``target`` (``-1``: the newest one), and return them.

        Raises:
            MigrationFailed: a revision raised; the database is at the one it had reached.
            MigrationLocked: another process migrates.
            RevisionUnknown: there is no such revision.
        """
        scripts = self.folder.scripts()
        return await self._run(scripts, scripts.below(await self._heads(), target))

    async def dry_run(self, target: str = "head", *, down: bool = False) -> tuple[Step, ...]:
        """Return the steps to ``target`` with the SQL that they send: run, and rolled back.

        Rows that a data migration changes in batches are left as they are.
        """
        scripts = self.folder.scripts()
        plan = (scripts.below if down else scripts.above)(await self._heads(), target)
        steps: list[Step] = []
        async with self._turn() as connection:
            while step := await connection.run_sync(running.run_step, self.target, scripts, plan):
                steps.append(step)
        return tuple(steps)

    async def sql(self, target: str = "head", *, start: str = "base") -> str:
        """Return the SQL of the revisions from ``start`` to ``target``, without a database.

        Raises:
            MigrationFailed: a revision has to look at the database.
        """
        output = StringIO()
        dialect = self.database.engine.dialect
        async with turns.alone():
            way = (start, target)
            running.print_steps(self.target, dialect, output, self.folder.scripts(), way)
        return output.getvalue()

    # ---- transactions ----------------------------------------------------------------------

    async def _heads(self) -> tuple[str, ...]:
        async with self.database.engine.connect() as connection:
            return await connection.run_sync(running.current, self.target)

    async def _look(self, work: Callable[[Connection], T]) -> T:
        """Return what ``work`` finds on a connection; what it changes is rolled back."""
        async with self.database.engine.connect() as connection:
            try:
                return await connection.run_sync(work)
            finally:
                await connection.rollback()

    async def _run(self, scripts: Scripts, plan: Plan) -> tuple[Revision, ...]:
        done: list[Revision] = []
        while True:
            step = await self._step(scripts, plan)
            if step is None:
                return tuple(done)
            done.append(step.revision)
            await self._write_back()
            self.progress(step)

    async def _step(self, scripts: Scripts, plan: Plan) -> Step | None:
        """Run the next revision of ``plan``: its batches, if it has some, and what remains."""
        async with self.database.engine.connect() as connection:
            found = await connection.run_sync(running.next_step, self.target, scripts, plan)
        if found is not None:
            step, batches = found
            await self._copy_before(scripts, step)
            if batches is not None:
                await self._run_batches(step, batches)
        async with self._turn() as connection:
            done = await connection.run_sync(running.run_step, self.target, scripts, plan)
            if done is not None:
                await _commit(connection, done)
        return done

    async def _copy_before(self, scripts: Scripts, step: Step) -> None:
        """Back the database up, if that was asked for, or this revision takes data away."""
        path = self._file
        if self.backup == "never" or path is None:
            return
        module = scripts.module(step.revision.id)
        if self.backup == "always" or destroys(module, step.direction):
            name = f"{path.stem}.before-{step.direction}-{step.revision.id}{path.suffix}"
            await backup(self.database, first_free(path.with_name(name)))

    async def _run_batches(self, step: Step, batches: Batches) -> None:
        while True:
            async with self._turn() as connection:
                step = await connection.run_sync(running.run_batch, self.target, step, batches)
                await _commit(connection, step)
            if step.finished:
                return
            self.progress(step)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction in which nobody else migrates."""
        engine = self.database.engine
        if self._on_postgresql:  # a turn has to see what the one before it has done
            engine = engine.execution_options(isolation_level="READ COMMITTED")
        async with engine.connect() as connection, turns.alone():
            await turns.lock(connection, self.patience)
            yield connection

    async def _write_back(self) -> None:
        """Write DuckDB's log into the file: a log with altered tables may not be replayed."""
        if not self._on_postgresql:
            async with self.database.engine.connect() as connection:
                await connection.execute(text("CHECKPOINT"))

    @property
    def _file(self) -> Path | None:
        """The file that would be copied; None if there is none."""
        name = self.database.engine.url.database
        if self._on_postgresql or not name or name.startswith(":memory:"):
            return None
        return Path(name)

    @property
    def _on_postgresql(self) -> bool:
        return self.database.engine.dialect.name == "postgresql"


async def _commit(connection: AsyncConnection, step: Step) -> None:
    try:
        await connection.commit()
    except CommitOutcomeUnknown:
        raise
    except DatabaseFault as error:
        raise running.failed(step, error) from error


def _metadata(given: Any) -> tuple[MetaData, ...]:
    """Return the metadata of what was given: metadata, bases of models, or several of them."""
    if isinstance(given, MetaData):
        return (given,)
    if isinstance(given, type):
        return (given.metadata,)  # type: ignore[attr-defined]  # a base of models has it
    return tuple(found for each in given for found in _metadata(each))


def _say_nothing(_step: Step) -> None:
    """Do nothing: nobody asked for progress."""
