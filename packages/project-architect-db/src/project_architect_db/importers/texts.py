"""Texts with rows in them, read a piece at a time: NDJSON, JSON, CSV.

Each reader yields a line and what stands there: a row, or why it is none. What comes after
something that no reader can go on behind is ``SourceDamaged``.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from project_architect_db.importers.errors import EncodingRefused, SourceDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

__all__ = ["LONGEST", "Found", "Text", "csv_rows", "json_rows", "json_values", "ndjson_rows"]

Found: TypeAlias = "tuple[int | None, dict[str, Any] | str]"
"""A line, and the row that begins there; or, as text, why it is no row."""

LONGEST: Final = 64 << 20
"""Characters that a line, a cell or an item may have."""
_CHUNK: Final = 1 << 16
_BOMS: Final = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DELIMITERS: Final = ",;\t|"


class _Counted(io.BufferedIOBase):
    """A stream of bytes that knows how many were read of it, and how it began."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.position = 0
        self.head = b""

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        part = self.stream.read(size)
        self.position += len(part)
        self.head = self.head or part[:4]
        return part


class Text:
    """A text in a stream of bytes, and how far it was read.

    Raises:
        EncodingRefused: there is no such encoding; while reading, it is in another one.
    """

    def __init__(self, source: str, stream: BinaryIO, encoding: str | None = None) -> None:
        """Read ``stream`` as UTF-8, with or without a mark, unless another encoding is named."""
        self.source = source
        self._bytes = _Counted(stream)
        try:
            self.encoding = codecs.lookup(encoding or "utf-8").name
            plain = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
            counted: Any = self._bytes  # it has all that is used of a file
            self._text = io.TextIOWrapper(counted, plain, "strict", newline="")
        except (LookupError, ValueError) as error:
            text = f"no encoding is called {encoding!r}: name one that Python knows"
            raise EncodingRefused(source, text, str(encoding)) from error

    @property
    def position(self) -> int:
        """How many bytes were read."""
        return self._bytes.position

    def read(self, size: int) -> str:
        """Return so many characters, or fewer at the end."""
        return self._decoded(self._text.read, size)

    def lines(self) -> Iterator[str]:
        """Yield the lines, each with what ends it."""
        while line := self._decoded(self._text.readline, LONGEST):
            if len(line) == LONGEST:
                raise SourceDamaged(self.source, f"a line has more than {LONGEST} characters")
            yield line

    def _decoded(self, read: Callable[[int], str], size: int) -> str:
        try:
            return read(size)
        except UnicodeDecodeError as error:
            # What the decoder was given ends where reading has come to.
            offset = self.position - len(error.object) + error.start
            said = self.encoding.upper()
            byte = f"byte {offset} (0x{error.object[error.start]:02x}) is no {said}"
            marked = (name for bom, name in _BOMS if self._bytes.head.startswith(bom))
            meant = next(marked, None)
            remedy = f"encoding={meant!r}" if meant else "encoding= with the one it is written in"
            raise EncodingRefused(
                self.source, f"{byte}: pass {remedy}", self.encoding, offset
            ) from None


# ---- NDJSON ------------------------------------------------------------------------------


