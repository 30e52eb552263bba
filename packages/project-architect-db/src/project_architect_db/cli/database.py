"""The commands for the database of the projects: made, and shown as it stands."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rich_click as click
from sqlalchemy import func, select

from andamios_orm.cli.running import command
from andamios_orm.maintenance.advice import readable
from project_architect_db.models import Conversation, Document, Project, Repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from andamios_orm.cli.running import Context
    from andamios_orm.core import Database

__all__ = ["COMMANDS", "State", "state_of"]

_ENTITIES: Final = (Project, Conversation, Document, Repository)
_WIDTH: Final = 24


@dataclass(frozen=True, slots=True)
class State:
    """What there is: the database, its revision, how many rows, and the next useful command.

    ``size`` is in bytes, and None where there is no database yet.
    """

    url: str
    origin: str
    size: int | None
    revision: str | None
    pending: tuple[str, ...]
    counts: dict[str, int]
    next: str


@command(examples=["init", "init --url duckdb:///plans.duckdb"])
async def init_command(context: Context) -> None:
    """Make the database and its tables; what is there already is brought up to date."""
    async with context.project.database() as database:
        done = await context.project.manager(database).upgrade()
        state = await state_of(context, database)
    context.show("status", [asdict(state)], [f"{state.url} is at revision {state.revision}"])
    if not done:
        context.say("it was there already, and nothing was pending")
    context.say(f"next: {state.next}")


@command(examples=["status", "status --json"])
async def status_command(context: Context) -> None:
    """Show what there is, and what to do next; nothing is made."""
    async with context.project.looked_at() as database:
        state = await state_of(context, database)
    context.show("status", [asdict(state)], _lines(state))


async def state_of(context: Context, database: Database) -> State:
    """Return what there is in ``database``, which is that of the project or stands for it."""
    project = context.project
    manager = project.manager(database)
    current = [each.id for each in await manager.current()]
    pending = tuple(each.id for each in await manager.pending())
    counts = {} if pending else await _counts(database)
    path = project.path
    size = await _size(database, path) if path is None or path.is_file() else None
    return State(
        url=project.settings().safe_url,
        origin=project.url.origin,
        size=size,
        revision=", ".join(current) or None,
        pending=pending,
        counts=counts,
        next=f"{context.program.name} {_next(current, pending, counts)}",
    )


async def _counts(database: Database) -> dict[str, int]:
    """Return how many rows of each entity there are that are not deleted."""
    columns = [
        select(func.count())
        .select_from(model)
        .where(model.deleted_at.is_(None))
        .scalar_subquery()
        .label(model.__tablename__)
        for model in _ENTITIES
    ]
    async with database.session() as session:
        return dict((await session.execute(select(*columns))).one()._mapping)  # noqa: SLF001 - SQLAlchemy's name for it


async def _size(database: Database, path: Path | None) -> int:
    """Return how many bytes the database takes."""
    if path is not None:
        return _file_size(path)
    if database.engine.dialect.name == "duckdb":
        return 0
    async with database.engine.connect() as connection:
        found = await connection.scalar(select(func.pg_database_size(func.current_database())))
    return int(found or 0)


def _file_size(path: Path) -> int:
    """Return how many bytes a DuckDB file and its log take."""
    return sum(each.stat().st_size for each in (path, Path(f"{path}.wal")) if each.exists())


def _next(current: Sequence[str], pending: Sequence[str], counts: Mapping[str, int]) -> str:
    """Return what to call next."""
    if current and pending:
        return "migrate"
    if not counts.get("projects"):
        return "import git ."
    return "report"


def _lines(state: State) -> Iterator[str]:
    """Yield what a person reads."""
    where = f"{state.url} ({state.origin})" if state.origin != "default" else state.url
    size = "is not there yet" if state.size is None else readable(state.size)
    yield f"{click.style('database', bold=True)}       {where}: {size}"
    if state.size is not None:
        at = state.revision or "none"
        behind = f"; pending: {', '.join(state.pending)}" if state.pending else ", the newest"
        yield f"{click.style('revision', bold=True)}       {at}{behind}"
    for name, count in state.counts.items():
        yield f"{click.style(name, bold=True)}{count:>{_WIDTH - len(name)},}"
    yield ""
    yield f"next: {click.style(state.next, bold=True)}"


COMMANDS: Final = {each.name: each for each in (status_command, init_command)}
