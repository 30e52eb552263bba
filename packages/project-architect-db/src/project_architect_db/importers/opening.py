"""Files and streams of rows, opened by their format and read a piece at a time."""

from __future__ import annotations

import asyncio
import io
import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias

from project_architect_db.importers.columns import Columns
from project_architect_db.importers.entities import ENTITIES
from project_architect_db.importers.errors import (
    FormatUnknown,
    SourceMissing,
    SourceRefused,
    nearest,
)
from project_architect_db.importers.texts import Text, csv_rows, json_rows, ndjson_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType
    from typing import Self

    from project_architect_db.importers.entities import Entity
    from project_architect_db.importers.texts import Found

__all__ = ["FORMATS", "Piece", "RowsFile", "Source"]

Source: TypeAlias = str | os.PathLike[str] | BinaryIO

FORMATS: Final = {
    "ndjson": (".ndjson", ".jsonl"),
    "json": (".json",),
    "csv": (".csv", ".tsv"),
    "parquet": (".parquet",),
    "arrow": (".arrow", ".arrows", ".feather", ".ipc"),
}
"""The formats, and the suffixes by which a file is known to be in one."""
_AT_ONCE: Final = 5_000
_BYTES: Final = 8 << 20


@dataclass(slots=True)
class Piece:
    """Some rows of a file: ``places`` are their numbers and lines, from 1."""

    places: list[tuple[int, int | None]] = field(default_factory=list)
    rows: list[dict[str, Any] | str] = field(default_factory=list)


class RowsFile:
    """A file or stream that was opened: its columns, if it names them first, and its rows.

    Raises:
        SourceRefused: it cannot be read; the subclass and the message say why.
        MissingExtra: it takes pyarrow, which is not installed.
    """

    def __init__(
        self,
        source: Source,
        entity: Entity,
        *,
        format: str | None,  # noqa: A002 - as users say it
        encoding: str | None,
    ) -> None:
        """Open ``source``, whose format is known by its suffix unless it is said."""
        self._stack = ExitStack()
        self.name = _name(source)
        self.format = _format(source, self.name, format)
        self.header: tuple[str, ...] | None = None
        with ExitStack() as stack:
            self._stream, self.size = _opened(source, self.name, stack)
            self._found, self.share = self._reader(entity, encoding, stack)
            self._stack = stack.pop_all()

    def _reader(
        self, entity: Entity, encoding: str | None, stack: ExitStack
    ) -> tuple[Iterator[Found], Callable[[], float | None]]:
        if self.format in {"parquet", "arrow"}:
            columns = Columns(self.name, self.format.capitalize(), self._stream, stack)
            self.header = columns.names
            self._position: Callable[[], int] = lambda: 0
            return columns.rows(), columns.share
        text = Text(self.name, self._stream, encoding)
        self._position = lambda: text.position
        if self.format == "csv":
            self.header, found = csv_rows(text)
        elif self.format == "json":
            names = {kind: frozenset({kind.name, kind.plural}) for kind in ENTITIES.values()}
            others = frozenset().union(*names.values()) - names[entity]
            found = json_rows(text, names[entity], others)
        else:
            found = ndjson_rows(text)
        return found, lambda: text.position / self.size if self.size else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    async def pieces(self) -> AsyncIterator[Piece]:
        """Yield the rows, some at a time, which are read on a thread."""
        numbered = enumerate(self._found, 1)
        while (piece := await asyncio.to_thread(self._piece, numbered)).rows:
            yield piece

    def _piece(self, numbered: Iterator[tuple[int, Found]]) -> Piece:
        piece = Piece()
        until = self._position() + _BYTES
        for number, (line, row) in numbered:
            piece.places.append((number, line))
            piece.rows.append(row)
            if len(piece.rows) == _AT_ONCE or self._position() > until:
                break
        return piece


def _name(source: Source) -> str:
    if isinstance(source, (str, os.PathLike)):
        return str(Path(source))
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "the stream"


def _format(source: Source, name: str, told: str | None) -> str:
    known = ", ".join(FORMATS)
    if told is not None:
        if told not in FORMATS:
            text = f"format={told!r}: known are {known}{nearest(told, FORMATS)}"
            raise FormatUnknown(name, text, tuple(FORMATS))
        return told
    is_path = isinstance(source, (str, os.PathLike))
    suffix = Path(name).suffix.lower()
    if is_path or suffix:
        for format_, suffixes in FORMATS.items():
            if suffix in suffixes:
                return format_
    what = f"the suffix {suffix!r} tells no format" if suffix else "it has no suffix"
    raise FormatUnknown(name, f"{what}: pass format=, one of {known}", tuple(FORMATS))


def _opened(source: Source, name: str, stack: ExitStack) -> tuple[BinaryIO, int]:
    """Return the bytes of a source and how many there are; 0 if that is not known."""
    if not isinstance(source, (str, os.PathLike)):
        given: object = source
        if isinstance(given, io.TextIOBase):
            raise SourceRefused(name, "it is a stream of text: pass one of bytes, such as .buffer")
        return source, 0
    try:
        stream = stack.enter_context(Path(source).open("rb"))  # noqa: SIM115 - stack closes it
        size = os.fstat(stream.fileno()).st_size
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceMissing(name, f"it cannot be opened: {reason}") from error
    return stream, size
