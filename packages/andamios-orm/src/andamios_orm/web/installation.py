"""Puts a database into an app: opened and closed with it, its errors answered as problems."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from andamios_orm.exceptions import AndamiosError
from andamios_orm.web.problems import ProblemHandler
from andamios_orm.web.sessions import STATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from fastapi import FastAPI

    from andamios_orm.core import Database

__all__ = ["install", "lifespan"]


def install(
    app: FastAPI, database: Database, *, problem_types: str = "urn:andamios:problem:"
) -> None:
    """Let ``app`` use ``database``: call it once, before the app serves.

    The database is opened when the app starts, inside of which the app's own lifespan
    runs, and closed when it ends. Errors become ``application/problem+json``, the
    app's own ``HTTPException`` and refused requests as well; their ``type`` begins
    with ``problem_types``. An app that is mounted needs a call of its own.
    """
    setattr(app.state, STATE, database)
    handler = ProblemHandler(problem_types)
    for kind in (AndamiosError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, handler)
    own = app.router.lifespan_context
    opened = lifespan(database)

    @asynccontextmanager
    async def both(running: Any) -> AsyncIterator[Any]:
        async with opened(running), own(running) as state:
            yield state

    app.router.lifespan_context = both


def lifespan(database: Database) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return a lifespan that opens ``database`` and closes it, for an app without the rest.

    ``install()`` brings its own. A database that cannot be opened fails the start, with
    an error that says why.
    """

    @asynccontextmanager
    async def opened(_app: FastAPI) -> AsyncIterator[None]:
        async with database:
            async with database.engine.connect():
                pass
            yield

    return opened
