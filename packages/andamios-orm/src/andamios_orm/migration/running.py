"""One step on one connection: what a revision does, the row that says it is done, its errors."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from alembic.operations import Operations
from alembic.runtime.migration import RevisionStep
from sqlalchemy import event

from andamios_orm.exceptions import MigrationFailed
from andamios_orm.migration.batches import Batches, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from io import StringIO

    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection
    from sqlalchemy.engine import Dialect

    from andamios_orm.migration.revisions import Revision, Scripts
    from andamios_orm.migration.target import Target

__all__ = [
    "Plan",
    "Step",
    "current",
    "failed",
    "next_step",
    "print_steps",
    "run_batch",
    "run_step",
    "stamp",
]

Plan: TypeAlias = "Callable[[tuple[str, ...]], Sequence[Any]]"
"""Gives the steps from the revisions that the database is at."""


@dataclass(frozen=True, slots=True)
class Step:
    """A revision and the way it is gone; ``statements`` are those that it sent, if it ran.

    ``done`` and ``total`` are rows of a data migration, 0 for any other.
    """

    revision: Revision
    direction: str
    statements: tuple[str, ...] = ()
    done: int = 0
    total: int = 0
    finished: bool = True

    def __str__(self) -> str:
        """Return "upgrade 1975ea83b712 create users", with rows where they are counted."""
        rows = f" ({self.done} of {self.total} rows)" if self.total else ""
        return f"{self.direction} {self.revision}{rows}"


def current(connection: Connection, target: Target) -> tuple[str, ...]:
    """Return the revisions that the database is at; none if it was never migrated."""
    return target.context(connection).get_current_heads()


def stamp(connection: Connection, target: Target, scripts: Scripts, name: str) -> None:
    """Say that the database is at a revision, without running anything."""
    with scripts.refusals():
        target.context(connection).stamp(scripts.directory, name)


def print_steps(
    target: Target, dialect: Dialect, output: StringIO, scripts: Scripts, way: tuple[str, str]
) -> None:
    """Write the SQL of the revisions from one to another; see ``run_step`` for ``op``.

    Raises:
        MigrationFailed: a revision has to look at the database.
    """
    start, aim = way
    steps: list[Step] = []

    def noted(heads: tuple[str, ...], _context: MigrationContext) -> Iterator[Any]:
        for each in scripts.upgrade(aim, heads):
            steps.append(_described(each, scripts))
            yield each

    options = {"fn": noted, "script": scripts.directory, "starting_rev": start}
    context = target.offline(dialect, output, **options)
    with Operations.context(context), context.begin_transaction():
        try:
            context.run_migrations()
        except Exception as error:
            if not steps:
                raise
            raise failed(steps[-1], error) from error


def next_step(
    connection: Connection, target: Target, scripts: Scripts, plan: Plan
) -> tuple[Step, Batches | None] | None:
    """Return the first step of ``plan`` from where the database is, and its batches, if any."""
    steps = plan(current(connection, target))
    if not steps:
        return None
    step = _described(steps[0], scripts)
    work = getattr(scripts.module(step.revision.id), step.direction)
    return step, work if isinstance(work, Batches) else None


def run_batch(connection: Connection, target: Target, step: Step, batches: Batches) -> Step:
    """Return the step after one more batch of its rows; it is finished if there are no more."""
    progress = Progress(target.progress_table)
    revision, direction = step.revision.id, step.direction
    after, done = progress.read(connection, revision, direction)
    with _failures(step):
        total = step.total or done + batches.count(connection, after)
        until = batches.until(connection, after)
        if until is None:
            return Step(step.revision, step.direction, (), done, total)
        done += batches.count(connection, after, until)
        batches.run(connection, after, until)
    progress.write(connection, revision, direction, until, done)
    return Step(step.revision, direction, (), done, max(total, done), finished=False)


def run_step(connection: Connection, target: Target, scripts: Scripts, plan: Plan) -> Step | None:
    """Run the first step of ``plan`` from where the database is; None if there is none.

    Batches have been run before: what is left of them is the row that says so. Alembic's
    ``op`` is one for the whole process: one step runs at a time, see ``turns``.

    Raises:
        MigrationFailed: the revision raised; its transaction is to be rolled back.
    """
    found = next_step(connection, target, scripts, plan)
    if found is None:
        return None
    step, batches = found
    statements: list[str] = []

    def first(heads: tuple[str, ...], _context: MigrationContext) -> Sequence[Any]:
        return [_without_batches(each) if batches else each for each in plan(heads)[:1]]

    context = target.context(connection, fn=first, script=scripts.directory)
    with _sent(connection, statements), Operations.context(context), _failures(step):
        context.run_migrations()
        if batches is not None:
            Progress(target.progress_table).clear(connection, step.revision.id, step.direction)
    return Step(step.revision, step.direction, tuple(statements))


def _without_batches(step: Any) -> Any:
    step.migration_fn = lambda **_: None
    return step


@contextmanager
def _sent(connection: Connection, statements: list[str]) -> Iterator[None]:
    """Add the texts of all statements to a list."""

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", note)


@contextmanager
def _failures(step: Step) -> Iterator[None]:
    """Say of an error in which revision it was.

    Raises:
        MigrationFailed: there was one.
    """
    try:
        yield
    except Exception as error:
        raise failed(step, error) from error


def failed(step: Step, error: Exception) -> MigrationFailed:
    """Return the error that says in which revision another one was."""
    return MigrationFailed(
        step.revision.id,
        step.direction,
        path=step.revision.path,
        statement=getattr(error, "statement", None),
        reason=f"{type(error).__name__}: {error}".splitlines()[0],
    )


def _described(step: Any, scripts: Scripts) -> Step:
    """Return a step of Alembic's as we show it."""
    upgrades = not isinstance(step, RevisionStep) or step.is_upgrade
    revision = scripts.find(step.revision.revision)
    return Step(revision, "upgrade" if upgrades else "downgrade")
