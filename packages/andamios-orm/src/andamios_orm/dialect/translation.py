"""DuckDB's errors in this package's words; the one place that reads its messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import duckdb

from andamios_orm.dialect.ddl import COUNTS
from andamios_orm.exceptions import (
    CheckViolation,
    ConstraintViolation,
    DatabaseAlreadyOpen,
    DatabaseCorrupt,
    DatabaseFault,
    DatabaseLocked,
    DatabaseUnavailable,
    DataFault,
    DiskFull,
    DuplicateKey,
    ForeignKeyViolation,
    MissingTable,
    NestedTransactionUnsupported,
    NotNullViolation,
    StatementRefused,
    TransactionAborted,
    WriteConflict,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["is_invalidated", "opening_error", "statement_error"]

_NO_SPACE = (
    "no space left on device",
    "disk full",
    "file too large",
    "error 28",
    "not enough space",
)
_CONFLICT = re.compile(
    r"Conflict on|write-write conflict|Transaction conflict|has been altered by a different"
    r"|conflict on commit",
    re.IGNORECASE,
)
_ALTERED = "another transaction has altered this table"
_DUPLICATE = re.compile(r'[Dd]uplicate key "(?P<key>.*?)"(?: violates|\.|$)', re.DOTALL)
_CONDITION = re.compile(
    rf", (CASE  WHEN \((?!.*, CASE  WHEN ).* END: )?{re.escape(COUNTS)}$", re.DOTALL
)
_NOT_NULL = re.compile(
    r"NOT NULL constraint failed: (?P<table>.+)\.(?P<column>[^.]+)$", re.MULTILINE
)
_CHECK = re.compile(
    r"CHECK constraint failed on table (?P<table>.+?) with expression (?P<rule>.*)", re.DOTALL
)
_FOREIGN = re.compile(
    r'foreign key constraint because key "(?P<key>.*?)" (?P<what>does not|is still)'
)
_TARGET = re.compile(
    r"^\s*(?:insert\s+(?:or\s+\w+\s+)?into|update|delete\s+from|merge\s+into)\s+"
    r'(?P<table>(?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+))*)',
    re.IGNORECASE,
)
_MISSING = re.compile(r"Catalog Error: Table with name (?P<table>.+?) does not exist")
_PID = re.compile(r"\(PID (?P<pid>\d+)\)")
_CORRUPT = (
    "not a valid duckdb database file",
    "corrupt",
    "checksum",
    "computed checksum",
    "failed to load metadata pointer",
    "could not read enough bytes",
    "serialization error",
    "replaying wal",
    "not a duckdb database",
    "deserialize",
)


_ABOUT_FILES = (
    duckdb.IOException,
    duckdb.TransactionException,
    duckdb.FatalException,
    duckdb.OutOfMemoryException,
)


def is_invalidated(error: BaseException) -> bool:
    """Whether the whole instance can no longer be used and must be opened anew."""
    return isinstance(error, duckdb.FatalException) or (
        isinstance(error, _ABOUT_FILES) and "has been invalidated" in str(error)
    )


def statement_error(
    error: BaseException,
    statement: str,
    params: Any,
    *,
    hide_parameters: bool,
    path: Path | None = None,
) -> BaseException:
    """Return the error to raise instead of ``error``, or ``error`` itself.

    A message may quote what a user has written, so its words count only in the
    kinds of error that can carry them.
    """
    context: dict[str, Any] = {
        "statement": statement,
        "params": params,
        "orig": error,
        "hide_parameters": hide_parameters,
    }
    message = str(error)
    if isinstance(error, duckdb.ConstraintException) or (
        isinstance(error, duckdb.TransactionException) and "duplicate key" in message
    ):
        return _constraint(message, context) or error
    if isinstance(error, _ABOUT_FILES) and (named := _about_file(message, path, context)):
        return named
    if isinstance(error, duckdb.TransactionException) and _ALTERED in message:
        return TransactionAborted(
            "nothing was committed: DuckDB alters no table whose rows the same transaction has "
            "changed. Alter it in a transaction of its own",
            cause_message=_first_line(message),
            **context,
        )
    if isinstance(error, duckdb.TransactionException) and _CONFLICT.search(message):
        return WriteConflict(f"another writer was first: {_first_line(message)}", **context)
    return _about_statement(error, message, context) or error


def _about_statement(
    error: BaseException, message: str, context: dict[str, Any]
) -> DatabaseFault | None:
    if isinstance(error, duckdb.CatalogException) and (missing := _MISSING.match(message)):
        return MissingTable.named(missing["table"], **context)
    if isinstance(error, duckdb.DataError):
        return DataFault(_first_line(message), **context)
    if isinstance(error, duckdb.PermissionException):
        return StatementRefused(
            f"refused on this engine: {_first_line(message)}", kind="FILE", **context
        )
    if isinstance(error, duckdb.ParserException) and "savepoint" in message.lower():
        return nested_unsupported()
    return None


def _about_file(
    message: str, path: Path | None, context: dict[str, Any]
) -> DatabaseUnavailable | None:
    if _is_disk_full(message):
        return DiskFull(
            f"no space left for the database, what was committed before is safe: "
            f"{_first_line(message)}",
            path=path,
            **context,
        )
    if "corrupt database file" in message.lower():
        return _corrupt(message, path, **context)
    return None


def nested_unsupported() -> NestedTransactionUnsupported:
    """Return the error for a SAVEPOINT."""
    return NestedTransactionUnsupported(
        "DuckDB has no SAVEPOINT, so begin_nested() cannot undo a part of a transaction: use a "
        "transaction of its own for that part, or PostgreSQL"
    )


def opening_error(error: BaseException, path: Path | None) -> DatabaseFault | BaseException:
    """Return the named error for a database that could not be opened."""
    message = str(error)
    lowered = message.lower()
    if "conflicting lock is held" in lowered or "could not set lock" in lowered:
        found = _PID.search(message)
        pid = int(found["pid"]) if found else None
        return DatabaseLocked(
            f"{path} is open in another process{f' (PID {pid})' if pid else ''}. DuckDB allows one "
            f"process that writes, or many that read: stop that process, share one process behind "
            f"an API, open both with read_only=true, or use PostgreSQL for several writers",
            pid=pid,
            path=path,
            orig=error,
        )
    if "unique file handle conflict" in lowered or "different configuration" in lowered:
        return DatabaseAlreadyOpen(
            f"{path} is open in this process already through another DuckDB connection: close "
            f"that one, or use database.raw() of the engine that has it open",
            path=path,
            orig=error,
        )
    if _is_disk_full(message):
        return DiskFull(
            f"no space left to open {path}: {_first_line(message)}", path=path, orig=error
        )
    if any(mark in lowered for mark in _CORRUPT):
        return _corrupt(message, path, orig=error)
    if isinstance(error, duckdb.Error):
        return DatabaseUnavailable(
            f"{path or ':memory:'} cannot be opened: {_first_line(message)}", path=path, orig=error
        )
    return error


def _corrupt(message: str, path: Path | None, **context: Any) -> DatabaseCorrupt:
    return DatabaseCorrupt(
        f"{path} is damaged or is no DuckDB database ({_first_line(message)}): restore it from "
        f"a backup, or check the path",
        path=path,
        **context,
    )


def _constraint(message: str, context: dict[str, Any]) -> ConstraintViolation | None:
    target = _TARGET.match(context["statement"] or "")
    table = _unquoted(target["table"]) if target else None
    if found := _DUPLICATE.search(message):
        columns, value = _key(_CONDITION.sub("", found["key"]))
        shown = f" {', '.join(columns)} =" if columns else ""
        return DuplicateKey(
            f"a row of {table or 'the table'} with{shown} {value!r} exists already",
            table=table,
            columns=columns,
            value=value,
            **context,
        )
    if found := _NOT_NULL.search(message):
        return NotNullViolation(
            f"{found['table']}.{found['column']} must have a value",
            table=found["table"],
            columns=(found["column"],),
            **context,
        )
    if found := _CHECK.search(message):
        return CheckViolation(
            f"a row of {found['table']} breaks its rule {found['rule'].strip()}",
            table=found["table"],
            constraint=found["rule"].strip(),
            **context,
        )
    if found := _FOREIGN.search(message):
        columns, value = _key(found["key"])
        names = ", ".join(columns)
        if found["what"] == "does not":
            said = f"{table or 'the row'} refers to {names} = {value!r}, which does not exist"
        else:
            said = f"{table or 'the row'} with {names} = {value!r} is still referred to elsewhere"
        return ForeignKeyViolation(said, table=table, columns=columns, value=value, **context)
    return None


def _key(text: str) -> tuple[tuple[str, ...], str]:
    """Return the columns and the value of DuckDB's ``a: 1, b: x`` or plain ``1``."""
    if ": " not in text:
        return (), text
    pairs = [part.partition(": ") for part in text.split(", ")]
    if not all(colon for _, colon, _ in pairs):
        name, _, value = text.partition(": ")
        return (name,), value
    return tuple(name for name, _, _ in pairs), ", ".join(value for _, _, value in pairs)


def _unquoted(name: str) -> str:
    last = re.findall(r'"(?:[^"]|"")+"|[\w$]+', name)[-1]
    return last[1:-1].replace('""', '"') if last.startswith('"') else str(last)


def _is_disk_full(message: str) -> bool:
    lowered = message.lower()
    return any(mark in lowered for mark in _NO_SPACE)


def _first_line(message: str) -> str:
    return message.split("\n", 1)[0].strip()
