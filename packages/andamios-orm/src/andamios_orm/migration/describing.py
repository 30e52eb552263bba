"""Differences in words: what the database has, and what the models want."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from alembic.operations import ops
from sqlalchemy import Column
from sqlalchemy.schema import (
    CheckConstraint,
    CreateIndex,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    UniqueConstraint,
)

from andamios_orm.migration.operations import (
    AlterEnum,
    CreateEnum,
    CreateSequenceOp,
    DropEnum,
    DropSequenceOp,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy.engine import Dialect
    from sqlalchemy.schema import Constraint

__all__ = ["Difference", "described"]

_CONSTRAINTS: Final[dict[type[Constraint], tuple[str, str]]] = {
    CheckConstraint: ("check", "check"),
    ForeignKeyConstraint: ("foreign_key", "foreign key"),
    PrimaryKeyConstraint: ("primary_key", "primary key"),
    UniqueConstraint: ("unique", "unique constraint"),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: its ``kind``, such as ``add_column``, where it is, and both in words."""

    kind: str
    place: str
    text: str

    def __str__(self) -> str:
        """Return the words."""
        return self.text


def described(operations: Iterable[Any], dialect: Dialect) -> Iterator[Difference]:
    """Yield in words why ``operations`` would be needed; an index comes with its table."""
    listed = list(operations)
    whole = {
        _table(each) for each in listed if isinstance(each, (ops.CreateTableOp, ops.DropTableOp))
    }
    for each in listed:
        is_index = isinstance(each, (ops.CreateIndexOp, ops.DropIndexOp))
        if not (is_index and _table(each) in whole):
            yield from _WORDS[_kind(each)](each, dialect)


def _kind(operation: Any) -> type[Any]:
    return next(kind for kind in type(operation).__mro__ if kind in _WORDS)


def _table(operation: Any) -> str:
    schema = operation.schema
    return f"{schema}.{operation.table_name}" if schema else str(operation.table_name)


# ---- what is on one side only --------------------------------------------------------------


def _missing(noun: str, name: str, place: str, what: str) -> Difference:
    return Difference(f"add_{noun}", name, f"{place}the database has no {what}")


def _extra(noun: str, name: str, place: str, what: str) -> Difference:
    return Difference(f"remove_{noun}", name, f"{place}the models have no {what}")


def _of_table(operation: Any, _dialect: Dialect) -> Iterator[Difference]:
    side = _missing if isinstance(operation, ops.CreateTableOp) else _extra
    table = _table(operation)
    yield side("table", table, "", f"table {table}")


def _of_column(operation: Any, _dialect: Dialect) -> Iterator[Difference]:
    is_missing = isinstance(operation, ops.AddColumnOp)
    name = operation.column.name if is_missing else operation.column_name
    place = f"{_table(operation)}.{name}"
    yield (_missing if is_missing else _extra)("column", place, "", f"column {place}")


def _of_index(operation: Any, dialect: Dialect) -> Iterator[Difference]:
    side = _missing if isinstance(operation, ops.CreateIndexOp) else _extra
    index, table = operation.to_index(), _table(operation)
    statement = str(CreateIndex(index).compile(dialect=dialect))
    parts = statement[statement.index(" (") + 1 :]
    kind = "unique index" if index.unique else "index"
    yield side("index", f"{table}.{index.name}", f"{table}: ", f"{kind} {index.name} on {parts}")


def _of_constraint(operation: Any, dialect: Dialect) -> Iterator[Difference]:
    side = _missing if isinstance(operation, ops.AddConstraintOp) else _extra
    constraint = operation.to_constraint()
    table = constraint.table.fullname
    noun, words = _CONSTRAINTS[type(constraint)]
    name = constraint.name if isinstance(constraint.name, str) else None
    what = f"{words} {name}" if name else words
    content = _content(constraint, dialect)
    yield side(noun, f"{table}.{name}" if name else table, f"{table}: ", f"{what}{content}")


