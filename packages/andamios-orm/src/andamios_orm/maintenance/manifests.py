"""What is in a backup of the open form: the manifest, and what may stand in one.

A backup of the open form is a folder with ``manifest.json``, ``schema.sql`` for people, and
one Parquet file for each table under ``data``. The schema is read from the manifest as
values; the SQL that makes it is written here. What has to stay SQL, the default of a column
or the condition of a check, is taken only if DuckDB's parser says that it is one expression
which reads nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

import duckdb
from pydantic import TypeAdapter, ValidationError

from andamios_orm.dialect.quoting import literal, quoted
from andamios_orm.dialect.shapes import TableShape  # noqa: TC001 - pydantic reads it
from andamios_orm.exceptions import BackupFailed
from andamios_orm.maintenance.digests import require_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "DATA",
    "MANIFEST",
    "ROW_GROUP",
    "SCHEMA",
    "Enum",
    "Manifest",
    "Sequence",
    "Table",
    "View",
    "file_of",
    "manifest_of",
    "refused",
]

MANIFEST: Final = "manifest.json"
SCHEMA: Final = "schema.sql"
DATA: Final = "data"
ROW_GROUP: Final = 122_880
"""Rows in a row group, at most: with its entry in the footer it bounds what a file can hold."""
_LARGEST: Final = 16 * 2**20
_NESTED: Final = {"SUBQUERY", "STAR", "LAMBDA", "PARAMETER"}
_COLLATION: Final = re.compile(r"[\w.]+")


@dataclass(frozen=True, slots=True)
class Enum:
    """A type whose values are a few texts."""

    schema: str
    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence, and the number that it gives next."""

    schema: str
    name: str
    next: int
    step: int
    least: int
    greatest: int
    cycle: bool

    def definition(self) -> str:
        """Return the statement that makes it."""
        start = min(max(self.next, self.least), self.greatest)
        return (
            f"CREATE SEQUENCE {self.full_name} INCREMENT BY {self.step} "
            f"MINVALUE {self.least} MAXVALUE {self.greatest} START {start} "
            f"{'' if self.cycle else 'NO '}CYCLE"
        )

    @property
    def full_name(self) -> str:
        """Its name with its schema, quoted."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def has_ended(self) -> bool:
        """Whether it has given its last number."""
        return not self.least <= self.next <= self.greatest


@dataclass(frozen=True, slots=True)
class Table:
    """A table, with the size and the SHA-256 of the file that has its rows."""

    schema: str
    shape: TableShape
    rows: int
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class View:
    """A view, as DuckDB writes it."""

    schema: str
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is in a backup; a table stands behind those that it refers to."""

    format: Literal["andamios-orm backup"]
    version: Literal[1]
    schemas: tuple[str, ...]
    enums: tuple[Enum, ...]
    sequences: tuple[Sequence, ...]
    tables: tuple[Table, ...]
    views: tuple[View, ...]

    def as_json(self) -> bytes:
        """Return it as it is written."""
        return _adapter().dump_json(self, indent=2)

    @property
    def rows(self) -> dict[str, int]:
        """The number of rows of each table."""
        return {f"{table.schema}.{table.shape.name}": table.rows for table in self.tables}

    def statements(self) -> Iterator[str]:
        """Yield what makes all but the indexes and views."""
        for schema in self.schemas:
            yield f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}"
        for enum in self.enums:
            labels = ", ".join(map(literal, enum.labels))
            yield f"CREATE TYPE {quoted(enum.schema)}.{quoted(enum.name)} AS ENUM ({labels})"
        for sequence in self.sequences:
            yield sequence.definition()
            if sequence.has_ended:
                yield f"SELECT nextval({literal(sequence.full_name)})"
        for table in self.tables:
            yield table.shape.definition(quoted)
            yield from _comments(table.shape)

    def indexes(self) -> Iterator[str]:
        """Yield what makes the indexes."""
        for table in self.tables:
            for index in table.shape.indexes:
                yield index.definition(table.shape.full_name(quoted), quoted)
                if index.comment is not None:
                    name = f"{quoted(table.schema)}.{quoted(index.name)}"
                    yield f"COMMENT ON INDEX {name} IS {literal(index.comment)}"


def file_of(number: int) -> str:
    """Return the name of the file with the rows of a table, counted from 1.

    >>> file_of(7)
    '0007.parquet'
    """
    return f"{number:04}.parquet"


def manifest_of(folder: Path, digest: str | None) -> tuple[Manifest, str]:
    """Return the manifest of a backup in which nothing is suspicious so far, and its SHA-256.

    No data are read. ``digest`` is the SHA-256 that it must have, None if any will do.

    Raises:
        BackupFailed: something is; the message says what.
    """
    content = _content(folder)
    found = hashlib.sha256(content).hexdigest()
    require_digest(folder, found, digest)
    manifest = _parsed(folder, content)
    expected = {MANIFEST: _LARGEST, SCHEMA: None, DATA: None}
    _require_entries(folder, expected, {MANIFEST, DATA})
    files = {file_of(number): table.size for number, table in enumerate(manifest.tables, 1)}
    _require_entries(folder / DATA, files, set(files))
    with duckdb.connect(":memory:") as parser:
        for table in manifest.tables:
            if (table.shape.schema or "main") != table.schema:
                raise refused(folder, f"{table.shape.name} is in two schemas")
            try:
                _require_harmless(parser, table.shape)
            except ValueError as error:
                raise refused(folder, f"{table.shape.name}: {error}") from None
    return manifest, found


