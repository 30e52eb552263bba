"""Extension points: what a repository of one's own can change, without a fork.

Shows operations of one's own (``@operation``), a base class of an application that all
its repositories share, ``scope()`` for what is in sight, and how they work together
with middleware and with a database.

Prints what was done. Costs: none beyond what is written.

Edge cases: an operation that writes says so, since on a database it needs a transaction
that is committed; what it calls on ``self`` shares that transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.orm import DeclarativeBase, Mapped

from andamios_orm import Database, run
from andamios_orm.exceptions import NotFound
from andamios_orm.models import IntegerKeyMixin, Row, SoftDeleteMixin, VersionMixin
from andamios_orm.repositories import BaseRepository, CallNext, Operation, operation

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from andamios_orm import Session

ModelT = TypeVar("ModelT", bound="Owned")


class Base(Row, DeclarativeBase):
    """The tables of this example."""


class Owned(IntegerKeyMixin, VersionMixin, SoftDeleteMixin):
    """What all models of this application have."""

    owner: Mapped[str]
    name: Mapped[str]


class Board(Owned, Base):
    """Where cards are."""

    __tablename__ = "boards"


class OwnedRepository(BaseRepository[ModelT]):
    """The base of this application's repositories: rows of one owner, which can change hands."""

    def __init__(self, source: Session | Database, owner: str) -> None:
        super().__init__(source)
        self.owner = owner

    def scope(self) -> list[ColumnElement[bool]]:
        return [self.model.owner == self.owner]

    @operation(writes=True)
    async def make(self, name: str) -> ModelT:
        """Return a new row of this owner."""
        return await self.create({"owner": self.owner, "name": name})

    @operation(writes=True)
    async def give_away(self, key: int, owner: str) -> ModelT:
        """Return the row, which belongs to somebody else from now on."""
        row = await self.get(key)
        return await self.update(key, {"owner": owner}, version=row.version)


class Boards(OwnedRepository[Board]):
    """Boards of one owner."""

    model = Board


async def narrate(operation: Operation, call_next: CallNext) -> Any:
    """Say what is done."""
    result = await call_next(operation)
    print(f"{operation.name}({', '.join(operation.arguments)}): {result}")
    return result


async def main() -> None:
    """Two owners, one board."""
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        ana = Boards(database, "ana").use(narrate)
        eva = Boards(database, "eva").use(narrate)
        board = await ana.make("plans")
        await eva.exists(id=board.id)
        await ana.give_away(board.id, "eva")
        await eva.exists(id=board.id)
        try:
            await ana.get(board.id)
        except NotFound as error:
            print("for ana:", error)


if __name__ == "__main__":
    run(main())
