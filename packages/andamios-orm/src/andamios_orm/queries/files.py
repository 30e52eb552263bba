"""Rows of a query written to an open file, a batch at a time."""

from __future__ import annotations

import asyncio
import base64
import csv
import enum
import io
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import orjson

from andamios_orm.exceptions import QueryRefused
from andamios_orm.queries.export import batches, required
from andamios_orm.queries.plan import batch_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from typing import BinaryIO

    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.queries.plan import Plan

__all__ = ["FORMS", "Form", "write"]

Form = Literal["csv", "ndjson", "json", "parquet", "arrow"]
"""What rows can be written as; ``arrow`` is Arrow's format for streams."""
FORMS: Final[tuple[Form, ...]] = get_args(Form)


async def write(  # noqa: PLR0913 - a query, and how to write it
    session: AsyncSession,
    plan: Plan,
    columns: Sequence[Any],
    file: BinaryIO,
    form: Form,
    *,
    batch_size: int,
    progress: Callable[[int], None] | None,
) -> int:
    """Write the result of ``plan`` to ``file``, and return how many rows it has.

    Raises:
        QueryRefused: there is no such form.
        MissingExtra: the form needs pyarrow, which is not installed.
    """
    if form not in FORMS:
        raise QueryRefused(f"rows cannot be written as {form!r:.60}", FORMS)
    writer: Any = (_Columns if form in {"parquet", "arrow"} else _WRITERS[form])(file, form)
    rows = 0
    async for part, count in writer.parts(session, plan, columns, batch_of(batch_size)):
        await asyncio.to_thread(writer.write, part)
        rows += count
        if progress is not None:
            progress(rows)
    await asyncio.to_thread(writer.close)
    return rows


class _Rows:
    """Writes rows as text."""

    def __init__(self, file: BinaryIO, form: Form) -> None:
        self._file = file
        self._form = form
        self._names: list[str] = []
        self._begun = False

    async def parts(
        self, session: AsyncSession, plan: Plan, columns: Sequence[Any], size: int
    ) -> AsyncIterator[tuple[Sequence[Any], int]]:
        """Yield some rows at a time, and how many they are."""
        statement = plan.table(columns).execution_options(yield_per=size)
        found = await session.stream(statement)
        try:
            self._names = list(found.keys())
            async for rows in found.partitions(size):
                yield rows, len(rows)
        finally:
            await found.close()

    def write(self, rows: Sequence[Any]) -> None:
        """Write some rows."""
        lines = (orjson.dumps(dict(zip(self._names, row, strict=True)), _told) for row in rows)
        self._file.write(b"".join(line + b"\n" for line in lines))

    def close(self) -> None:
        """Write what comes after the last row."""


class _Array(_Rows):
    """Writes rows as one array of JSON."""

    def write(self, rows: Sequence[Any]) -> None:
        """Write some rows."""
        lines = (orjson.dumps(dict(zip(self._names, row, strict=True)), _told) for row in rows)
        self._file.write((b",\n" if self._begun else b"[\n") + b",\n".join(lines))
        self._begun = True

    def close(self) -> None:
        """Write what comes after the last row."""
        self._file.write(b"\n]\n" if self._begun else b"[]\n")


class _Lines(_Rows):
    """Writes rows as CSV, below a line with their names."""

    def write(self, rows: Sequence[Any]) -> None:
        """Write some rows."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        if not self._begun:
            writer.writerow(self._names)
        writer.writerows([_cell(value) for value in row] for row in rows)
        self._file.write(text.getvalue().encode())
        self._begun = True

    def close(self) -> None:
        """Write the names, if there are no rows."""
        if not self._begun:
            self.write(())


_WRITERS: Final = {"ndjson": _Rows, "json": _Array, "csv": _Lines}


def _cell(value: Any) -> Any:
    """Return a value as it stands in CSV.

    >>> _cell(True), _cell({"a": 1}), _cell(None)
    ('true', '{"a":1}', None)
    """
    plain = value.value if isinstance(value, enum.Enum) else value
    if plain is None or type(plain) in {str, int, float}:
        return plain
    return orjson.dumps(plain, _told).decode().strip('"')


def _told(value: object) -> str:
    """Return what stands in JSON for a value that it has no form for: bytes are base64."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


class _Columns:
    """Writes record batches of Arrow."""

    def __init__(self, file: BinaryIO, form: Form) -> None:
        self._file = file
        self._form = form
        self._writer: Any = None

    async def parts(
        self, session: AsyncSession, plan: Plan, columns: Sequence[Any], size: int
    ) -> AsyncIterator[tuple[Any, int]]:
        """Yield record batches, and how many rows each has."""
        async for batch in batches(session, plan, columns, size):
            yield batch, batch.num_rows

    def write(self, batch: Any) -> None:
        """Write a batch; the first one says what columns there are."""
        if self._writer is None:
            extra = "'andamios-orm[arrow]'"
            if self._form == "parquet":
                make = required("pyarrow.parquet", extra).ParquetWriter
            else:
                make = required("pyarrow.ipc", extra).new_stream
            self._writer = make(self._file, batch.schema)
        self._writer.write_batch(batch)

    def close(self) -> None:
        """Write what comes after the last batch."""
        self._writer.close()
