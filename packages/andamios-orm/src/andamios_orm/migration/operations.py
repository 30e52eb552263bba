"""Operations that Alembic has none of: sequences, and types that list their values.

Importing this module makes them ``op.create_sequence()`` and so on, on both databases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Sequence as DatabaseSequence
from sqlalchemy import inspect, text
from sqlalchemy.dialects.postgresql import ENUM
from sqlalchemy.schema import CreateSequence, DropSequence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic.autogenerate.api import AutogenContext

__all__ = ["AlterEnum", "CreateEnum", "CreateSequenceOp", "DropEnum", "DropSequenceOp"]


@Operations.register_operation("create_sequence")
class CreateSequenceOp(MigrateOperation):
    """Makes a sequence."""

    def __init__(self, name: str, *, start: int = 1, increment: int = 1) -> None:
        """Name it; the first value is ``start``."""
        self.name = name
        self.start = start
        self.increment = increment

    @classmethod
    def create_sequence(
        cls, operations: Operations, name: str, *, start: int = 1, increment: int = 1
    ) -> None:
        """Make the sequence ``name``; its first value is ``start``."""
        operations.invoke(cls(name, start=start, increment=increment))

    def reverse(self) -> DropSequenceOp:
        """Return the operation that drops it."""
        return DropSequenceOp(self.name, start=self.start, increment=self.increment)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return it as Alembic lists differences."""
        return "add_sequence", self.name

    @property
    def sequence(self) -> DatabaseSequence:
        """SQLAlchemy's own form of it."""
        return DatabaseSequence(self.name, start=self.start, increment=self.increment)


@Operations.register_operation("drop_sequence")
class DropSequenceOp(CreateSequenceOp):
    """Drops a sequence."""

    @classmethod
    def drop_sequence(cls, operations: Operations, name: str) -> None:
        """Drop the sequence ``name``."""
        operations.invoke(cls(name))

    def reverse(self) -> CreateSequenceOp:  # type: ignore[override]  # what drops is undone by what makes
        """Return the operation that makes it again."""
        return CreateSequenceOp(self.name, start=self.start, increment=self.increment)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return it as Alembic lists differences."""
        return "remove_sequence", self.name


class _Enum(MigrateOperation):
    def __init__(self, name: str, values: Sequence[str]) -> None:
        self.name = name
        self.values = tuple(values)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return it as Alembic lists differences."""
        return type(self).__name__, self.name


@Operations.register_operation("create_enum")
class CreateEnum(_Enum):
    """Makes a type that lists its values."""

    @classmethod
    def create_enum(cls, operations: Operations, name: str, values: Sequence[str]) -> None:
        """Make the type ``name`` with these values, in this order."""
        operations.invoke(cls(name, values))

    def reverse(self) -> DropEnum:
        """Return the operation that drops it."""
        return DropEnum(self.name, self.values)


@Operations.register_operation("drop_enum")
class DropEnum(_Enum):
    """Drops a type that lists its values."""

    @classmethod
    def drop_enum(cls, operations: Operations, name: str) -> None:
        """Drop the type ``name``, which no column may have any more."""
        operations.invoke(cls(name, ()))

    def reverse(self) -> CreateEnum:
        """Return the operation that makes it again."""
        return CreateEnum(self.name, self.values)


@Operations.register_operation("alter_enum")
class AlterEnum(_Enum):
    """Gives a type other values."""

    def __init__(
        self,
        name: str,
        values: Sequence[str],
        columns: Sequence[str],
        before: Sequence[str] = (),
    ) -> None:
        """Name the type, its new values, and the columns (``table.column``) that have it."""
        super().__init__(name, values)
        self.columns = tuple(columns)
        self.before = tuple(before)

    @classmethod
    def alter_enum(
        cls, operations: Operations, name: str, values: Sequence[str], columns: Sequence[str]
    ) -> None:
        """Give the type ``name`` these values; ``columns`` are all ``table.column`` of the type.

        Rows that hold a value which is no more make it fail: change them first.
        """
        operations.invoke(cls(name, values, columns))

    def reverse(self) -> AlterEnum:
        """Return the operation that gives it the values it had."""
        return AlterEnum(self.name, self.before, self.columns, self.values)


