"""Connections whose transactions begin with what a scope says, in one message to the server.

psycopg sends BEGIN by itself, before the first statement of a transaction, and waits for the
answer. What the scope says would be another message. Here both go together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import AsyncConnection, Connection, generators
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format, TransactionStatus
from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection as CoreConnection
    from sqlalchemy import Engine
    from sqlalchemy.engine.interfaces import Dialect
    from sqlalchemy.pool import ConnectionPoolEntry

    from axai_pg.data.isolation.scope import Scope

__all__ = ["begin_with", "use_beginnings"]


class _Beginning:
    """A connection that says something at the beginning of each transaction.

    ``_exec_command`` is psycopg's own, and no public name: every BEGIN goes through it, that of
    a statement as well as that of ``transaction()``. Where none does, nothing is said, and
    ``is_asked`` stays false: whoever wants it said has to look.
    """

    said: tuple[bytes, ...] = ()
    is_asked = False

    def _exec_command(
        self: Any, command: Any, result_format: Format = Format.TEXT
    ) -> Generator[Any, Any, Any]:
        """Send a command; after one that begins a transaction, what is to be said there."""
        begins = command == self._get_tx_start_command()
        self.is_asked = self.is_asked or begins
        if not begins or not self.said:
            return (yield from super()._exec_command(command, result_format))  # type: ignore[misc]  # mixed into a connection
        if self._pipeline:
            for each in (command, *self.said):
                yield from super()._exec_command(each)  # type: ignore[misc]
            return None
        self._check_connection_ok()
        self.pgconn.send_query(b"; ".join((command, *self.said)))
        for result in (yield from generators.execute(self.pgconn)):
            if result.status != ExecStatus.COMMAND_OK:
                raise error_from_result(result)
        return result


class _Blocking(_Beginning, Connection[Any]):
    """A connection of psycopg."""


class _Async(_Beginning, AsyncConnection[Any]):
    """An async connection of psycopg."""


def begin_with(connection: CoreConnection, scope: Scope, role: str) -> bool:
    """Let the transaction of ``connection`` begin as that of ``scope``; whether it will.

    It will not if it has begun already, or where psycopg cannot be made to.
    """
    driver: Any = connection.connection.driver_connection
    if not driver.is_asked or driver.pgconn.transaction_status != TransactionStatus.IDLE:
        return False
    keys = {"axai.org_id": scope.org_id or "", "axai.user_id": scope.user_id or ""}
    driver.said = (
        b"SET LOCAL ROLE %s" % role.encode(),
        *(f"SET LOCAL {name} = '{key}'".encode() for name, key in keys.items()),  # UUIDs
    )
    return True


def use_beginnings(engine: Engine) -> None:
    """Let ``engine`` open such connections; what is said is forgotten with its transaction."""
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "begin", _forget)
    event.listen(engine.pool, "checkin", _forget_all)


def _connect(
    dialect: Dialect, _record: ConnectionPoolEntry, arguments: list[Any], options: dict[str, Any]
) -> Any:
    if dialect.is_async:
        options["async_creator_fn"] = _Async.connect
        return None
    return _Blocking.connect(*arguments, **options)


def _forget(connection: CoreConnection) -> None:
    driver: Any = connection.connection.driver_connection
    driver.said = ()


def _forget_all(_connection: object, record: ConnectionPoolEntry) -> None:
    driver: Any = record.driver_connection
    if driver is not None:  # it may have been closed
        driver.said = ()
