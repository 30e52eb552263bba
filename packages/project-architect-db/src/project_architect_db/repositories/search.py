"""The search over projects, conversations, documents and repositories."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from andamios_orm.core import SessionManager
from andamios_orm.exceptions import ConfigurationError, ValueRefused
from project_architect_db.models import DocumentType
from project_architect_db.repositories.base import visible_projects
from project_architect_db.schemas.search import (
    SearchKind,
    SearchResults,
    SearchStatus,
    Suggestion,
)
from project_architect_db.search import (
    Backend,
    DuckDBBackend,
    Filters,
    Following,
    PostgreSQLBackend,
    Vocabulary,
    find,
    suggest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

__all__ = ["SearchRepository"]

_DEEPEST: Final = 1_000
_WITHOUT_TRIGRAMS: Final = (
    "words have to be typed as they are: let the owner of the database run CREATE EXTENSION "
    "pg_trgm, and typos are tolerated from then on"
)


class SearchRepository:
    """The search of one database, for everybody or for a viewer.

    For a viewer the rows of other projects do not exist: they are not found, not counted,
    and no word of theirs is suggested. ``SearchRepository(database, viewer="ana")``.
    """

    def __init__(self, source: AsyncSession | SessionManager, *, viewer: str | None = None) -> None:
        """Search the database ``source``, or that of a session.

        Raises:
            ConfigurationError: ``source`` is neither, or a session without an engine.
        """
        self._session = source if isinstance(source, AsyncSession) else None
        engine: Any = source.engine if isinstance(source, SessionManager) else None
        if self._session is not None:
            engine = self._session.bind
        if not isinstance(engine, AsyncEngine):
            raise ConfigurationError(
                "SearchRepository() takes a database, or a session that is bound to an engine"
            )
        self._engine = engine
        self.viewer = viewer

    async def __aenter__(self) -> Self:
        """Return the repository; there is nothing to close."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave everything as it is."""

    async def search(  # noqa: PLR0913 - the filters that there are
        self,
        text: str,
        *,
        kinds: Iterable[SearchKind | str] | None = None,
        project_id: int | None = None,
        doc_type: DocumentType | str | None = None,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> SearchResults:
        """Return what has all words of ``text``, the best first, with pieces of the texts.

        ``"in quotes"`` is a phrase, ``proj*`` a beginning, ``-draft`` is not wanted; no text
        is a mistake. ``since`` and ``until`` (which is no longer included) are about the
        last change. With fewer than 3 hits, words that differ in a letter or two are looked
        for as well. On DuckDB all that is committed is seen, also by a session that has
        changed more; on PostgreSQL what the session sees.

        Raises:
            ValueRefused: a filter that there is not; the error names those there are.
            MissingExtra: the database is a DuckDB, and tantivy is not installed.
            SearchUnavailable: the folder of the index cannot be written.
        """
        self._check(text, limit, offset)
        filters = Filters(
            kinds=_kinds(kinds),
            project_id=_key(project_id),
            doc_type=_doc_type(doc_type),
            since=_moment(since, "since"),
            until=_moment(until, "until"),
            visible=None if self.viewer is None else visible_projects(self.viewer),
        )
        return await find(await self._backend(filters), text, limit, offset)

    async def suggest(self, prefix: str, limit: int = 8) -> list[Suggestion]:
        """Return titles with the words of ``prefix``, of which the last may go on.

        Raises:
            ValueRefused: ``prefix`` is no text, or ``limit`` no number from 1 to 1,000.
        """
        self._check(prefix, limit, 0)
        visible = None if self.viewer is None else visible_projects(self.viewer)
        return await suggest(await self._backend(Filters(visible=visible)), prefix, limit)

    # ---- the index -------------------------------------------------------------------

    async def catch_up(self) -> int:
        """Return how many entries were brought up to date; a search does it by itself.

        Raises:
            SearchUnavailable: the folder of the index cannot be written.
        """
        if self._is_postgresql:
            return await Vocabulary(self._engine).catch_up()
        following = await Following.of(self._engine)
        return await following.catch_up(self._engine)

    async def rebuild(self) -> int:
        """Return how many entries there are, all of them made anew from the tables.

        It is needed after writes that the change feed does not know: raw SQL, Core
        statements on tables, other programs.

        Raises:
            SearchUnavailable: the folder of the index cannot be written.
        """
        if self._is_postgresql:
            return await Vocabulary(self._engine).rebuild()
        following = await Following.of(self._engine)
        return await following.rebuild(self._engine)

    async def status(self) -> SearchStatus:
        """Return what the search works on, and whether it is up to date."""
        if self._is_postgresql:
            return await self._status_on_postgresql()
        following = await Following.of(self._engine)
        behind = await following.behind(self._engine)
        index = following.index
        return SearchStatus(
            system="duckdb",
            tolerates_typos=True,
            entries=index.count,
            position=0 if index.state is None else index.state.position,
            behind=behind,
            folder=None if index.folder is None else str(index.folder),
        )

    async def _status_on_postgresql(self) -> SearchStatus:
        vocabulary = Vocabulary(self._engine)
        tolerates = await vocabulary.tolerates_typos()
        return SearchStatus(
            system="postgresql",
            tolerates_typos=tolerates,
            entries=None,
            position=await vocabulary.position() or 0,
            behind=await vocabulary.behind(),
            note=None if tolerates else _WITHOUT_TRIGRAMS,
        )

    @property
    def _is_postgresql(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    async def _backend(self, filters: Filters) -> Backend:
        if self._is_postgresql:
            source = self._engine if self._session is None else self._session
            return PostgreSQLBackend(source, Vocabulary(self._engine), filters)
        backend = DuckDBBackend(self._engine, await Following.of(self._engine), filters)
        await backend.begin()
        return backend

    def _check(self, text: object, limit: int, offset: int) -> None:
        if not isinstance(text, str):
            raise ValueRefused("pass a text", text)
        if not _is_number(limit) or not 1 <= limit <= _DEEPEST:
            raise ValueRefused(f"pass a number from 1 to {_DEEPEST:,}", limit, "limit")
        if not _is_number(offset) or not 0 <= offset <= _DEEPEST - limit:
            raise ValueRefused(
                f"nobody reads further than {_DEEPEST:,} hits: ask for something narrower",
                offset,
                "offset",
            )


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _kinds(kinds: Iterable[SearchKind | str] | None) -> frozenset[SearchKind] | None:
    if kinds is None:
        return None
    given = [kinds] if isinstance(kinds, str) else list(kinds)
    for kind in given:
        if kind not in list(SearchKind):
            raise ValueRefused(f"known are {', '.join(SearchKind)}", kind, "kinds")
    return frozenset(SearchKind(kind) for kind in given)


def _doc_type(doc_type: DocumentType | str | None) -> str | None:
    if doc_type is not None and doc_type not in list(DocumentType):
        raise ValueRefused(f"known are {', '.join(DocumentType)}", doc_type, "doc_type")
    return None if doc_type is None else DocumentType(doc_type).value


def _key(project_id: object) -> int | None:
    if project_id is not None and not _is_number(project_id):
        raise ValueRefused("pass the number of a project", project_id, "project_id")
    return project_id  # type: ignore[return-value]  # it is a number, or None


def _moment(moment: object, name: str) -> dt.datetime | None:
    if moment is None or (isinstance(moment, dt.datetime) and moment.utcoffset() is not None):
        return moment
    raise ValueRefused("pass a datetime with a time zone", moment, name)
