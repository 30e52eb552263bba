"""Sample data by statements that make many rows each: a portfolio that one could believe.

The same arguments make the same rows, on DuckDB and PostgreSQL, apart from keys: those go on
behind the ones that are there. Nothing is read from the clock but ``until`` if it is not said.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Text, func, insert, select, text

from andamios_orm.bulk.generated import take_range
from andamios_orm.bulk.stage import Given, run, staged
from andamios_orm.core import record_batch
from andamios_orm.core.ledger import Ledger, watch
from andamios_orm.exceptions import ValueRefused
from andamios_orm.maintenance.progress import say_nothing
from andamios_orm.models.clock import now
from project_architect_db import models
from project_architect_db.seeding import (
    conversations,
    documents,
    projects,
    repositories,
    words,
)
from project_architect_db.seeding.chance import Chance, working_seconds
from project_architect_db.seeding.history import ProjectHistory
from project_architect_db.seeding.opening import opened
from project_architect_db.seeding.plan import Plan, Span
from project_architect_db.seeding.shapes import BLOCK, CHILDREN, count_of, slots_of
from project_architect_db.seeding.sums import sums

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

    from andamios_orm.bulk.stage import Staged
    from andamios_orm.core import Database

__all__ = ["MOST", "SeedReport", "planned_rows", "seed"]

MOST: Final = 10_000_000
"""Projects that can be asked for at once."""
_AT_ONCE: Final = BLOCK * 2 * 2_000
"""Projects of one transaction: whole blocks, also of what is half as many."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sown:
    """A table that is seeded: by which columns, and as children of what."""

    model: type[Any]
    columns: Callable[[Plan, Span], Mapping[str, Any]]
    parent: str | None = None
    kind: str = ""

    @property
    def name(self) -> str:
        """The name of the table."""
        return str(self.model.__table__.name)


_PHASES: Final = _Sown(models.ConversationPhase, conversations.phase_rows)
_SOWN: Final = (
    _Sown(models.Project, projects.project_rows),
    _Sown(models.ProjectMember, projects.member_rows, "projects", "members"),
    _Sown(models.Conversation, conversations.conversation_rows, "projects", "conversations"),
    _Sown(models.ConversationMessage, conversations.message_rows, "conversations", "messages"),
    _PHASES,
    _Sown(models.Document, documents.document_rows, "projects", "documents"),
    _Sown(models.DocumentVersion, documents.version_rows, "documents", "versions"),
    _Sown(models.DocumentAccess, documents.access_rows, "documents", "accesses"),
    _Sown(models.Repository, repositories.repository_rows, "projects", "repositories"),
    _Sown(models.Build, repositories.build_rows, "repositories", "builds"),
    _Sown(models.Deployment, repositories.deployment_rows, "repositories", "deployments"),
    _Sown(models.Contributor, repositories.contributor_rows, "repositories", "contributors"),
    _Sown(models.RepositoryActivity, repositories.activity_rows, "repositories", "activity"),
)


@dataclass(slots=True)
class SeedReport:
    """What was seeded: rows by table, and the keys of the projects."""

    project_ids: range
    until: dt.datetime
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.rows.values())


