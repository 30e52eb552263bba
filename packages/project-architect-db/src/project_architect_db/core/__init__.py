"""Engine, sessions and transactions, thin over those of andamios_orm."""

from __future__ import annotations

from project_architect_db.core.engine import DatabaseEngine
from project_architect_db.core.session import Session, SessionManager

__all__ = ["DatabaseEngine", "Session", "SessionManager"]
