"""What every result of analytics can do: show the SQL it is from, and leave as a file."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, PrivateAttr

from andamios_orm.bulk.arrow import require_pyarrow
from project_architect_db.schemas.common import BaseSchema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pyarrow.lib import Table as ArrowTable
    from sqlalchemy import Dialect
    from sqlalchemy.sql import ClauseElement

__all__ = ["AnalyticsResult", "ExecutedStatement", "Figure", "Part"]

Figure: TypeAlias = dict[str, Any]
"""One row of a result in long form, by column."""

LONG: Final[Mapping[str, str]] = {
    "part": "text",
    "key": "text",
    "measure": "text",
    "value": "number",
    "text": "text",
}
"""The columns of the long form, and of what type they are."""


class Part(BaseSchema):
    """A part of a result."""

    # What is reported is written as it is stored: two roles that differ in a blank are two.
    model_config = ConfigDict(use_attribute_docstrings=True, str_strip_whitespace=False)


class ExecutedStatement(Part):
    """One statement as it went to the database, and what was bound to it."""

    sql: str
    """Its text, with the placeholders of the driver."""
    parameters: dict[str, Any]
    """What was bound, by name, in the order of the placeholders; never part of the text."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The statements of a result, which do not tell it from an equal one."""

    statements: tuple[ClauseElement, ...] = field(default=(), compare=False)
    dialect: Dialect | None = field(default=None, compare=False)


class AnalyticsResult(Part):
    """Figures, with the time that they are about and the statements that they are from.

    ``rows()`` are the figures in long form, which ``to_csv()``, ``to_arrow()`` and
    ``to_parquet()`` write: one row for each figure, with the columns

    =========== =====================================================================
    ``part``    the field; of a field of a part, both with a dot between them
    ``key``     which entry: the key of a dict; of an entry of a list its ``project_id``,
                ``id``, ``name``, ``phase``, ``role``, ``code`` or ``email``, or else its
                place from 0. Of entries in entries both, with a ``/`` between; else empty
    ``measure`` what of it; ``value`` if it is one number or text
    ``value``   the number, a float; null if there is none, or if it is no number
    ``text``    the text, a moment in ISO 8601, ``true`` or ``false``; null for numbers
    =========== =====================================================================
    """

    columns: ClassVar[Mapping[str, str]] = LONG
    """The columns of ``rows()``: each is a ``text``, ``number``, ``whole`` or ``moment``."""

    timezone: str
    """The time zone, by IANA's name, in which days and hours begin."""
    start: dt.datetime | None
    """From when on rows count, in UTC; None is from the first on."""
    end: dt.datetime | None
    """Before when rows count, in UTC; None is up to the last, those of the future too."""
    as_of: dt.datetime
    """What "now" is for ages: when the current hour began, in UTC. So answers can be kept."""

    _asked: _Asked = PrivateAttr(default_factory=_Asked)

    def asked(self, statements: Iterable[ClauseElement], dialect: Dialect) -> None:
        """Note the statements that the figures are from."""
        self._asked = _Asked(tuple(statements), dialect)

    @property
    def sql(self) -> list[ExecutedStatement]:
        """The statements that the figures are from, in order.

        They are those that were asked for; the cache may have answered instead of the database.
        """
        return [_shown(each, self._asked.dialect) for each in self._asked.statements]

    def rows(self) -> list[Figure]:
        """Return the figures in long form, in the order of the fields."""
        return list(_figures(self, "", ""))

    def to_json(self) -> str:
        """Return the result as JSON, by the names of its fields; moments in ISO 8601."""
        return self.model_dump_json()

    def to_csv(self) -> str:
        """Return ``rows()`` as CSV with a line of names; null is empty."""
        written = io.StringIO(newline="")
        writer = csv.DictWriter(written, list(self.columns), lineterminator="\n")
        writer.writeheader()
        for row in self.rows():
            writer.writerow({name: _as_text(value) for name, value in row.items()})
        return written.getvalue()

    def to_arrow(self) -> ArrowTable:
        """Return ``rows()`` as an Arrow table.

        Raises:
            MissingExtra: pyarrow is not installed.
        """
        arrow = require_pyarrow("an Arrow table", package="project-architect-db")
        types = {
            "text": arrow.string(),
            "number": arrow.float64(),
            "whole": arrow.int64(),
            "moment": arrow.timestamp("us", tz="UTC"),
        }
        fields = [(name, types[kind]) for name, kind in self.columns.items()]
        return arrow.Table.from_pylist(self.rows(), schema=arrow.schema(fields))

    def to_parquet(self, path: str | Path) -> None:
        """Write ``rows()`` to a Parquet file, in place of what is there.

        Raises:
            MissingExtra: pyarrow is not installed.
        """
        table: Any = self.to_arrow()
        import pyarrow.parquet

        write: Any = pyarrow.parquet.write_table
        write(table, path)


# ---- statements ------------------------------------------------------------------------


def _shown(statement: ClauseElement, dialect: Dialect | None) -> ExecutedStatement:
    compiled: Any = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    names = compiled.positiontup or compiled.params
    return ExecutedStatement(
        sql=str(compiled), parameters={name: compiled.params[name] for name in names}
    )


# ---- the long form -----------------------------------------------------------------------

_KEYS: Final = ("project_id", "id", "name", "phase", "role", "code", "email")


def _figures(model: BaseModel, part: str, key: str) -> Iterator[Figure]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        yield from _of_field(f"{part}.{name}" if part else name, key, value)


def _of_field(part: str, key: str, value: Any) -> Iterator[Figure]:
    if isinstance(value, BaseModel):
        yield from _figures(value, part, key)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _of_entry(part, _joined(key, str(name)), each)
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from _of_entry(part, _joined(key, _key_of(each, place)), each)
    else:
        yield _figure(part, key, "value", value)


def _of_entry(part: str, key: str, entry: Any) -> Iterator[Figure]:
    """Yield the figures of one entry: a row for each of its fields."""
    if not isinstance(entry, BaseModel):
        yield _figure(part, key, "value", entry)
        return
    for name in type(entry).model_fields:
        value = getattr(entry, name)
        if isinstance(value, (BaseModel, dict, list)):
            yield from _of_field(f"{part}.{name}", key, value)
        else:
            yield _figure(part, key, name, value)


def _key_of(entry: Any, place: int) -> str:
    for name in _KEYS:
        found = getattr(entry, name, None)
        if found is not None:
            return str(found)
    return str(place)


def _joined(outer: str, inner: str) -> str:
    return f"{outer}/{inner}" if outer else inner


def _figure(part: str, key: str, measure: str, value: Any) -> Figure:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {
        "part": part,
        "key": key,
        "measure": measure,
        "value": float(value) if is_number else None,
        "text": None if is_number or value is None else _as_text(value),
    }


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    return str(value)