async def seed(
    source: Database | str | Path,
    *,
    projects: int = 1_000,
    seed: int = 7,
    until: dt.datetime | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SeedReport:
    """Return what was made up: projects, and all that belongs to them, marked as samples.

    Of 1,000 projects there are about 1,000 conversations, 2,000 documents and 500
    repositories, over the last two years before ``until``, which is now unless it is said.
    Each 64,000 projects are one transaction: whoever stops it keeps whole projects, and
    ``unseed()`` removes them. ``progress(done, total)`` is called with projects.

    Raises:
        ValueRefused: there cannot be so many projects, or ``until`` has no time zone.
    """
    _check(projects)
    end = now() if until is None else until
    if end.tzinfo is None:
        raise ValueRefused("a moment needs a time zone: pass tzinfo=datetime.UTC", end, "until")
    async with opened(source) as database:
        return await _Sowing(database, projects, Chance(seed), end).run(progress or say_nothing)


def planned_rows(projects: int = 1_000, *, seed: int = 7) -> dict[str, int]:
    """Return how many rows of each table ``seed`` would make, but for the phases of conversations.

    Raises:
        ValueRefused: there cannot be so many projects.
    """
    _check(projects)
    chance = Chance(seed)
    found = {"projects": projects}
    for sown in _SOWN:
        if sown.parent is not None:
            found[sown.name] = count_of(sown.kind, found[sown.parent], chance)
    return found


def _check(projects: int) -> None:
    if not 1 <= projects <= MOST:
        raise ValueRefused(f"a portfolio has 1 to {MOST:,} projects", projects, "projects")


class _Sowing:
    """One portfolio on its way into a database."""

    def __init__(self, database: Database, count: int, chance: Chance, until: dt.datetime) -> None:
        self._database = database
        self._count = count
        self._chance = chance
        self._until = until
        self._lists = _lists(chance)
        self._first: dict[str, int] = {}
        self._report = SeedReport(range(0), until)

    async def run(self, tell: Callable[[int, int], None]) -> SeedReport:
        """Seed all of it, some thousand projects in a transaction."""
        watch(self._database.engine)
        for start in range(0, self._count, _AT_ONCE):
            span = Span(start, min(start + _AT_ONCE, self._count))
            async with self._database.transaction(write=True) as session:
                await self._seed(session, span)
            tell(span.stop, self._count)
        return self._report

    async def _seed(self, session: AsyncSession, span: Span) -> None:
        """Seed some projects with all that belongs to them."""
        connection = await session.connection()
        if connection.dialect.name == "postgresql":  # to compile such statements takes seconds
            await connection.execute(text("SET LOCAL jit = off"))
        if not self._first:
            await self._take_keys(connection)
        spans, keys = {"projects": span}, {}
        async with AsyncExitStack() as stack:
            plan = await self._plan(connection, stack)
            for sown in _SOWN:
                keys[sown.name] = await self._sow(connection, plan, sown, spans)
        await self._follow(connection, keys)

    async def _sow(
        self, connection: AsyncConnection, plan: Plan, sown: _Sown, spans: dict[str, Span]
    ) -> range:
        """Write the rows of a table that belong to some projects, and return their keys."""
        if sown is _PHASES:
            own = await self._count_phases(connection, plan, spans["projects"])
        else:
            own = spans[sown.name] = self._span(sown, spans)
        first = self._first[sown.name]
        keys = range(own.start + first, own.stop + first)
        if keys:
            columns = sown.columns(plan, spans["projects"])
            rows = select(*(each.label(name) for name, each in columns.items()))
            statement = insert(sown.model.__table__).from_select(
                list(columns), rows, include_defaults=False
            )
            await run(connection, statement)
        self._report.rows[sown.name] = self._report.rows.get(sown.name, 0) + len(keys)
        return keys

    def _span(self, sown: _Sown, spans: Mapping[str, Span]) -> Span:
        """Return the numbers of the rows that are children of some others."""
        if sown.parent is None:
            return spans[sown.name]
        of = spans[sown.parent]
        start, stop = (count_of(sown.kind, at, self._chance) for at in (of.start, of.stop))
        return Span(start, stop)

    async def _count_phases(self, connection: AsyncConnection, plan: Plan, projects: Span) -> Span:
        """Return the numbers of phases, which are as many as conversations have come far."""
        self._first[_PHASES.name] = 0
        rows = select(*_PHASES.columns(plan, projects).values()).subquery()
        count = (await run(connection, select(func.count()).select_from(rows))).scalar_one()
        await self._take(connection, _PHASES, count)
        return Span(0, count)

    # ---- keys -----------------------------------------------------------------------------

    async def _take_keys(self, connection: AsyncConnection) -> None:
        """Take keys for all rows whose number is known beforehand."""
        spans = {"projects": Span(0, self._count)}
        for sown in _SOWN:
            if sown is not _PHASES:
                spans[sown.name] = self._span(sown, spans)
                await self._take(connection, sown, len(spans[sown.name]))
        first = self._first["projects"]
        self._report.project_ids = range(first, first + self._count)

    async def _take(self, connection: AsyncConnection, sown: _Sown, count: int) -> None:
        """Take keys for the rows of a table."""
        keys = await take_range(connection, sown.model.__table__.c.id, count)
        self._first[sown.name] = keys.start

    # ---- what rows are made of ----------------------------------------------------------------

    async def _plan(self, connection: AsyncConnection, stack: AsyncExitStack) -> Plan:
        """Return the plan of this portfolio, with its lists where SQL can reach them."""
        lists: dict[str, Staged] = {}
        sizes: dict[str, int] = {}
        for name, columns in self._lists.items():
            given = {each: _given(values) for each, values in columns.items()}
            stage = staged(connection, given, name=f"_seed_{name}")
            lists[name] = await stack.enter_async_context(stage)
            sizes[name] = len(next(iter(columns.values())))
        return Plan(
            self._chance,
            self._count,
            working_seconds(int(self._until.timestamp())),
            self._first,
            lists,
            sizes,
            connection.dialect.name == "postgresql",
        )

    # ---- what follows from rows -----------------------------------------------------------------

    async def _follow(self, connection: AsyncConnection, keys: Mapping[str, range]) -> None:
        """Leave what a bulk leaves: changes, history, sums."""
        for statement in sums(keys):
            await run(connection, statement)
        await connection.run_sync(_record, keys)


def _record(connection: Connection, keys: Mapping[str, range]) -> None:
    """Record a batch of each table, and the history of projects."""
    for sown in _SOWN:
        record_batch(connection, sown.model, "bulk_create", keys[sown.name])
    Ledger.of(connection).add(ProjectHistory(keys["projects"]))


def _lists(chance: Chance) -> dict[str, dict[str, Sequence[Any]]]:
    """Return all that rows choose from, by the names of their columns."""
    seed = chance.seed
    texts = ("text", "words", "size", "tokens")
    chosen: dict[str, dict[str, Sequence[Any]]] = {
        "titles": _columns(("name", "short", "client"), words.titles()),
        "people": _columns(("name", "address"), words.people()),
        "openings": _columns(texts, words.openings(seed)),
        "paragraphs": _columns(texts, words.paragraphs(seed)),
        "architectures": _columns(("document", "framework", "score"), words.architectures(seed)),
        "tongues": _columns(("main", "all"), words.tongues(seed)),
        "heads": _columns(("name", "type", "path", "text", "words", "size"), documents.heads()),
        "sections": _columns(("text", "words", "size"), documents.sections()),
    }
    for columns in chosen.values():
        columns["at"] = range(len(next(iter(columns.values()))))
    slots = {kind: slots_of(kind, seed) for kind in CHILDREN}
    names = ("shape", "slot", "parent", "place", "siblings")
    return chosen | {kind: _columns(names, map(astuple, each)) for kind, each in slots.items()}


def _columns(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, Sequence[Any]]:
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _given(values: Sequence[Any]) -> Given:
    """Return a column in the form that a stage takes: texts, or whole numbers."""
    type_ = Text() if isinstance(values[0], str) else BigInteger()
    return Given(type_, list(values), list(values))
