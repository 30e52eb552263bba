"""What a new row gets that its caller did not say: keys, defaults, versions, times, authors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from andamios_orm.bulk.arrow import ArrowColumn
from andamios_orm.bulk.rows import MISSING, Batch, holds
from andamios_orm.core.texts import Same
from andamios_orm.dialect.binds import each_once
from andamios_orm.models.derived import UNCHANGED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Column

    from andamios_orm.bulk.target import Target
    from andamios_orm.exceptions import RowRefusal
    from andamios_orm.models.derived import Derived

__all__ = ["Filled", "fill"]


@dataclass(slots=True)
class Filled:
    """A batch with its defaults.

    ``awaited`` are the rows, by attribute, whose value the database must make before;
    ``returned`` are the attributes that it fills in while it inserts.
    """

    columns: dict[str, Sequence[Any]]
    awaited: dict[str, Sequence[int]] = field(default_factory=dict)
    returned: list[str] = field(default_factory=list)
    errors: list[RowRefusal] = field(default_factory=list)


class _Context:
    """What a default that looks at its row is called with, in place of SQLAlchemy's."""

    def __init__(self) -> None:
        self.columns: dict[str, Sequence[Any]] = {}
        self.row = 0

    @property
    def current_parameters(self) -> dict[str, Any]:
        """The values of the row by the names of its columns."""
        return {
            name: values[self.row]
            for name, values in self.columns.items()
            if values[self.row] is not MISSING
        }

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002 - SQLAlchemy's signature
        """Return the values of the row by the names of its columns."""
        return self.current_parameters


def fill(batch: Batch, target: Target) -> Filled:
    """Return the columns of new rows, with everything that Python can say of them."""
    filled = Filled({})
    row = _Row(_Context(), target.constants, target)
    for name, column in target.columns.items():
        values = batch.columns.get(name)
        missing = _missing(values, batch.count)
        if missing:
            values = _completed(name, column, values, missing, row) or _without_default(
                name, values, missing, target, filled
            )
        if values is not None:
            filled.columns[name] = row.context.columns[column.key] = values
    return filled


@dataclass(slots=True)
class _Row:
    context: _Context
    constants: Mapping[str, Any]
    target: Target


def _missing(values: Sequence[Any] | None, count: int) -> Sequence[int]:
    if values is None:
        return range(count)
    if isinstance(values, ArrowColumn):
        return []
    # Most columns lack nothing, and that is found out much faster than which rows do.
    return (
        [row for row, value in enumerate(values) if value is MISSING]
        if holds(values, MISSING)
        else []
    )


def _completed(
    name: str, column: Column[Any], values: Sequence[Any] | None, missing: Sequence[int], row: _Row
) -> Sequence[Any] | None:
    """Return the values with Python's default in the missing rows, or None without one."""
    made = _made(name, column, missing, row)
    return made if made is None or values is None else _placed(values, missing, made)


def _placed(values: Sequence[Any], rows: Sequence[int], made: Sequence[Any]) -> list[Any]:
    placed = list(values)
    for row, value in zip(rows, made, strict=True):
        placed[row] = value
    return placed


def _made(name: str, column: Column[Any], rows: Sequence[int], row: _Row) -> list[Any] | None:
    if name in row.constants:
        return Same([row.constants[name]] * len(rows))
    rule = row.target.derived.get(name)
    if rule is not None:
        return _derived(rule, rows, row)
    default: Any = column.default
    if default is None or not (default.is_scalar or default.is_callable):
        return None
    if default.is_scalar:
        return Same([default.arg] * len(rows))
    context = row.context
    if name in row.target.stamped:
        context.row = rows[0]
        return Same([default.arg(context)] * len(rows))
    made = []
    for at in rows:
        context.row = at
        made.append(default.arg(context))
    return made


def _derived(rule: Derived, rows: Sequence[int], row: _Row) -> list[Any]:
    """Return what follows from another column, which was filled before this one."""
    source = row.context.columns.get(row.target.columns[rule.source].key)
    if source is None:
        return [rule.of_new(None) for _ in rows]
    values = source.values() if isinstance(source, ArrowColumn) else source
    chosen = values if len(rows) == len(values) else [values[at] for at in rows]
    found = each_once(rule.function, chosen)
    if not holds(found, UNCHANGED):
        return found
    return [None if each is UNCHANGED else each for each in found]


def _without_default(
    name: str, values: Sequence[Any] | None, missing: Sequence[int], target: Target, filled: Filled
) -> Sequence[Any] | None:
    """Return the values with None where the database has to say; None if it is not asked."""
    column = target.columns[name]
    by_database = column.server_default is not None or column.computed is not None
    if name in target.generated or column.default is not None or (by_database and values):
        filled.awaited[name] = missing
    elif values is None and by_database:
        filled.returned.append(name)
        return None
    elif not column.nullable:
        rows = missing if values is not None else [None]
        filled.errors.extend(target.refusal(row, name, _REQUIRED, None) for row in rows)
    if values is None and name not in filled.awaited:
        return None
    empty = [None] * len(missing)
    return empty if values is None else _placed(values, missing, empty)


_REQUIRED = "the column must have a value"
