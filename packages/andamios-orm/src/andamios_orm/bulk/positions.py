"""How far a load has come: stored with its rows, in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    MetaData,
    String,
    Table,
    insert,
    inspect,
    select,
    update,
)

from andamios_orm.exceptions import WriteConflict
from andamios_orm.models.clock import now

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.core.session import SessionManager

__all__ = ["load_table", "move_position", "read_position"]

NAME = "andamios_loads"


def load_table(metadata: MetaData) -> Table:
    """Return the table that keeps the positions of loads, in ``metadata``.

    Call it beside your models to have it in your migrations; otherwise the first load
    with ``resume=`` creates it.
    """
    found = metadata.tables.get(NAME)
    if found is not None:
        return found
    return Table(
        NAME,
        metadata,
        Column("name", String, primary_key=True),
        Column("position", BigInteger, nullable=False),
        Column("time", DateTime(timezone=True), nullable=False),
    )


async def read_position(database: SessionManager, name: str) -> int:
    """Return how many rows of its source the load ``name`` has behind it; 0 if it is new."""
    table = load_table(MetaData())
    async with database.transaction(write=True) as session:
        connection = await session.connection()
        await connection.run_sync(_create, table)
        position = await session.scalar(select(table.c.position).where(table.c.name == name))
        if position is None:
            await session.execute(insert(table).values(_row(name, 0)))
    return position or 0


def _create(connection: Connection, table: Table) -> None:
    if not inspect(connection).has_table(NAME):
        table.create(connection, checkfirst=True)


async def move_position(session: AsyncSession, name: str, before: int, after: int) -> None:
    """Note in the transaction of a batch that the load has come from ``before`` to ``after``.

    Raises:
        WriteConflict: another run of the same load was here meanwhile.
    """
    table = load_table(MetaData())
    moved: Any = await session.execute(
        update(table)
        .where(table.c.name == name, table.c.position == before)
        .values(_row(name, after))
    )
    if moved.rowcount != 1:
        raise WriteConflict(f"another run of the load {name!r} was here: let one of them finish")


def _row(name: str, position: int) -> dict[str, Any]:
    return {"name": name, "position": position, "time": now()}
