"""Where the database of a command is, and work on it that an interruption ends."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import psycopg
from psycopg import errors
from sqlalchemy import event

from andamios_orm.core.observe import observe
from andamios_orm.exceptions import ConfigurationError, DatabaseFault
from andamios_orm.maintenance.progress import say_nothing
from axai_pg.data.config import DatabaseManager, PostgresConnectionConfig
from axai_pg.data.config.settings import read_environment
from axai_pg.exceptions import AccessDenied
from axai_pg.utils.server import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.pool import ConnectionPoolEntry

    from andamios_orm.cli.running import Context
    from andamios_orm.core.observe import StatementRecord

__all__ = [
    "Place",
    "Progress",
    "cancelling",
    "in_thread",
    "managed",
    "on_connection",
    "on_manager",
    "place_of",
    "shown_url",
    "telling",
]

T = TypeVar("T")
Progress: TypeAlias = "Callable[[int, int], None]"
"""What is told how much is done, and of how much."""

_ENV_FILE: Final = Path(".env")
_PREFIX: Final = "POSTGRES_"
_SCHEMA: Final = "POSTGRES_SCHEMA"
_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Place:
    """A database, what named it, and what is told of statements of its manager."""

    config: PostgresConnectionConfig
    origin: str
    watch: Callable[[StatementRecord], None] | None = None

    @property
    def url(self) -> str:
        """The URL, to be shown: the password is hidden."""
        return shown_url(self.config)


def shown_url(config: PostgresConnectionConfig) -> str:
    """Return a URL for people and for psql; it hides the password."""
    url = config.url
    kept = {name: value for name, value in url.query.items() if name in {"host", "port"}}
    return url.set(drivername="postgresql", query=kept).render_as_string(hide_password=True)


def place_of(context: Context) -> Place:
    """Return where the database is that a command is about.

    Raises:
        ConfigurationError: what names it makes no sense, or nothing does in the environment
            that was asked for.
    """
    project = context.project
    file = _ENV_FILE if _ENV_FILE.is_file() else None
    if project.url.value is not None:
        config = PostgresConnectionConfig.from_url(project.url.value)
        schema = read_environment(file).get(_SCHEMA) or config.schema
        config = dataclasses.replace(config, schema=schema)
        return Place(config, project.url.origin, project.watch)
    if project.environment is not None:
        table = f"tool.{context.program.section}.environments.{project.environment}"
        raise ConfigurationError(
            f'pyproject.toml names no database: write url = "postgresql://..." under [{table}]'
        )
    config = PostgresConnectionConfig.from_env(file)
    if any(name.startswith(_PREFIX) for name in os.environ):
        return Place(config, f"{_PREFIX}...", project.watch)
    return Place(config, "default" if file is None else str(file), project.watch)


async def in_thread(work: Callable[[], T], stop: Callable[[], object] = lambda: None) -> T:
    """Return what ``work`` returns, run beside the event loop; it is not left alone.

    When this is cancelled, ``stop`` is called until ``work`` has ended.
    """
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            with suppress(psycopg.OperationalError):  # what has no server any more ends by itself
                stop()
            await asyncio.wait([future], timeout=_PAUSE)
        future.exception()  # it was asked to fail
        raise


async def on_connection(place: Place, work: Callable[[psycopg.Connection[Any]], T]) -> T:
    """Return what ``work`` makes of a connection, on which each statement commits.

    Raises:
        AccessDenied: the login may not do it.
        DatabaseFault: the database refused something else.
        DatabaseUnavailable: it has not answered, or lets nobody in by this name.
    """
    with connect(place.config) as connection:
        try:
            return await in_thread(lambda: work(connection), connection.cancel_safe)
        except errors.InsufficientPrivilege as error:
            reason = str(error).splitlines()[0]
            raise AccessDenied(
                f"{place.config.username} may not do this ({reason}): call it with the login of "
                f"an operator",
                orig=error,
            ) from error
        except psycopg.Error as error:
            raise DatabaseFault(str(error).splitlines()[0], orig=error) from error


@contextmanager
def managed(place: Place) -> Iterator[DatabaseManager]:
    """Yield a manager of the database, which is disposed of in the end."""
    manager = DatabaseManager(place.config)
    # Each scope has a role of its own, and the command says itself who has logged in.
    manager.isolation.warned = True
    if place.watch is not None:
        for engine in (manager._engine, manager._async_engine):  # noqa: SLF001 - no user needs them
            observe(engine).subscribe(place.watch)
    try:
        yield manager
    finally:
        manager.dispose()


async def telling(
    work: Callable[[Progress], T],
    progress: Progress = say_nothing,
    cancel: Callable[[], object] = lambda: None,
) -> T:
    """Return what ``work`` returns, run beside the event loop.

    What it is given tells ``progress`` how far it has come, and raises when the command is
    interrupted; ``cancel`` ends what it waits for then.
    """
    interrupted = threading.Event()

    def stop() -> None:
        interrupted.set()
        cancel()

    def tell(done: int, total: int) -> None:
        if interrupted.is_set():
            raise InterruptedError
        progress(done, total)

    return await in_thread(lambda: work(tell), stop)


async def on_manager(
    place: Place, work: Callable[[DatabaseManager, Progress], T], progress: Progress = say_nothing
) -> T:
    """Return what ``work`` makes of a manager of the database, as ``telling`` does.

    An interruption also ends the statements of its sessions that block.
    """
    with managed(place) as manager:
        return await telling(lambda tell: work(manager, tell), progress, cancelling(manager))


def cancelling(manager: DatabaseManager) -> Callable[[], None]:
    """Return what cancels the statements that sessions of a manager run and block with."""
    in_use: dict[ConnectionPoolEntry, Any] = {}

    def taken(_connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
        in_use[record] = record.driver_connection

    def returned(_connection: object, record: ConnectionPoolEntry) -> None:
        del in_use[record]

    def cancel() -> None:
        for connection in list(in_use.values()):
            connection.cancel_safe()

    pool = manager._engine.pool  # noqa: SLF001 - no user needs it
    event.listen(pool, "checkout", taken)
    event.listen(pool, "checkin", returned)
    return cancel
