"""Results as tables, frames, files and objects."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import type_coerce, types

from andamios_orm.core.connection import fetch_arrow
from andamios_orm.dialect.files import complete_file
from andamios_orm.dialect.types import encode_json
from andamios_orm.exceptions import MissingExtra, QueryRefused, UnknownField
from andamios_orm.queries.fields import plain_type
from andamios_orm.queries.plan import batch_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.sql.type_api import TypeEngine

    from andamios_orm.queries.plan import Plan

__all__ = [
    "pandas_frame",
    "polars_frame",
    "schema_fields",
    "shaped",
    "table",
    "to_csv",
    "to_parquet",
]

SchemaT = TypeVar("SchemaT")


def required(module: str, extra: str) -> Any:
    """Return an optional module.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise MissingExtra(f"{name} is not installed: pip install {extra}") from error


_ARROW = "'andamios-orm[arrow]'"
_POLARS = "'andamios-orm[polars]'"


async def table(session: AsyncSession, plan: Plan, columns: Sequence[Any]) -> Any:
    """Return the result of ``plan`` as an Arrow table, with the types of its columns."""
    arrow = required("pyarrow", _ARROW)
    statement = stored(plan, columns)
    if session.get_bind().dialect.name == "duckdb":
        found = await fetch_arrow(session, statement)
        return _conformed(arrow, found, schema_of(arrow, statement))
    rows = (await session.execute(statement)).all()
    return arrow.Table.from_batches([_batch(arrow, schema_of(arrow, statement), rows)])


def stored(plan: Plan, columns: Sequence[Any]) -> Select[Any]:
    """Return the statement for the columns as the database holds them."""
    statement = plan.columns(plan.fields(columns))
    return statement.with_only_columns(
        *(_as_stored(column) for column in statement.selected_columns), maintain_column_froms=True
    )


def _as_stored(column: Any) -> Any:
    plain = plain_type(column.type)
    return column if plain is column.type else type_coerce(column, plain).label(column.key)


def schema_of(arrow: Any, statement: Select[Any]) -> list[tuple[str, Any]]:
    """Return name and Arrow type of each column; None where the type tells nothing."""
    return [
        (str(column.key), arrow_type(arrow, column.type)) for column in statement.selected_columns
    ]


def arrow_type(arrow: Any, kind: TypeEngine[Any]) -> Any:
    """Return the Arrow type in which values of ``kind`` are kept."""
    if isinstance(kind, types.ARRAY):
        inner = arrow_type(arrow, kind.item_type)
        return None if inner is None else arrow.list_(inner)
    if isinstance(kind, types.DateTime):
        return arrow.timestamp("us", tz="UTC" if kind.timezone else None)
    if isinstance(kind, types.Numeric) and not isinstance(kind, types.Float):
        if kind.precision is None or not kind.asdecimal:
            return None
        return arrow.decimal128(kind.precision, kind.scale or 0)
    for sql, name in _TYPES:
        if isinstance(kind, sql):
            return getattr(arrow, name[0])(*name[1:])
    return None


_TYPES: tuple[tuple[type[TypeEngine[Any]], tuple[str, ...]], ...] = (
    (types.Boolean, ("bool_",)),
    (types.SmallInteger, ("int16",)),
    (types.BigInteger, ("int64",)),
    (types.Integer, ("int32",)),
    (types.Float, ("float64",)),
    (types.String, ("string",)),
    (types.Enum, ("string",)),
    (types.Date, ("date32",)),
    (types.Time, ("time64", "us")),
    (types.Interval, ("duration", "us")),
    (types.Uuid, ("string",)),
    (types.LargeBinary, ("binary",)),
    (types.JSON, ("string",)),
)


def _conformed(arrow: Any, found: Any, schema: list[tuple[str, Any]]) -> Any:
    """Return the table of DuckDB with the types that the model says, where they differ."""
    columns = []
    for column, (_, wanted) in zip(found.columns, schema, strict=True):
        held = column
        if wanted is not None and held.type != wanted:
            held = held.cast(wanted)
        columns.append(held)
    return arrow.Table.from_arrays(columns, names=[name for name, _ in schema])


def _batch(arrow: Any, schema: list[tuple[str, Any]], rows: Sequence[Any]) -> Any:
    arrays = []
    for at, (_, wanted) in enumerate(schema):
        values = [_plain(row[at], wanted, arrow) for row in rows]
        arrays.append(arrow.array(values, type=wanted))
    return arrow.RecordBatch.from_arrays(arrays, names=[name for name, _ in schema])