@Operations.implementation_for(CreateSequenceOp)
def _create_sequence(operations: Operations, operation: CreateSequenceOp) -> None:
    operations.execute(CreateSequence(operation.sequence))


@Operations.implementation_for(DropSequenceOp)
def _drop_sequence(operations: Operations, operation: DropSequenceOp) -> None:
    operations.execute(DropSequence(operation.sequence))


@Operations.implementation_for(CreateEnum)
def _create_enum(operations: Operations, operation: CreateEnum) -> None:
    values = ", ".join(_literal(operations, value) for value in operation.values)
    operations.execute(
        text(f"CREATE TYPE {_quoted(operations, operation.name)} AS ENUM ({values})")
    )


@Operations.implementation_for(DropEnum)
def _drop_enum(operations: Operations, operation: DropEnum) -> None:
    operations.execute(text(f"DROP TYPE {_quoted(operations, operation.name)}"))


@Operations.implementation_for(AlterEnum)
def _alter_enum(operations: Operations, operation: AlterEnum) -> None:
    """Put a new type in the place of the old one, and cast the columns by their text."""
    name, former = operation.name, f"{operation.name}_former"
    on_duckdb = operations.get_context().dialect.name == "duckdb"
    if on_duckdb:  # a column there has the values, not the type
        operations.execute(text(f"DROP TYPE {_quoted(operations, name)}"))
    else:
        operations.execute(
            text(f"ALTER TYPE {_quoted(operations, name)} RENAME TO {_quoted(operations, former)}")
        )
    operations.invoke(CreateEnum(name, operation.values))
    type_ = ENUM(*operation.values, name=name, create_type=False)
    for place in operation.columns:
        table, _, column = place.rpartition(".")
        default = None if on_duckdb else _default(operations, table, column)
        if default is not None:
            operations.alter_column(table, column, server_default=None)
        quoted = _quoted(operations, column)
        text_of_it = (
            f"{quoted}::varchar" if on_duckdb else f"{quoted}::text::{_quoted(operations, name)}"
        )
        operations.alter_column(table, column, type_=type_, postgresql_using=text_of_it)
        if default is not None:
            value = default.partition("::")[0]
            operations.alter_column(table, column, server_default=text(value))
    if not on_duckdb:
        operations.execute(text(f"DROP TYPE {_quoted(operations, former)}"))


def _default(operations: Operations, table: str, column: str) -> str | None:
    """Return the default of a column; None if it has none, or nobody can be asked."""
    if operations.get_context().as_sql:
        return None
    found = inspect(operations.get_bind()).get_columns(table)
    return next((each["default"] for each in found if each["name"] == column), None)


def _quoted(operations: Operations, name: str) -> str:
    return operations.get_context().dialect.identifier_preparer.quote(name)


def _literal(_operations: Operations, value: str) -> str:
    escaped = value.replace("'", "''").replace(":", "\\:")
    return f"'{escaped}'"


@renderers.dispatch_for(CreateSequenceOp)
def _render_create_sequence(_context: AutogenContext, operation: CreateSequenceOp) -> str:
    start = f", start={operation.start}" if operation.start != 1 else ""
    step = f", increment={operation.increment}" if operation.increment != 1 else ""
    return f"op.create_sequence({operation.name!r}{start}{step})"


@renderers.dispatch_for(DropSequenceOp)
def _render_drop_sequence(_context: AutogenContext, operation: DropSequenceOp) -> str:
    return f"op.drop_sequence({operation.name!r})"


@renderers.dispatch_for(CreateEnum)
def _render_create_enum(_context: AutogenContext, operation: CreateEnum) -> str:
    return f"op.create_enum({operation.name!r}, {list(operation.values)!r})"


@renderers.dispatch_for(DropEnum)
def _render_drop_enum(_context: AutogenContext, operation: DropEnum) -> str:
    return f"op.drop_enum({operation.name!r})"


@renderers.dispatch_for(AlterEnum)
def _render_alter_enum(_context: AutogenContext, operation: AlterEnum) -> str:
    columns = list(operation.columns)
    return f"op.alter_enum({operation.name!r}, {list(operation.values)!r}, columns={columns!r})"
