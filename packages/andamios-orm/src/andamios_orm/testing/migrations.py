"""What migrations have to keep: they lead to the models, and each step can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import inspect

from andamios_orm.exceptions import AndamiosError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from andamios_orm.migration import MigrationManager

__all__ = ["MigrationsDiffer", "every_revision_up_down_up", "migrations_match_models"]


class MigrationsDiffer(AndamiosError, AssertionError):
    """Migrations lead to something else: ``differences`` says to what, ``where`` after what."""

    def __init__(self, where: str, differences: Sequence[object]) -> None:
        """Say where the difference was found, and each of them."""
        super().__init__(where, differences)
        self.where = where
        self.differences = tuple(differences)

    def __str__(self) -> str:
        return f"{self.where}:" + "".join(f"\n- {each}" for each in self.differences)


async def migrations_match_models(manager: MigrationManager) -> None:
    """Run all migrations and compare what they made with the models.

    Raises:
        MigrationsDiffer: the models say something else; write a revision.
        MigrationFailed: a revision raised.
    """
    await manager.upgrade()
    differences = await manager.check()
    if differences:
        raise MigrationsDiffer("the migrations do not lead to the models", differences)


async def every_revision_up_down_up(manager: MigrationManager) -> None:
    """Run each revision up, down and up again, and compare the schemas before and after it.

    The database must be at the base; it ends at the newest revision.

    Raises:
        MigrationsDiffer: undoing a revision leaves something, or repeating it makes another.
        MigrationFailed: a revision raised, in either direction.
    """
    for revision in manager.history():
        before = await _schema(manager)
        await manager.upgrade(revision.id)
        after = await _schema(manager)
        await manager.downgrade("-1")
        _compare(f"{revision} is not undone by its downgrade()", before, await _schema(manager))
        await manager.upgrade(revision.id)
        _compare(f"{revision} makes another schema each time", after, await _schema(manager))


async def _schema(manager: MigrationManager) -> set[str]:
    """Return what the schema consists of, a line for each part."""
    async with manager.database.engine.connect() as connection:
        return await connection.run_sync(_parts, manager.target.version_table)


def _parts(connection: Connection, version_table: str) -> set[str]:
    inspector = inspect(connection)
    parts = {f"sequence {name}" for name in inspector.get_sequence_names()}
    for table in inspector.get_table_names():
        if table == version_table:
            continue
        parts.add(f"table {table}")
        key = inspector.get_pk_constraint(table)["constrained_columns"]
        parts.add(f"primary key of {table}: {key}")
        for column in inspector.get_columns(table):
            said = {name: str(column.get(name)) for name in ("type", "nullable", "default")}
            parts.add(f"column {table}.{column['name']}: {said}")
        for kind, found in (
            ("index", inspector.get_indexes(table)),
            ("unique constraint", inspector.get_unique_constraints(table)),
            ("foreign key", inspector.get_foreign_keys(table)),
            ("check", inspector.get_check_constraints(table)),
        ):
            parts.update(f"{kind} of {table}: {_sorted(each)}" for each in found)
    return parts


def _sorted(described: Mapping[str, object]) -> dict[str, str]:
    return {name: str(described[name]) for name in sorted(described) if described[name]}


def _compare(where: str, wanted: set[str], found: set[str]) -> None:
    gone = [f"missing: {part}" for part in sorted(wanted - found)]
    come = [f"in addition: {part}" for part in sorted(found - wanted)]
    if gone or come:
        raise MigrationsDiffer(where, gone + come)