def refused(folder: Path, reason: str) -> BackupFailed:
    """Return the error for a backup that is not taken."""
    return BackupFailed(f"{folder} is no backup that can be restored: {reason}")


def _content(folder: Path) -> bytes:
    path = folder / MANIFEST
    try:
        mode = path.lstat()
    except (OSError, ValueError):
        raise refused(folder, f"it has no {MANIFEST}") from None
    if not stat.S_ISREG(mode.st_mode) or mode.st_size > _LARGEST:
        raise refused(folder, f"its {MANIFEST} is no file of at most {_LARGEST} bytes")
    return path.read_bytes()


def _parsed(folder: Path, content: bytes) -> Manifest:
    try:
        return _adapter().validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise refused(folder, f"in its {MANIFEST}, {where}: {first['msg']}") from None


def _require_entries(folder: Path, expected: dict[str, Any], needed: set[str]) -> None:
    """Refuse a folder in which something is missing, too much, a link, or of another size."""
    if folder.is_symlink() or not folder.is_dir():
        raise refused(folder, "it is no folder")
    found = {path.name: path.lstat() for path in folder.iterdir()}
    if missing := sorted(needed - set(found)):
        raise refused(folder, f"{missing[0]} is missing")
    if strange := sorted(set(found) - set(expected)):
        raise refused(folder, f"{strange[0]!r} does not belong there")
    for name, entry in found.items():
        if name == DATA:
            continue
        if not stat.S_ISREG(entry.st_mode) or entry.st_nlink != 1:
            raise refused(folder, f"{name} is no file of its own")
        size = expected[name]
        if isinstance(size, int) and name != MANIFEST and entry.st_size != size:
            raise refused(folder, f"{name} has {entry.st_size} bytes, not {size}")


def _require_harmless(parser: duckdb.DuckDBPyConnection, shape: TableShape) -> None:
    """Refuse a table with SQL in it that is more than types and expressions.

    Raises:
        ValueError: there is such.
    """
    expressions = [
        *(column.default for column in shape.columns),
        *(column.generated for column in shape.columns),
        *(constraint.expression for constraint in shape.constraints),
        *(part for index in shape.indexes for part in index.parts),
    ]
    for text in expressions:
        if text is not None and not _is_expression(parser, text):
            raise ValueError(f"{text!r} is no expression")
    for column in shape.columns:
        if not _is_type(parser, column.type):
            raise ValueError(f"{column.type!r} is no type")
        if column.collation is not None and not _COLLATION.fullmatch(column.collation):
            raise ValueError(f"{column.collation!r} is no collation")
    kinds = {constraint.kind for constraint in shape.constraints}
    if strange := kinds - {"PRIMARY KEY", "UNIQUE", "CHECK", "FOREIGN KEY"}:
        raise ValueError(f"{strange.pop()!r} is no constraint")


def _is_expression(parser: duckdb.DuckDBPyConnection, text: str) -> bool:
    """Return whether a text is one SQL expression that reads no table, file or parameter."""
    node = _tree(parser, f"SELECT ({text}\n)")
    if node is None or len(node["select_list"]) != 1 or set(_kinds(node)) & _NESTED:
        return False
    empty = ("where_clause", "having", "qualify", "sample")
    return node["from_table"]["type"] == "EMPTY" and not any(node[each] for each in empty)


def _is_type(parser: duckdb.DuckDBPyConnection, text: str) -> bool:
    """Return whether a text is a type, as DuckDB writes types."""
    node = _tree(parser, f"SELECT CAST(NULL AS {text}\n)")
    if node is None or len(node["select_list"]) != 1 or set(_kinds(node)) & _NESTED:
        return False
    found = node["select_list"][0]
    return bool(found["class"] == "CAST" and found["child"]["class"] == "CONSTANT")


def _tree(parser: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any] | None:
    """Return what DuckDB's parser makes of a query; it is not run, nor are names looked up."""
    [(text,)] = parser.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    parsed = json.loads(text)
    if parsed["error"] or len(parsed["statements"]) != 1:
        return None
    node: dict[str, Any] = parsed["statements"][0]["node"]
    return node if node["type"] == "SELECT_NODE" and not node["modifiers"] else None


def _kinds(node: Any) -> Iterator[str]:
    """Yield the classes of all expressions in a tree."""
    if isinstance(node, dict):
        if isinstance(node.get("class"), str):
            yield node["class"]
        for each in node.values():
            yield from _kinds(each)
    elif isinstance(node, list):
        for each in node:
            yield from _kinds(each)


def _comments(shape: TableShape) -> Iterator[str]:
    name = shape.full_name(quoted)
    if shape.comment is not None:
        yield f"COMMENT ON TABLE {name} IS {literal(shape.comment)}"
    for column in shape.columns:
        if column.comment is not None:
            place = f"{name}.{quoted(column.name)}"
            yield f"COMMENT ON COLUMN {place} IS {literal(column.comment)}"


@cache
def _adapter() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)
