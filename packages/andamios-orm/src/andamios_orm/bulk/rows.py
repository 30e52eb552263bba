"""Rows as callers have them, turned into columns: dicts, instances, dataclasses, Arrow."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

from andamios_orm.bulk.arrow import is_arrow, read_arrow
from andamios_orm.bulk.documents import arrow_column
from andamios_orm.core.texts import Same
from andamios_orm.exceptions import BulkRefused, RowRefusal

if TYPE_CHECKING:
    from andamios_orm.bulk.target import Target

__all__ = ["MISSING", "Batch", "batch_of", "holds"]


class _Missing:
    """Stands for a value that a row does not have."""


MISSING = _Missing()

Column = Sequence[Any]


def holds(values: Sequence[Any], singleton: object) -> bool:
    """Whether ``singleton``, the one instance of its class, is among ``values``.

    ``in`` would compare, and an array of NumPy has no answer to that.
    """
    looked_at = values[:1] if type(values) is Same else values
    return type(singleton) in set(map(type, looked_at))


@dataclasses.dataclass(slots=True)
class Batch:
    """Rows by column. A row without a value has ``MISSING`` in its place.

    ``instances`` are the objects of the model that the rows were given as, if they
    were; ``optional`` names columns of defaults, which a caller did not ask for.
    """

    count: int
    columns: dict[str, Column]
    instances: Sequence[Any] | None = None
    optional: frozenset[str] = frozenset()

    def only(self, rows: Sequence[int]) -> Batch:
        """Return some of the rows, by number."""
        columns: dict[str, Column] = {
            name: [values[row] for row in rows] for name, values in self.columns.items()
        }
        instances = None if self.instances is None else [self.instances[row] for row in rows]
        return Batch(len(rows), columns, instances, self.optional)

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dicts of what they have."""
        names = list(self.columns)
        if not names:
            return [{} for _ in range(self.count)]
        return [
            {name: value for name, value in zip(names, row, strict=True) if value is not MISSING}
            for row in zip(*self.columns.values(), strict=True)
        ]


def batch_of(rows: Any, target: Target, *, partial: bool = False) -> Batch:
    """Return ``rows`` as columns; with ``partial``, of pydantic models only what was set.

    Raises:
        BulkRefused: a row is nothing that a row can be made of; the error names it.
        MissingExtra: it is Arrow's, and pyarrow is not installed.
    """
    if is_arrow(rows):
        table = read_arrow(rows)
        return Batch(
            table.num_rows,
            {
                name: arrow_column(table.column(name), target.columns.get(name))
                for name in table.column_names
            },
        )
    listed = rows if isinstance(rows, list) else list(rows)
    if listed and isinstance(listed[0], target.model):
        return _of_instances(listed, target)
    if listed and _is_pydantic(listed[0]) and not partial:
        return _of_pydantic(listed, target)
    if not _are_dicts(listed):
        listed = [row if type(row) is dict else _as_dict(row, partial=partial) for row in listed]
    return _of_dicts(listed, target)


def _are_dicts(rows: list[Any]) -> bool:
    """Whether all are plain dicts, as most are; looking at each takes ten times as long."""
    return set(map(type, rows)) == {dict}


def _of_dicts(rows: list[Any], target: Target) -> Batch:
    if not _are_dicts(rows):
        message = "a row is a dict, an object or Arrow's"
        _require(rows, lambda row: isinstance(row, dict), message, target)
    if not rows:
        return Batch(0, {})
    names = list(rows[0])
    try:
        columns: dict[str, Column] = {name: list(map(itemgetter(name), rows)) for name in names}
    except KeyError:
        columns = {}
    if not columns or sum(map(len, rows)) != len(rows) * len(names):
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {name: [row.get(name, MISSING) for row in rows] for name in names}
    _require(names, lambda name: isinstance(name, str), "a field is named by a str", target)
    return Batch(len(rows), columns)


def _as_dict(row: Any, *, partial: bool = False) -> Any:
    """Return a row as a dict, or the row itself if that is not possible."""
    if isinstance(row, Mapping):
        return dict(row)
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    if _is_pydantic(row):
        values = {**row.__dict__, **(row.model_extra or {})}
        said = row.model_fields_set
        return {name: values[name] for name in values if name in said} if partial else values
    return row


def _is_pydantic(row: Any) -> bool:
    pydantic = sys.modules.get("pydantic")  # who has one of its models has imported it
    return pydantic is not None and isinstance(row, pydantic.BaseModel)


def _of_pydantic(rows: list[Any], target: Target) -> Batch:
    """Return columns; of what was left at a default, only what a new row can have."""
    _require(rows, _is_pydantic, "it is no pydantic model, unlike the first row", target)
    batch = _of_dicts([_as_dict(row) for row in rows], target)
    explicit = set().union(*(row.model_fields_set for row in rows))
    for name in list(batch.columns):
        column = target.columns.get(name)
        excluded = getattr(type(rows[0]).model_fields.get(name), "exclude", None)
        if excluded or (name in target.kept and name not in explicit):
            del batch.columns[name]
        elif column is not None and not column.nullable and name not in explicit:
            batch.columns[name] = [
                MISSING if value is None else value for value in batch.columns[name]
            ]
    batch.optional = frozenset(batch.columns) - explicit
    return batch


def _of_instances(rows: list[Any], target: Target) -> Batch:
    """Return the columns of instances of the model, which must be new."""
    _require(
        rows,
        lambda row: isinstance(row, target.model),
        "it is no instance, unlike the first row",
        target,
    )
    states = [inspect(row) for row in rows]
    _require(
        states,
        lambda state: state.transient,
        "it is not new: its session saves it",
        target,
    )
    for relation in target.mapper.relationships.keys():  # noqa: SIM118 - it is no dict
        _require(
            states,
            lambda state, relation=relation: not state.dict.get(relation),
            f"{relation} is set: write the related rows with a bulk of their own",
            target,
        )
    columns: dict[str, Column] = {}
    for name in target.columns:
        values = [state.dict.get(name, MISSING) for state in states]
        if name in target.key:
            values = [MISSING if value is None else value for value in values]
        if any(value is not MISSING for value in values):
            columns[name] = values
    return Batch(len(rows), columns, rows)


def _require(items: Iterable[Any], holds: Any, message: str, target: Target) -> None:
    errors = [
        RowRefusal(row, "", message, type(item).__name__)
        for row, item in enumerate(items)
        if not holds(item)
    ]
    if errors:
        raise BulkRefused(target.name, errors)