def _content(constraint: Any, dialect: Dialect) -> str:
    if isinstance(constraint, CheckConstraint):
        return f": {_sql(constraint.sqltext, dialect)}"
    columns = ", ".join(constraint.columns.keys())
    if not isinstance(constraint, ForeignKeyConstraint):
        return f" on ({columns})"
    keys = [key.target_fullname.rpartition(".") for key in constraint.elements]
    return f" on ({columns}) to {keys[0][0]} ({', '.join(column for *_, column in keys)})"


def _of_sequence(operation: Any, _dialect: Dialect) -> Iterator[Difference]:
    side = _extra if isinstance(operation, DropSequenceOp) else _missing
    yield side("sequence", operation.name, "", f"sequence {operation.name}")


def _of_enum(operation: Any, _dialect: Dialect) -> Iterator[Difference]:
    side = _extra if isinstance(operation, DropEnum) else _missing
    yield side("enum", operation.name, "", f"type {operation.name}")


# ---- what is otherwise -----------------------------------------------------------------------


def _other(noun: str, place: str, has: str, wants: str) -> Difference:
    return Difference(
        f"change_{noun}", place, f"{place}: the database has {has}, the models want {wants}"
    )


def _of_values(operation: Any, _dialect: Dialect) -> Iterator[Difference]:
    has, wants = (
        f"the values {', '.join(map(repr, each))}" for each in (operation.before, operation.values)
    )
    yield _other("enum", operation.name, has, wants)


def _of_table_comment(operation: Any, _dialect: Dialect) -> Iterator[Difference]:
    wanted = getattr(operation, "comment", None)
    has, wants = map(_comment, (operation.existing_comment, wanted))
    yield _other("comment", _table(operation), has, wants)


def _of_attributes(operation: Any, dialect: Dialect) -> Iterator[Difference]:
    """Yield a difference for each attribute of a column that is another one."""
    place = f"{_table(operation)}.{operation.column_name}"
    if operation.modify_type is not None:
        types = operation.existing_type, operation.modify_type
        has, wants = (each.compile(dialect) for each in types)
        yield _other("type", place, has, wants)
    if operation.modify_nullable is not None:
        sides = "allows NULL", "allow no NULL"
        if operation.modify_nullable:
            sides = "allows no NULL", "allow NULL"
        words = f"{place}: the database {sides[0]}, the models {sides[1]}"
        yield Difference("change_nullability", place, words)
    if operation.modify_server_default is not False:
        defaults = operation.existing_server_default, operation.modify_server_default
        has, wants = (_default(each, dialect) for each in defaults)
        yield _other("default", place, has, wants)
    if operation.modify_comment is not False:
        has, wants = map(_comment, (operation.existing_comment, operation.modify_comment))
        yield _other("comment", place, has, wants)


def _comment(comment: str | None) -> str:
    return "no comment" if comment is None else f"the comment {comment!r}"


def _default(default: Any, dialect: Dialect) -> str:
    if not default:
        return "no default"
    compiler: Any = dialect.ddl_compiler(dialect, None)  # type: ignore[arg-type]  # nothing is compiled yet
    found = compiler.get_column_default_string(Column("c", server_default=default))
    return f"the default {found}"


def _sql(expression: Any, dialect: Dialect) -> str:
    options = {"literal_binds": True, "include_table": False}
    return str(expression.compile(dialect=dialect, compile_kwargs=options))


_WORDS: Final[dict[type[Any], Callable[[Any, Dialect], Iterator[Difference]]]] = {
    ops.CreateTableOp: _of_table,
    ops.DropTableOp: _of_table,
    ops.AddColumnOp: _of_column,
    ops.DropColumnOp: _of_column,
    ops.CreateIndexOp: _of_index,
    ops.DropIndexOp: _of_index,
    ops.AddConstraintOp: _of_constraint,
    ops.DropConstraintOp: _of_constraint,
    ops.CreateTableCommentOp: _of_table_comment,
    ops.DropTableCommentOp: _of_table_comment,
    ops.AlterColumnOp: _of_attributes,
    CreateSequenceOp: _of_sequence,
    DropSequenceOp: _of_sequence,
    CreateEnum: _of_enum,
    DropEnum: _of_enum,
    AlterEnum: _of_values,
}
