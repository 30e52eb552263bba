"""Trying a connection of the pool before it is handed out, unless it was used a moment ago."""

from __future__ import annotations

import time
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["ping_rested"]

_FRESH: Final = 0.5
"""Seconds for which a connection that came back is taken to be alive, as HikariCP does."""
_RESTED: Final = "axai_rested"
"""Where a connection has the time at which it came back."""


def ping_rested(engine: Engine) -> None:
    """Try each connection that has rested, or heard of something; a dead one is replaced.

    ``pool_pre_ping`` of SQLAlchemy tries one that was used a millisecond ago as well, which is a
    round trip for each scope. A server that stops or ends a session says so: that is seen without
    asking. What is cut in silence between two uses in half a second is noticed by the statement,
    as what is cut in the middle of a transaction is.
    """
    dialect = engine.dialect

    def rest(_connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        record.info[_RESTED] = time.monotonic()

    def ping(connection: DBAPIConnection, record: ConnectionPoolEntry, _fairy: object) -> None:
        rested = record.info.get(_RESTED)
        if rested is None:
            return  # it was opened just now
        try:
            if time.monotonic() - rested >= _FRESH or _has_heard(record.driver_connection):
                dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    event.listen(engine, "checkin", rest)
    event.listen(engine, "checkout", ping)


def _has_heard(driver: Any) -> bool:
    """Return whether something waits to be read, which is the end if nothing was asked."""
    with DefaultSelector() as selector:
        selector.register(driver, EVENT_READ)
        return bool(selector.select(0))
