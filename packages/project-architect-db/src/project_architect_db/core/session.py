"""Sessions and transactions of one engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from andamios_orm.core.session import Session
from andamios_orm.core.session import SessionManager as CoreSessionManager

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["Session", "SessionManager"]


class SessionManager(CoreSessionManager):
    """Hands out sessions and transactions: of an engine, or of a ``DatabaseEngine``.

    ``session()`` never commits, ``transaction()`` commits on success,
    ``execute_in_transaction([...])`` calls functions with one session, all or nothing.
    """

    def __init__(self, engine: AsyncEngine | CoreSessionManager) -> None:
        """Serve sessions of ``engine``."""
        super().__init__(engine.engine if isinstance(engine, CoreSessionManager) else engine)
