"""Middleware: around every operation of a repository, in order.

Shows a middleware that measures, one that allows, and one that caches; at a class and at
one repository; and how a middleware changes the arguments of an operation.

Prints what they saw. Costs: a repository without middleware pays nothing for it.

Edge cases: the first middleware is the outermost; what an operation calls on itself is
part of it and passes none; on a database, middleware is around the transaction with all
its attempts, hooks are inside.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy.orm import DeclarativeBase, Mapped

from andamios_orm import Database, run
from andamios_orm.models import IntegerKeyMixin, Row, acting_as, current_actor
from andamios_orm.repositories import BaseRepository, CallNext, Middleware, Operation

if TYPE_CHECKING:
    from collections.abc import Sequence


class Base(Row, DeclarativeBase):
    """The tables of this example."""


class City(IntegerKeyMixin, Base):
    """A place."""

    __tablename__ = "cities"

    name: Mapped[str]


class Timer:
    """Adds up how long operations take."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.seconds = 0.0

    async def __call__(self, operation: Operation, call_next: CallNext) -> Any:
        started = time.perf_counter()
        try:
            return await call_next(operation)
        finally:
            self.calls[operation.name] += 1
            self.seconds += time.perf_counter() - started


async def only_editors_write(operation: Operation, call_next: CallNext) -> Any:
    """Refuse what writes, unless an editor acts."""
    if operation.writes and current_actor() != "editor":
        message = f"{current_actor()} may not {operation.name} a {operation.model.__name__}"
        raise PermissionError(message)
    return await call_next(operation)


async def at_most_two(operation: Operation, call_next: CallNext) -> Any:
    """Make every list short, whatever was asked for."""
    if operation.name == "list":
        operation = operation.with_arguments(limit=2)
    return await call_next(operation)


class CityRepository(BaseRepository[City]):
    """Cities, which only editors change."""

    model = City
    middleware: ClassVar[Sequence[Middleware]] = (only_editors_write,)


async def main() -> None:
    """Use a repository with three of them."""
    timer = Timer()
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        cities = CityRepository(database).use(timer, at_most_two)
        with acting_as("editor"):
            await cities.add_many([{"name": "Cádiz"}, {"name": "León"}, {"name": "Soria"}])
        with acting_as("reader"):
            print("a short list:", [city.name for city in await cities.list(limit=50)])
            try:
                await cities.delete(1)
            except PermissionError as error:
                print("refused:", error)
        print("measured:", dict(timer.calls), "in more than no time:", timer.seconds > 0)


if __name__ == "__main__":
    run(main())
