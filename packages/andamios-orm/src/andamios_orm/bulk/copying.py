"""Rows into PostgreSQL over COPY, binary where psycopg knows the types."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Column, Connection, Table
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.types import TypeEngine

__all__ = ["can_copy", "copy_rows"]


def can_copy(connection: AsyncConnection, types: Iterable[TypeEngine[Any]]) -> bool:
    """Return whether values of these types can be sent as they are, without an expression."""
    return connection.dialect.driver.startswith("psycopg") and not any(
        type_._has_bind_expression  # noqa: SLF001 - SQLAlchemy has no public name
        for type_ in types
    )


async def copy_rows(
    connection: AsyncConnection,
    table: Table,
    columns: Sequence[Column[Any]],
    values: Sequence[Sequence[Any]],
) -> None:
    """Send columns of checked values into ``table``; errors are typed like any other's."""
    raw: Any = (await connection.get_raw_connection()).driver_connection
    preparer = connection.dialect.identifier_preparer
    listed = ", ".join(preparer.quote(column.name) for column in columns)
    types = _types(connection, columns, raw)
    form = "BINARY" if types else "TEXT"
    statement = f"COPY {preparer.format_table(table)} ({listed}) FROM STDIN (FORMAT {form})"
    try:
        async with raw.cursor() as cursor, cursor.copy(statement) as copy:
            if types:
                copy.set_types(types)
            for row in zip(*values, strict=True):
                await copy.write_row(row)
    except connection.dialect.loaded_dbapi.Error as error:
        await connection.run_sync(_translate, error, statement)
    except asyncio.CancelledError:
        if raw.info.transaction_status == _ACTIVE:
            # Cancelled as it began, psycopg left the COPY open: nothing else can be sent.
            await connection.invalidate()
        raise


def _translate(connection: Connection, error: BaseException, statement: str) -> None:
    """Raise the error of our tree for one of the driver's."""
    connection._handle_dbapi_exception(error, statement, None, None, None)  # noqa: SLF001 - what SQLAlchemy does for its own


def _types(connection: AsyncConnection, columns: Sequence[Column[Any]], raw: Any) -> list[Any]:
    """Return the server's types of the columns, or nothing if psycopg lacks one of them."""
    found = []
    for column in columns:
        name = connection.dialect.type_compiler_instance.process(column.type).lower()
        plain, _, rest = name.partition("(")
        dimension = "[]" if rest.endswith("[]") or plain.endswith("[]") else ""
        plain = f"{plain}{rest.partition(')')[2]}".removesuffix("[]").strip()
        known = raw.adapters.types.get(_NAMES.get(plain, plain))
        if known is None or dimension:
            return []
        found.append(known.oid)
    return found


_ACTIVE: Final = 1
"""What libpq calls a connection whose command has not come to its end."""
_NAMES = {"float": "float8", "double precision": "float8", "varchar": "text", "char": "bpchar"}
