"""PostgreSQL for code that does not await: an engine and sessions with the same errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from andamios_orm.core import postgresql
from andamios_orm.core.engine import postgresql_options
from andamios_orm.core.integrity import watch_keys
from andamios_orm.core.pools import BlockingPool
from andamios_orm.core.session import _Session
from andamios_orm.exceptions import ConfigurationError

if TYPE_CHECKING:
    from andamios_orm.core.settings import Settings

__all__ = ["BlockingSession", "create_blocking_engine"]


def create_blocking_engine(settings: Settings) -> sa.Engine:
    """Return a blocking engine on PostgreSQL; it is like the async one in all else.

    Raises:
        ConfigurationError: the URL does not name PostgreSQL through psycopg.
        MissingExtra: the driver is not installed.
    """
    url, options = postgresql_options(settings)
    if url.get_driver_name() != "psycopg":
        raise ConfigurationError(
            f"{settings.safe_url!r} cannot be used without awaiting: use postgresql+psycopg://"
        )
    engine = sa.create_engine(url, echo=settings.echo, poolclass=BlockingPool, **options)
    postgresql.guard(engine)
    watch_keys(engine)
    return engine


class BlockingSession(_Session):
    """A session that records what it changes in the feed, as the async one does.

    Instances stay usable after a commit. It can be what runs inside an async session:
    ``Session(engine, sync_session_class=BlockingSession)``.
    """

    def __init__(self, bind: Any = None, **options: Any) -> None:
        """Bind to an engine; ``expire_on_commit`` is off unless it is asked for."""
        options.setdefault("expire_on_commit", False)
        super().__init__(bind, **options)
