"""Group commit: single inserts of concurrent tasks share one statement and one commit.

A commit costs the same for one row as for a hundred. While one group is on its
way the next one gathers; a task that is alone waits for nobody. Each caller gets
the outcome of its own row: a group that is refused is halved until the row that
is to blame stands alone (a bisection).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from andamios_orm.core.defaults import with_defaults
from andamios_orm.core.integrity import check_values
from andamios_orm.core.recording import record_creation
from andamios_orm.dialect.values import refuse_surrogates
from andamios_orm.exceptions import ValueRefused, WriteDeadlock
from andamios_orm.models.actor import current_actor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import RowMapping, Table
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["GroupCommit"]

MOST_ROWS = 1_000
"""Rows in one group."""

_Shape = tuple["Table", "type[Any] | None", tuple[str, ...]]


@dataclass(slots=True, eq=False)
class _Request:
    values: dict[str, Any]
    answer: asyncio.Future[RowMapping]
    actor: str | None = None


@dataclass(slots=True)
class _Lane:
    """The rows of one shape that wait, on one event loop."""

    waiting: list[_Request] = field(default_factory=list)
    running: asyncio.Task[None] | None = None


class GroupCommit:
    """Inserts single rows, each durable when its call returns."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Write through ``engine``."""
        self._engine = engine
        self._lanes: dict[tuple[Any, _Shape], _Lane] = {}
        self.groups = 0

    async def insert(
        self, table: Table, values: Mapping[str, Any], *, model: type[Any] | None = None
    ) -> RowMapping:
        """Return the inserted row, all its columns, after its commit.

        The change feed records it as a row of ``model``, or of the table. Defaults that
        Python functions give are those of the calling task.

        A task that is cancelled while its row is on its way leaves at once;
        the row may be there then.
        """
        self._refuse_own_transaction()
        loop = asyncio.get_running_loop()
        values = with_defaults(table, values)
        refuse_surrogates(values.values())
        key = (loop, (table, model, tuple(sorted(values))))
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
        request = _Request(values, loop.create_future(), current_actor())
        lane.waiting.append(request)
        if lane.running is None:
            lane.running = loop.create_task(self._serve(key, lane), name="andamios-group-commit")
        try:
            return await request.answer
        finally:
            if request in lane.waiting:
                lane.waiting.remove(request)

    async def _serve(self, key: tuple[Any, _Shape], lane: _Lane) -> None:
        """Write group after group until nobody waits."""
        table, model, _ = key[1]
        group: list[_Request] = []
        try:
            while lane.waiting:
                group, lane.waiting = lane.waiting[:MOST_ROWS], lane.waiting[MOST_ROWS:]
                await self._write(table, group, model)
        finally:
            del self._lanes[key]
            for request in (*group, *lane.waiting):
                request.answer.cancel()  # nothing happens to one that has its answer

    async def _write(
        self, table: Table, group: list[_Request], model: type[Any] | None = None
    ) -> None:
        """Commit a group, or find out which of its rows cannot be."""
        group = [request for request in group if not request.answer.done()]
        if not group:
            return
        try:
            rows = await self._commit(table, group, model)
        except Exception as error:  # noqa: BLE001 - each caller gets it
            if len(group) == 1 or not _blames_a_row(error):
                _refuse(group, error)
                return
            middle = len(group) // 2
            await self._write(table, group[:middle], model)
            await self._write(table, group[middle:], model)
        else:
            for request, row in zip(group, rows, strict=True):
                if not request.answer.done():
                    request.answer.set_result(row)

    async def _commit(
        self, table: Table, group: list[_Request], model: type[Any] | None = None
    ) -> list[RowMapping]:
        values = [request.values for request in group]
        self.groups += 1
        statement = insert(table).returning(*table.c, sort_by_parameter_order=len(values) > 1)
        async with self._engine.begin() as connection:
            if len(values) == 1:
                result = await connection.execute(statement, values[0])
            else:
                result = await connection.execute(statement, values)
            rows = list(result.mappings().all())
            actors = [request.actor for request in group]
            linked = [column for column in table.c if column.foreign_keys]
            keys = {column.key: [row[column] for row in rows] for column in linked}
            await connection.run_sync(check_values, table, keys)
            await connection.run_sync(record_creation, model or table, rows, actors)
            return rows

    def _refuse_own_transaction(self) -> None:
        """Raise if the calling task holds the write gate that its row would wait for."""
        holder: Any = getattr(self._engine.dialect, "gate_holder", None)
        task = asyncio.current_task()
        if holder is not None and task is not None and holder() is task:
            raise WriteDeadlock(
                f"task {task.get_name()!r} has a write transaction open, which this insert would "
                f"wait for: commit it first, or add the row to its session"
            )


def _blames_a_row(error: Exception) -> bool:
    """Whether one row may be to blame, rather than the statement or the database."""
    return isinstance(error, (IntegrityError, DataError, ValueRefused)) or not isinstance(
        error, DBAPIError
    )


def _refuse(group: list[_Request], error: Exception) -> None:
    for request in group:
        if not request.answer.done():
            request.answer.set_exception(error)