def _plain(value: Any, wanted: Any, arrow: Any) -> Any:
    if value is None or isinstance(value, (int, float, bool)):
        text = value is not None and wanted == arrow.string()
        return encode_json(value) if text else value
    if isinstance(value, (dict, list)) and (wanted is None or wanted == arrow.string()):
        return encode_json(value)
    if wanted == arrow.string():
        return getattr(value, "name", None) or str(value)
    return value


async def batches(
    session: AsyncSession, plan: Plan, columns: Sequence[Any], size: int
) -> AsyncIterator[Any]:
    """Yield the result as record batches of at most ``size`` rows; one empty one if it is empty."""
    arrow = required("pyarrow", _ARROW)
    statement = stored(plan, columns)
    schema = schema_of(arrow, statement)
    result = await session.stream(statement.execution_options(yield_per=batch_of(size)))
    none = True
    async for rows in result.partitions(size):
        batch = _batch(arrow, schema, rows)
        # What the types do not tell, the first batch decides.
        schema = [
            (name, kind) for name, kind in zip(batch.schema.names, batch.schema.types, strict=True)
        ]
        none = False
        yield batch
    if none:
        yield _batch(arrow, schema, [])


async def to_parquet(
    session: AsyncSession, plan: Plan, columns: Sequence[Any], path: Path | str, *, batch_size: int
) -> int:
    """Write the result to a Parquet file and return the number of rows."""
    writer = required("pyarrow.parquet", _ARROW).ParquetWriter
    return await _written(batches(session, plan, columns, batch_size), Path(path), writer)


async def to_csv(
    session: AsyncSession, plan: Plan, columns: Sequence[Any], path: Path | str, *, batch_size: int
) -> int:
    """Write the result to a CSV file and return the number of rows."""
    writer = required("pyarrow.csv", _ARROW).CSVWriter
    return await _written(batches(session, plan, columns, batch_size), Path(path), writer)


async def _written(source: AsyncIterator[Any], path: Path, make: Any) -> int:
    """Write a file that is whole or not there, and return how many rows are in it."""
    rows = 0
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(complete_file(path))
        writing = stack.enter_context(contextlib.ExitStack())
        writer: Any = None
        async for batch in source:
            if writer is None:
                writer = await asyncio.to_thread(make, file, batch.schema)
                writing.callback(writer.close)
            await asyncio.to_thread(writer.write_batch, batch)
            rows += batch.num_rows
        await asyncio.to_thread(stack.pop_all().close)
    return rows


def polars_frame(found: Any) -> Any:
    """Return the Polars frame of an Arrow table."""
    return required("polars", _POLARS).from_arrow(found)


def pandas_frame(found: Any) -> Any:
    """Return the pandas frame of an Arrow table."""
    required("pandas", "pandas")
    return found.to_pandas()  # pragma: no cover - pandas is not in the environment of the tests


def schema_fields(plan: Plan, schema: type[Any]) -> list[str] | None:
    """Return the fields of the model that ``schema`` has; None if rows are not of a model.

    Raises:
        QueryRefused: it is neither a pydantic model nor a dataclass.
        UnknownField: it requires a field that the model does not have.
    """
    needed = _schema(schema)
    if plan.gives_rows:
        return None
    known = {field.name: field for field in plan.fields()}
    missing = [name for name, required_ in needed.items() if required_ and name not in known]
    if missing:
        raise UnknownField(
            f"{schema.__name__} requires {', '.join(missing)}, which the model does not store",
            sorted(known),
        )
    return [name for name in needed if name in known]


def _schema(schema: Any) -> dict[str, bool]:
    """Return the names that ``schema`` takes, each with whether it must have it."""
    if dataclasses.is_dataclass(schema):
        absent = dataclasses.MISSING
        return {
            field.name: field.default is absent and field.default_factory is absent
            for field in dataclasses.fields(schema)
            if field.init
        }
    fields = getattr(schema, "model_fields", None)
    if not isinstance(fields, dict):
        raise QueryRefused(f"{schema!r:.60} is neither a pydantic model nor a dataclass")
    return {name: field.is_required() for name, field in fields.items()}


def shaped(schema: type[SchemaT], rows: Sequence[dict[str, Any]]) -> list[SchemaT]:
    """Return an object of ``schema`` for each row."""
    validate = getattr(schema, "model_validate", None)
    if validate is None:
        names = _schema(schema)
        return [schema(**{name: row[name] for name in names if name in row}) for row in rows]
    return [validate(row, by_name=True, by_alias=False) for row in rows]
