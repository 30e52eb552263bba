"""Rows of files, stored: NDJSON, JSON, CSV, Parquet and Arrow become the rows of an entity.

A file is imported as a whole or not at all. Its rows are checked by the schemas that
callers of the repositories use, and all that is wrong with them is said at once.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from andamios_orm.bulk.create import create_batch, create_prepared, prepare
from andamios_orm.bulk.target import target_of
from andamios_orm.bulk.work import dialect_of, read_rows
from andamios_orm.exceptions import BulkRefused, ConfigurationError
from andamios_orm.models import acting_as
from project_architect_db.importers.entities import Naming, entity_of
from project_architect_db.importers.errors import RowError, RowsRefused
from project_architect_db.importers.opening import RowsFile
from project_architect_db.importers.references import References, project_id_of
from project_architect_db.models.conversation import ConversationMessage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from sqlalchemy.engine import Dialect

    from andamios_orm.bulk.fill import Filled
    from andamios_orm.bulk.rows import Batch
    from andamios_orm.core import Database
    from project_architect_db.importers.entities import Entity
    from project_architect_db.importers.opening import Piece, Source
    from project_architect_db.schemas.conversation import MessageCreate

__all__ = ["FilesReport", "import_files"]

Place: TypeAlias = "tuple[int | None, int | None]"
"""The number of a row, and its line."""
_EVERY: Final[Place] = (None, None)
_MOST_ERRORS: Final = 100
"""Errors that are kept; of the others there is the count."""


@dataclass(slots=True)
class FilesReport:
    """What was created out of a file, or with ``is_dry_run`` would be.

    ``left_out`` has the columns that were not taken over, and why. ``share`` is how much of
    the file was read, from 0 to 1; None of a stream, whose end nobody knows.
    """

    source: str
    entity: str
    format: str
    is_dry_run: bool = False
    rows: int = 0
    created: int = 0
    messages: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    share: float | None = None


async def import_files(  # noqa: PLR0913 - each is a choice of its own
    into: Database | AsyncSession,
    source: Source,
    entity: str,
    *,
    mapping: Mapping[str, str | None] | None = None,
    dry_run: bool = False,
    atomic: bool = True,
    format: str | None = None,  # noqa: A002 - as users say it
    encoding: str | None = None,
    project: int | str | None = None,
    viewer: str | None = None,
    on_progress: Callable[[FilesReport], None] | None = None,
) -> FilesReport:
    """Return what was created of an entity out of a file, or a stream of bytes.

    ``entity`` is project, conversation (with messages), document, repository, build or
    deployment. Rows name what they belong to by id or by name (``project``,
    ``repository``); ``project`` is that of rows that do not. ``mapping`` says which field
    a column is, ``{"Title": "name"}``, and with None which is left out. A ``viewer`` adds
    to projects that they see. With ``dry_run`` everything is read and checked, and nothing
    written.

    On a database it is one transaction; without ``atomic`` some thousand rows at a time
    are, in bounded memory. On a session it is that of the caller, who rolls back if this
    raises.

    Raises:
        SourceRefused: the file or its rows are refused; the subclass and the message say why.
        NotFound: there is no such project.
        ConfigurationError: there is no such entity, or the choices contradict each other.
        MissingExtra: the format takes pyarrow, which is not installed.
    """
    kind = entity_of(entity)
    if project is not None and kind.within is None:
        raise ConfigurationError("project= is for what belongs to a project, not for projects")
    if not atomic and isinstance(into, AsyncSession):
        raise ConfigurationError(
            "atomic=False commits, which a session's owner does: pass the database"
        )
    opened = partial(RowsFile, source, kind, format=format, encoding=encoding)
    with await asyncio.to_thread(opened) as file:
        naming = Naming(file.name, kind, mapping)
        if file.header is not None:
            naming.check_header(file.header)
        report = FilesReport(file.name, entity, file.format, dry_run, left_out=naming.left_out)
        async with _session(into, is_read_only=True) as session:
            key = None if project is None else await project_id_of(session, project, viewer)
        work = _Importing(kind, naming, report, References(viewer, key), viewer)
        if atomic or dry_run:
            async with _session(into, is_read_only=dry_run) as session:
                async for piece in file.pieces():
                    await work.piece(session, piece)
                    work.tell(file, on_progress)
                work.finish()
            return report
        async for piece in file.pieces():
            async with _session(into) as session:
                await work.piece(session, piece)
            work.tell(file, on_progress)
        work.finish(is_stored=True)
    return report


@asynccontextmanager
async def _session(
    into: Database | AsyncSession, *, is_read_only: bool = False
) -> AsyncIterator[AsyncSession]:
    """Yield the session that is given, or one of a transaction of its own."""
    if isinstance(into, AsyncSession):
        yield into
        return
    async with into.session() if is_read_only else into.transaction() as session:
        yield session


class _Checked(NamedTuple):
    """Rows that may be stored: as they are, with their defaults, as they are sent."""

    batch: Batch
    filled: Filled
    sent: dict[str, Sequence[Any]]
    talks: Sequence[Sequence[MessageCreate]]
    """The messages of each, if they are conversations."""


class _Importing:
    """One import of a file."""

    def __init__(
        self,
        entity: Entity,
        naming: Naming,
        report: FilesReport,
        references: References,
        viewer: str | None,
    ) -> None:
        self._entity = entity
        self._naming = naming
        self._report = report
        self._references = references
        self._viewer = viewer
        self._errors: list[RowError] = []
        self._in_all: set[str] = set()
        self._count = 0
        self._stored = 0

    def tell(self, file: RowsFile, on_progress: Callable[[FilesReport], None] | None) -> None:
        """Say how far it is."""
        self._report.share = file.share()
        if on_progress is not None:
            on_progress(self._report)

    def finish(self, *, is_stored: bool = False) -> None:
        """Raise if rows were wrong, or a column that is mapped was not there."""
        if self._count:
            self._errors.sort(key=lambda error: error.row or 0)
            left = f"the first {self._stored} rows are stored" if is_stored else ""
            raise RowsRefused(self._report.source, self._errors, self._count, left)
        if self._report.rows:
            self._naming.check_seen()

    async def piece(self, session: AsyncSession, piece: Piece) -> None:
        """Check some rows, and store them if nothing is wrong so far."""
        rows, places = self._fields(piece)
        if self._entity.within is not None:
            rows, places = await self._placed(session, rows, places)
        owner = nullcontext() if self._viewer is None else acting_as(self._viewer)
        with owner:
            checked = self._checked(dialect_of(session), rows, places)
        if checked.batch.count and not self._count and not self._report.is_dry_run:
            await self._store(session, checked)
            self._stored += checked.batch.count
        self._report.rows += len(piece.rows)
        self._report.created += checked.batch.count
        self._report.messages += sum(map(len, checked.talks))

    async def _placed(
        self, session: AsyncSession, rows: list[dict[str, Any]], places: list[Place]
    ) -> tuple[list[dict[str, Any]], list[Place]]:
        """Return the rows whose project, or repository, is there."""
        look_up = self._references.projects
        if self._entity.within == "repository":
            look_up = self._references.repositories
        wrong = await look_up(session, rows)
        for place, error in zip(places, wrong, strict=True):
            if error is not None:
                self._refuse(place, *error)
        good = [at for at, error in enumerate(wrong) if error is None]
        return [rows[at] for at in good], [places[at] for at in good]

    async def _store(self, session: AsyncSession, checked: _Checked) -> None:
        """Write checked rows, and the messages of conversations."""
        created = await create_prepared(session, self._entity.target, *checked[:3])
        messages = [
            {"conversation_id": key, **message.model_dump(exclude_none=True)}
            for key, talk in zip(created.ids, checked.talks, strict=False)
            for message in talk
        ]
        target = target_of(ConversationMessage)
        await create_batch(session, target, read_rows(messages, target, None))

    def _fields(self, piece: Piece) -> tuple[list[dict[str, Any]], list[Place]]:
        """Return the rows by field that can be told, and where they are."""
        rows: list[dict[str, Any]] = []
        places: list[Place] = []
        for place, found in zip(piece.places, piece.rows, strict=True):
            if isinstance(found, str):
                self._refuse(place, "", found)
                continue
            row, wrong = self._naming.named(found)
            problem = self._entity.problem(row, self._viewer)
            for name, reason in [*wrong, *filter(None, [problem])]:
                self._refuse(place, name, reason, found.get(name))
            if not wrong and problem is None:
                rows.append(row)
                places.append(place)
        return rows, places

    def _checked(
        self, dialect: Dialect, rows: list[dict[str, Any]], places: list[Place]
    ) -> _Checked:
        """Return the rows that their schema and their columns let in."""
        while True:
            try:
                batch = self._entity.batch(rows)
                talks = batch.columns.pop("messages", ())
                return _Checked(batch, *prepare(self._entity.target, batch, dialect), talks)
            except BulkRefused as refused:
                bad = self._note(refused, places)
                rows = [row for at, row in enumerate(rows) if at not in bad]
                places = [place for at, place in enumerate(places) if at not in bad]

    def _note(self, refused: BulkRefused, places: Sequence[Place]) -> set[int]:
        """Keep what is wrong; return the rows that it is about."""
        bad: set[int] = set()
        for error in refused.errors:
            bad.update(range(len(places)) if error.row is None else {error.row})
            place = _EVERY if error.row is None else places[error.row]
            if place is not _EVERY or error.field not in self._in_all:
                self._refuse(place, error.field, error.message, error.value)
            if place is _EVERY:
                self._in_all.add(error.field)
        return bad

    def _refuse(self, place: Place, name: str, reason: str, value: object = None) -> None:
        self._count += 1
        if len(self._errors) < _MOST_ERRORS:
            self._errors.append(RowError(*place, name, reason, value))
