"""The database made usable for whichever command needs it first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

from andamios_orm.exceptions import RevisionsPending

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from andamios_orm.cli.running import Context
    from andamios_orm.core import Database

__all__ = ["prepare"]


async def prepare(context: Context, database: Database) -> None:
    """Give a database without any tables those of this package; leave every other as it is.

    Raises:
        RevisionsPending: it has tables, and they are not those of this version.
    """
    manager = context.project.manager(database)
    pending = await manager.pending()
    if not pending:
        return
    current = [each.id for each in await manager.current()]
    ids = [each.id for each in pending]
    if current:
        raise RevisionsPending(
            f"the database is at {', '.join(current)}, this version needs {ids[-1]}: "
            f"{context.program.name} migrate",
            current=current,
            pending=ids,
        )
    async with database.engine.connect() as connection:
        strange = await connection.run_sync(_tables)
    place = context.project.settings().safe_url
    if strange:
        raise RevisionsPending(
            f"{place} has other tables, and none of this program: name another database, or "
            f"put them beside those with {context.program.name} init",
            pending=ids,
        )
    await manager.upgrade()
    context.say(f"made {place}, at revision {ids[-1]}")


def _tables(connection: Connection) -> list[str]:
    inspector: Any = inspect(connection)
    found: list[str] = inspector.get_table_names()
    return found
