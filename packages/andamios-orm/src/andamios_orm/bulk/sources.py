"""Sources of rows, cut into batches: files, Arrow streams, iterables, async iterators.

Files are read by pyarrow, or by the standard library where it is missing, and never by
the database, whose own readers are shut.
"""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import itertools
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import types

from andamios_orm.bulk.arrow import ArrowColumn, has_pyarrow, is_arrow, pyarrow, require_pyarrow
from andamios_orm.bulk.rows import Batch
from andamios_orm.dialect import DuckDBDialect
from andamios_orm.dialect.types import implementation
from andamios_orm.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

    from andamios_orm.bulk.target import Target

__all__ = ["batches_of", "is_text_file", "read_text", "size_of"]

_BLOCK = 1 << 20


async def batches_of(source: Any, size: int, skip: int = 0) -> AsyncIterator[Any]:
    """Yield what ``source`` has in batches of at most ``size`` rows, without the first ``skip``.

    A batch is a list of rows, or an Arrow table; memory holds one batch at a time.

    Raises:
        ConfigurationError: the file is of an unknown kind.
        MissingExtra: it takes pyarrow, which is not installed.
    """
    if hasattr(source, "__aiter__"):
        async for batch in _of_async(source, size, skip):
            yield batch
        return
    if isinstance(source, (str, os.PathLike)):
        found = _file(Path(source), size)
    elif is_arrow(source):
        found = _of_arrow(source, size)
    else:
        for batch in _of_iterable(source, size, skip):
            yield batch
        return
    for batch in _skipping(found, skip):
        yield batch


async def _of_async(source: Any, size: int, skip: int) -> AsyncIterator[list[Any]]:
    batch: list[Any] = []
    left = skip
    async for row in source:
        if left:
            left -= 1
            continue
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _of_iterable(source: Iterable[Any], size: int, skip: int) -> Iterator[list[Any]]:
    rows = itertools.islice(source, skip, None)
    while batch := list(itertools.islice(rows, size)):
        yield batch


def _skipping(batches: Iterator[Any], skip: int) -> Iterator[Any]:
    """Yield batches of rows or Arrow tables from row ``skip`` on."""
    for batch in batches:
        count = len(batch)
        if skip >= count:
            skip -= count
            continue
        yield batch[skip:] if skip else batch
        skip = 0


def _of_arrow(source: Any, size: int) -> Iterator[Any]:
    pa = require_pyarrow("reading Arrow columns")
    if hasattr(source, "__arrow_c_stream__"):
        stream = pa.RecordBatchReader.from_stream(source)
    else:
        stream = [pa.record_batch(source)]
    yield from _cut(stream, size)


def _cut(stream: Iterable[Any], size: int) -> Iterator[Any]:
    """Yield tables of ``size`` rows out of record batches of any size."""
    pa = require_pyarrow("reading Arrow columns")
    waiting: list[Any] = []
    count = 0
    for piece in stream:
        batch = piece
        while count + batch.num_rows >= size:
            part = batch.slice(0, size - count)
            yield pa.Table.from_batches([*waiting, part])
            batch, waiting, count = batch.slice(size - count), [], 0
        if batch.num_rows:
            waiting.append(batch)
            count += batch.num_rows
    if count:
        yield pa.Table.from_batches(waiting)


# ---- files ---------------------------------------------------------------------------


def _reader_of(path: Path) -> Callable[[Path, int], Iterator[Any]]:
    read = _READERS.get(path.suffix.lower())
    if read is None or "\0" in path.name:
        known = ", ".join(_READERS)
        raise ConfigurationError(f"{path.name!r} is of an unknown kind: known are {known}")
    return read


def _file(path: Path, size: int) -> Iterator[Any]:
    read = _reader_of(path)
    try:
        yield from read(path, size)
    except ValueError as error:
        raise ConfigurationError(f"{path.name} cannot be read: {error}") from error


def is_text_file(source: Any) -> bool:
    """Whether the values of ``source`` are text that has to be read as what the column holds."""
    return isinstance(source, (str, os.PathLike)) and Path(source).suffix.lower() in _TEXT


