"""One session and one transaction a request, committed before its response is sent."""

# FastAPI reads annotations at run time, so they are not postponed here.
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from andamios_orm.core import Database, Session, Transaction
from andamios_orm.exceptions import ConfigurationError

__all__ = [
    "DatabaseDependency",
    "SessionDependency",
    "StreamSessionDependency",
    "request_database",
    "request_session",
    "stream_session",
]

STATE = "andamios_database"
"""Where an app keeps its database: an attribute of ``app.state``."""


async def request_database(connection: HTTPConnection) -> Database:
    """Return the database that was installed on the app of this request or websocket.

    In tests, another one takes its place by ``app.dependency_overrides[request_database]``.

    Raises:
        ConfigurationError: none was installed.
    """
    found = getattr(connection.app.state, STATE, None)
    if not isinstance(found, Database):
        raise ConfigurationError("the app has no database: call install(app, database)")
    return found


DatabaseDependency = Annotated[Database, Depends(request_database)]
"""The database of the app: for websockets, background tasks and transactions of your own."""


async def request_session(
    connection: HTTPConnection, database: DatabaseDependency
) -> AsyncIterator[Session]:
    """Yield the session of a request, in a transaction that ends before the response is sent.

    It commits when the handler returned and its result was serialised, and rolls back
    when anything raised: a commit that fails is a response that says so. After that the
    session is closed for good, for streams and background tasks as well.

    Raises:
        ConfigurationError: asked for by a websocket, which would hold one transaction,
            and with it the write gate, for as long as it is open.
    """
    if connection.scope["type"] == "websocket":
        raise ConfigurationError(
            "a websocket has no session of its own: take DatabaseDependency, and open "
            "database.transaction() for each message"
        )
    async with Transaction(_opening(database)) as session:
        yield session


async def stream_session(database: DatabaseDependency) -> AsyncIterator[Session]:
    """Yield a session to read from until the whole response was sent; it never commits.

    What is flushed in it is rolled back, with the warning ``UncommittedChanges``.
    """
    async with _opening(database)() as session:
        yield session


SessionDependency = Annotated[Session, Depends(request_session, scope="function")]
"""The session of a request; it commits before the response is sent."""

StreamSessionDependency = Annotated[Session, Depends(stream_session, scope="request")]
"""A session to read from while the response streams."""


def _opening(database: Database) -> partial[Session]:
    """Return what opens a session that refuses to be used after its end."""
    return partial(Session, database.engine, close_resets_only=False)
