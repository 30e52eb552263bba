"""How a database is, and whether it keeps organisations apart."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from andamios_orm.core import PoolHealth
from andamios_orm.exceptions import AndamiosError
from andamios_orm.models.feed import feed_tables
from axai_pg.data.isolation import Login, Scope
from axai_pg.data.models import Base

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

    from axai_pg.data.isolation import Isolation

__all__ = ["DatabaseHealth", "check"]

_STATE: Final = text("""
SELECT current_setting('server_version'), current_user::text,
    ARRAY(
        SELECT wanted FROM unnest(CAST(:tables AS text[])) AS wanted
        LEFT JOIN pg_class ON oid = to_regclass(quote_ident(wanted))
        WHERE NOT coalesce(relrowsecurity AND relforcerowsecurity, false) OR NOT EXISTS (
            SELECT FROM pg_policy WHERE polrelid = pg_class.oid AND polname = 'axai_tenant'
            AND NOT polpermissive AND polcmd = '*' AND polroles = ARRAY[0::oid]
            AND pg_get_expr(polqual, polrelid) <> 'true'
        )
        ORDER BY 1
    )
""")


@dataclass(frozen=True, slots=True)
class DatabaseHealth:
    """How a database is. ``latency`` is one round trip in seconds; ``error`` says what is wrong.

    ``login`` is who has logged in, ``role`` who scopes act as; ``privileged`` says why the
    login could see all organisations. ``unprotected`` are the tables, those of the feed among
    them, that row security is not forced on, that lack the restrictive policy ``axai_tenant`` for
    everything and everybody, or that are not there.
    """

    ok: bool
    latency: float
    pool: PoolHealth
    version: str | None = None
    login: str | None = None
    role: str | None = None
    privileged: tuple[str, ...] = ()
    unprotected: tuple[str, ...] = ()
    error: str | None = None

    @property
    def isolated(self) -> bool:
        """Whether scopes see the rows of their organisation only."""
        return self.ok and not self.unprotected


async def check(engine: AsyncEngine, isolation: Isolation, timeout: float) -> DatabaseHealth:
    """Return how the database behind ``engine`` is; what is wrong is reported, not raised."""
    found: dict[str, Any] = {}
    error: str | None = None
    started = time.perf_counter()
    try:
        async with asyncio.timeout(timeout), engine.connect() as connection:
            await connection.run_sync(isolation.enter, Scope())
            started = time.perf_counter()
            await connection.execute(text("SELECT 1"))
            latency = time.perf_counter() - started
            found = await connection.run_sync(_state)
    except TimeoutError as failure:
        latency = time.perf_counter() - started
        error = str(failure) or f"no answer within {timeout:g} s"
    except (AndamiosError, SQLAlchemyError, OSError) as failure:
        latency = time.perf_counter() - started
        error = f"{type(failure).__name__}: {failure}".splitlines()[0]
    return DatabaseHealth(error is None, latency, _pool(engine), error=error, **found)


def _state(connection: Connection) -> dict[str, Any]:
    feed = feed_tables(Base.metadata)
    tables = ["organizations", feed.changes.name, feed.history.name, feed.followers.name]
    tables += [name for name, table in Base.metadata.tables.items() if "org_id" in table.c]
    version, role, unprotected = connection.execute(_STATE, {"tables": tables}).one()
    login = Login.of(connection)
    return {
        "version": version,
        "login": login.name,
        "role": role,
        "privileged": login.reasons,
        "unprotected": tuple(unprotected),
    }


def _pool(engine: AsyncEngine) -> PoolHealth:
    pool: Any = engine.pool
    limit = pool.size() + pool._max_overflow  # noqa: SLF001 - SQLAlchemy does not publish it
    return PoolHealth(pool.checkedout(), pool.checkedin(), limit)
