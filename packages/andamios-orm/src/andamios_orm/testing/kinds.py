"""Which faults there are, and the one statement that meets one."""

from __future__ import annotations

import enum
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["Countdown", "Kind"]


class Kind(enum.Enum):
    """What can happen to a statement or a commit."""

    CONFLICT = "conflict"
    LOCK = "lock"
    INTERRUPT = "interrupt"
    DISK_FULL = "disk full"
    LOST_CONNECTION = "lost connection"


class Countdown:
    """Counts what an engine does, down to the one that fails."""

    def __init__(self, engine: AsyncEngine, number: int) -> None:
        """Come to the ``number``-th."""
        self.engine = engine
        self.left = number
        self._lock = threading.Lock()

    @property
    def is_over(self) -> bool:
        """Whether it was reached."""
        return self.left <= 0

    def is_due(self) -> bool:
        """Count one more, and return whether it is the one that fails."""
        with self._lock:
            self.left -= 1
            return self.left == 0

    def concerns(self, database: object) -> bool:
        """Return whether the engine uses ``database``, one of DuckDB."""
        holder: Any = getattr(self.engine.dialect, "holder", None)
        return holder is not None and holder.database is database
