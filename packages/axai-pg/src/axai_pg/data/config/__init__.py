"""Where the database is, what the environment says of it, and what hands out its sessions."""

from __future__ import annotations

from axai_pg.data.config.connection import PostgresConnectionConfig, PostgresPoolConfig
from axai_pg.data.config.health import DatabaseHealth
from axai_pg.data.config.manager import DatabaseManager
from axai_pg.data.config.settings import Settings

__all__ = [
    "DatabaseHealth",
    "DatabaseManager",
    "PostgresConnectionConfig",
    "PostgresPoolConfig",
    "Settings",
]
