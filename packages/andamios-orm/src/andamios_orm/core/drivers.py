"""What psycopg 3 and asyncpg say each in their own way about PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection

__all__ = [
    "DRIVERS",
    "Diagnosis",
    "close",
    "diagnosis",
    "drivers_own",
    "message",
    "notifications",
    "status",
]

DRIVERS: Final = frozenset({"psycopg", "psycopg_async", "asyncpg"})
"""The drivers by the names that SQLAlchemy has for them."""
_ENDED: Final = "ended"


class Diagnosis(NamedTuple):
    """What the server says of an error."""

    primary: str
    detail: str
    table: str | None
    column: str | None
    constraint: str | None


def diagnosis(error: BaseException) -> Diagnosis:
    """Return what the server says of a driver's error."""
    known: Any = getattr(error, "diag", None)
    if known is not None:
        return Diagnosis(
            known.message_primary or "",
            known.message_detail or "",
            known.table_name,
            known.column_name,
            known.constraint_name,
        )
    behind: Any = drivers_own(error)
    return Diagnosis(
        behind.message or "",
        behind.detail or "",
        behind.table_name,
        behind.column_name,
        behind.constraint_name,
    )


def drivers_own(error: BaseException) -> BaseException:
    """Return the driver's own error; SQLAlchemy has one of its own in front of asyncpg's."""
    behind = error.__cause__
    return behind if behind is not None and type(error).__module__.endswith(".asyncpg") else error


def message(error: BaseException) -> str:
    """Return the text of a driver's error."""
    return str(drivers_own(error))


def status(connection: Connection) -> str:
    """Return the state of the transaction as libpq names it: INTRANS, INERROR, IDLE, UNKNOWN.

    asyncpg does not tell INERROR from INTRANS.
    """
    driver: Any = connection.connection.driver_connection
    if not _is_asyncpg(driver):
        name: str = driver.info.transaction_status.name
        return name
    if driver.is_closed():
        return "UNKNOWN"
    return "INTRANS" if driver.is_in_transaction() else "IDLE"


def notifications(driver: Any, channel: str) -> AsyncIterator[None]:
    """Return what yields once it listens, and at each notification.

    It raises when the connection ends. ``driver`` is a connection of the driver's own, and
    ``channel`` a plain name.
    """
    return (_heard_by_asyncpg if _is_asyncpg(driver) else _heard_by_psycopg)(driver, channel)


async def _heard_by_psycopg(driver: Any, channel: str) -> AsyncIterator[None]:
    await driver.set_autocommit(True)
    await driver.execute(f"LISTEN {channel}")
    yield
    async for _ in driver.notifies():  # pragma: no branch - it ends with an error
        yield


async def _heard_by_asyncpg(driver: Any, channel: str) -> AsyncIterator[None]:
    heard: asyncio.Queue[str] = asyncio.Queue()
    driver.add_termination_listener(lambda *_: heard.put_nowait(_ENDED))
    await driver.add_listener(channel, lambda *_: heard.put_nowait(channel))
    yield
    while await heard.get() != _ENDED:
        yield
    raise ConnectionError("the server has ended the connection")


async def close(driver: Any) -> None:
    """Close a connection of the driver's own, at once; nothing happens to one that is closed."""
    if _is_asyncpg(driver):
        driver.terminate()
    else:
        await driver.close()


def _is_asyncpg(driver: Any) -> bool:
    return hasattr(driver, "add_listener")
