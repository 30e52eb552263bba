"""The database, by the names that users of the package know."""

from __future__ import annotations

from axai_pg.data.config.connection import PostgresConnectionConfig, PostgresPoolConfig
from axai_pg.data.config.health import DatabaseHealth
from axai_pg.data.config.manager import DatabaseManager

__all__ = ["DatabaseHealth", "DatabaseManager", "PostgresConnectionConfig", "PostgresPoolConfig"]
