"""Columns in files, Parquet and Arrow, read as rows a batch at a time."""

from __future__ import annotations

import io
import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from andamios_orm.bulk.arrow import pyarrow, require_pyarrow
from project_architect_db.importers.errors import SourceDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import ExitStack
    from typing import BinaryIO

    from project_architect_db.importers.texts import Found

__all__ = ["Columns"]

_AT_ONCE: Final = 5_000
_BYTES: Final = 8 << 20
"""About how much of a file is in memory at a time."""
_SPOOLED: Final = 32 << 20
_MAGIC: Final = b"ARROW1"


class Columns:
    """A file of columns: their names, the rows, and how much of it was read.

    Raises:
        MissingExtra: pyarrow is not installed.
        SourceDamaged: it is not what its format says.
    """

    def __init__(self, source: str, kind: str, stream: BinaryIO, stack: ExitStack) -> None:
        """Open what ``stream`` holds; ``stack`` closes it. ``kind`` is Parquet or Arrow."""
        require_pyarrow(f"reading {kind}", package="project-architect-db")
        self._source = source
        self._kind = kind
        file = _seekable(stream, stack)
        with self._damage():
            schema, batches, self.share = _OPENERS[kind](file, stack)
        self.names: tuple[str, ...] = tuple(schema.names)
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise SourceDamaged(source, f"columns come twice: {', '.join(map(repr, twice))}")
        self._batches = batches

    def rows(self) -> Iterator[Found]:
        """Yield the rows; what is null is not said."""
        batches = iter(self._batches)
        while True:
            with self._damage():
                batch = next(batches, None)
                lists = [] if batch is None else [_values(each) for each in batch.columns]
            if batch is None:
                return
            if not lists:
                yield from ((None, {}) for _ in range(batch.num_rows))
            for cells in zip(*lists, strict=True):
                row = zip(self.names, cells, strict=True)
                yield None, {name: cell for name, cell in row if cell is not None}

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Say of what pyarrow cannot read which file it is."""
        try:
            yield
        except (pyarrow().ArrowException, OSError, ValueError) as error:
            text = f"it cannot be read as {self._kind}: {error}"
            raise SourceDamaged(self._source, text) from error


def _seekable(stream: BinaryIO, stack: ExitStack) -> BinaryIO:
    """Return a stream in which one may go back: a copy, if that is not possible."""
    if stream.seekable():
        return stream
    spooled: Any = tempfile.SpooledTemporaryFile(max_size=_SPOOLED)  # noqa: SIM115 - stack closes it
    copy: BinaryIO = stack.enter_context(spooled)
    shutil.copyfileobj(stream, copy)
    copy.seek(0)
    return copy


Opened = tuple[Any, "Iterable[Any]", "Callable[[], float]"]


def _parquet(file: BinaryIO, stack: ExitStack) -> Opened:
    parquet = pyarrow("pyarrow.parquet")
    opened = parquet.ParquetFile(file, pre_buffer=False)
    stack.callback(opened.close)
    rows = opened.metadata.num_rows
    groups = map(opened.metadata.row_group, range(opened.metadata.num_row_groups))
    size = sum(group.total_byte_size for group in groups)
    at_once = min(_AT_ONCE, max(1, _BYTES * rows // max(size, 1)))
    batches = _Counted(opened.iter_batches(batch_size=at_once), rows)
    return opened.schema_arrow, batches, batches.share


def _arrow(file: BinaryIO, stack: ExitStack) -> Opened:
    """Open a file or a stream of Arrow; they are told apart by how they begin."""
    ipc = pyarrow("pyarrow.ipc")
    is_file = file.read(len(_MAGIC)) == _MAGIC
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if not is_file:
        stream = stack.enter_context(ipc.open_stream(file))
        return stream.schema, stream, lambda: file.tell() / size
    opened = stack.enter_context(ipc.open_file(file))
    count = opened.num_record_batches
    batches = _Counted(map(opened.get_batch, range(count)), count, by_row=False)
    return opened.schema, batches, batches.share


_OPENERS: Final = {"Parquet": _parquet, "Arrow": _arrow}


class _Counted:
    """Batches, and how many of them, or of their rows, were handed out."""

    def __init__(self, batches: Iterable[Any], total: int, *, by_row: bool = True) -> None:
        self._batches = batches
        self._total = total
        self._done = 0
        self._by_row = by_row

    def __iter__(self) -> Iterator[Any]:
        for batch in self._batches:
            self._done += batch.num_rows if self._by_row else 1
            yield batch

    def share(self) -> float:
        return self._done / self._total if self._total else 1.0


def _values(array: Any) -> Sequence[Any]:
    """Return a column as Python values, times to the microsecond."""
    pa = pyarrow()
    kind = array.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        array = array.cast(pa.timestamp("us", kind.tz), safe=False)
    values: list[Any] = array.to_pylist()
    if pa.types.is_map(kind):
        return [None if value is None else dict(value) for value in values]
    return values