def _parquet(path: Path, size: int) -> Iterator[Any]:
    require_pyarrow("reading Parquet")
    pq = pyarrow("pyarrow.parquet")

    with pq.ParquetFile(path, memory_map=False, pre_buffer=False) as file:
        yield from _cut(file.iter_batches(batch_size=size), size)


def _csv(path: Path, size: int) -> Iterator[Any]:
    if not has_pyarrow():
        with path.open(encoding="utf-8", newline="") as lines:
            yield from _of_iterable(csv.DictReader(lines), size, 0)
        return
    pa = pyarrow()
    arrow_csv = pyarrow("pyarrow.csv")

    with path.open(encoding="utf-8", newline="") as lines:
        names = next(csv.reader(lines), [])
    if not names:
        return
    options = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
    )
    reading = arrow_csv.ReadOptions(block_size=_BLOCK, use_threads=False)
    parsing = arrow_csv.ParseOptions(newlines_in_values=True)
    with arrow_csv.open_csv(
        path, read_options=reading, parse_options=parsing, convert_options=options
    ) as stream:
        yield from _cut(stream, size)


def _ndjson(path: Path, size: int) -> Iterator[Any]:
    with path.open("rb") as lines:
        yield from _of_iterable((_decoded(line) for line in lines if line.strip()), size, 0)


def _decoded(line: bytes) -> Any:
    """Return the row in a line; what is no JSON is refused as a row, with the others."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return line.decode(errors="replace")


_READERS: dict[str, Callable[[Path, int], Iterator[Any]]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".ndjson": _ndjson,
    ".jsonl": _ndjson,
}
_TEXT = {".csv", ".ndjson", ".jsonl"}


# ---- what text says --------------------------------------------------------------------


def read_text(batch: Batch, target: Target) -> Batch:
    """Return a batch whose texts are read as what their columns hold; nothing is no value.

    A text that says nothing of the kind stays as it is, and is refused with its row.
    """
    dialect = DuckDBDialect()
    columns: dict[str, Sequence[Any]] = {}
    for name, given in batch.columns.items():
        values = ArrowColumn(given.array).values() if isinstance(given, ArrowColumn) else given
        column = target.columns.get(name)
        read = None
        if column is not None and str in set(map(type, values)):
            read = _reader(implementation(column.type, dialect))
        columns[name] = values if read is None else [_said(read, value) for value in values]
    return Batch(batch.count, columns)


def _reader(found: Any) -> Callable[[str], Any] | None:
    return next((read for kind, read in _FROM_TEXT if isinstance(found, kind)), None)


def _said(read: Callable[[str], Any], value: Any) -> Any:
    if type(value) is not str:
        return value
    if not value:
        return None
    try:
        return read(value)
    except (ValueError, KeyError, ArithmeticError):
        return value


_TRUTH = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}

_FROM_TEXT: tuple[tuple[type, Callable[[str], Any]], ...] = (
    (types.Boolean, lambda text: _TRUTH[text.lower()]),
    (types.Integer, int),
    (types.Float, float),
    (types.Numeric, decimal.Decimal),
    (types.DateTime, dt.datetime.fromisoformat),
    (types.Date, dt.date.fromisoformat),
    (types.Time, dt.time.fromisoformat),
    (types.Uuid, uuid.UUID),
    (types.JSON, orjson.loads),
)


# ---- how much it is --------------------------------------------------------------------


def size_of(source: Any) -> int | None:
    """Return about how many bytes the rows of ``source`` take in memory, if it can tell."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        _reader_of(path)
        if path.suffix.lower() == ".parquet":
            require_pyarrow("reading Parquet")
            pq = pyarrow("pyarrow.parquet")

            with pq.ParquetFile(path) as file:
                groups = range(file.metadata.num_row_groups)
                return int(sum(file.metadata.row_group(each).total_byte_size for each in groups))
        return path.stat().st_size
    nbytes = getattr(source, "nbytes", None)
    if isinstance(nbytes, int):
        return nbytes
    estimated = getattr(source, "estimated_size", None)  # Polars
    return int(estimated()) if callable(estimated) else None
