"""A database that is open already, or that is opened for a while."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from andamios_orm.core import Database
from andamios_orm.core.settings import url_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["opened"]


@asynccontextmanager
async def opened(source: Database | str | Path) -> AsyncIterator[Database]:
    """Yield a database; one that is given by its URL, or the path of its file, is closed after."""
    if isinstance(source, Database):
        yield source
        return
    async with Database(url_of(source)) as database:
        yield database