def ndjson_rows(text: Text) -> Iterator[Found]:
    """Yield the row of each line that is not empty."""
    for number, line in enumerate(text.lines(), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield number, f"it is no JSON: {error.msg} at character {error.pos + 1}"
        else:
            yield number, _row(row)


def _row(value: Any) -> dict[str, Any] | str:
    return value if isinstance(value, dict) else f"a row is an object, not {_KINDS[type(value)]}"


_KINDS: Final = {
    list: "a list",
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


# ---- JSON --------------------------------------------------------------------------------


def json_rows(text: Text, names: frozenset[str], others: frozenset[str]) -> Iterator[Found]:
    """Yield the items of an array, or of that array in an object whose name is in ``names``.

    Arrays that are named in ``others`` are passed over. An object with neither is one row.
    """
    scan = _Scan(text)
    if scan.peek() == "[":
        yield from ((line, _row(item)) for line, item in scan.items())
    elif scan.peek() == "{":
        yield from _of_object(scan, names, others)
    else:
        raise scan.damaged("there is neither an array nor an object")
    if scan.peek():
        raise scan.damaged("something follows what should be all of it")


def _of_object(scan: _Scan, names: frozenset[str], others: frozenset[str]) -> Iterator[Found]:
    row: dict[str, Any] = {}
    is_row = True
    line = scan.line
    for key in scan.each_key():
        listed = scan.peek() == "["
        if listed and key in names | others:
            is_row = False
            for at, item in scan.items():
                if key in names:
                    yield at, _row(item)
        else:
            row[key] = scan.value()
    if is_row:
        yield line, row


def json_values(text: Text) -> Iterator[Found]:
    """Yield objects that follow each other, by themselves or in arrays, or arrays of arrays."""
    scan = _Scan(text)
    while scan.peek():
        found = scan.items() if scan.peek() == "[" else [(scan.line, scan.value())]
        for line, value in found:
            listed = value if isinstance(value, list) else [value]
            yield from ((line, _row(item)) for item in listed)


class _Scan:
    """JSON that is read as it comes: a value at a time is in memory."""

    def __init__(self, text: Text) -> None:
        self._source = text
        self._decoder = json.JSONDecoder(parse_constant=_refuse)
        self._held = ""
        self._at = 0
        self._is_at_end = False
        self.line = 1

    def peek(self) -> str:
        """Return the next character that is no blank, or nothing at the end."""
        while True:
            held, start = self._held, self._at
            while self._at < len(held) and held[self._at] in " \t\r\n":
                self._at += 1
            self.line += held.count("\n", start, self._at)
            if self._at < len(held):
                return held[self._at]
            if not self._more(_CHUNK):
                return ""

    def items(self) -> Iterator[tuple[int, Any]]:
        """Yield the items of an array."""
        self._expect("[")
        is_first = True
        while self.peek() != "]":
            if not is_first:
                self._expect(",")
                self.peek()
            is_first = False
            yield self.line, self.value()
        self._expect("]")

    def each_key(self) -> Iterator[str]:
        """Yield the keys of an object, each when its value is what comes next."""
        self._expect("{")
        is_first = True
        while self.peek() != "}":
            if not is_first:
                self._expect(",")
            is_first = False
            if self.peek() != '"':
                raise self.damaged("a key is text in quotes")
            key = str(self.value())
            self._expect(":")
            yield key
        self._expect("}")

    def value(self) -> Any:
        """Return the value that comes next."""
        self.peek()
        wanted = _CHUNK
        while True:
            try:
                value, end = self._decoder.raw_decode(self._held, self._at)
            except json.JSONDecodeError as error:
                if not self._more(wanted):
                    self.line += self._held.count("\n", self._at, error.pos)
                    raise self.damaged(f"it is no JSON: {error.msg}") from None
            except (ValueError, RecursionError) as error:
                raise self.damaged(f"it is no JSON: {error}") from None
            else:
                # A number may go on in what was not read yet.
                if end < len(self._held) or not self._more(wanted):
                    self.line += self._held.count("\n", self._at, end)
                    self._at = end
                    return value
            wanted *= 2  # so that a long value is not tried over and over

    def damaged(self, reason: str) -> SourceDamaged:
        """Return the error that says where it is."""
        return SourceDamaged(self._source.source, reason, self.line)

    def _expect(self, mark: str) -> None:
        found = self.peek()
        if found != mark:
            shown = repr(found) if found else "the end"
            raise self.damaged(f"{mark!r} was expected, and {shown} is there")
        self._at += 1

    def _more(self, size: int) -> bool:
        if self._is_at_end:
            return False
        part = self._source.read(size)
        self._is_at_end = not part
        self._held = self._held[self._at :] + part
        self._at = 0
        if len(self._held) > 2 * LONGEST:
            raise self.damaged(f"an item has more than {LONGEST} characters")
        return not self._is_at_end


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")


# ---- CSV ---------------------------------------------------------------------------------


def csv_rows(text: Text) -> tuple[tuple[str, ...], Iterator[Found]]:
    """Return the names in the first line, and the rows; an empty cell says nothing.

    The names are separated by the one of ``, ; tab |`` that is most in the first line, and
    so is all else.

    Raises:
        SourceDamaged: there are no names, or one comes twice.
    """
    # One limit for the whole process, too low for a document: it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
    lines = text.lines()
    first = next(lines, "")
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(_chained(first, lines), delimiter=delimiter, strict=True)
    try:
        names = tuple(name.strip() for name in next(reader, []))
    except csv.Error as error:
        raise SourceDamaged(text.source, f"it is no CSV: {error}", 1) from None
    if not any(names):
        raise SourceDamaged(text.source, "the first line has no names of columns", 1)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceDamaged(text.source, f"columns come twice: {', '.join(map(repr, twice))}", 1)
    return names, _csv_rows(text, reader, names)


def _chained(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _csv_rows(text: Text, reader: Any, names: tuple[str, ...]) -> Iterator[Found]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise SourceDamaged(text.source, f"it is no CSV: {error}", reader.line_num) from None
        if cells is None:
            return
        if not cells:
            continue
        if len(cells) != len(names):
            yield line, f"it has {len(cells)} cells, and the first line has {len(names)}"
        else:
            yield line, {name: cell for name, cell in zip(names, cells, strict=True) if cell}
