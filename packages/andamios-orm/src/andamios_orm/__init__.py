"""Async-first ORM layer on SQLAlchemy for DuckDB and PostgreSQL.

Importing the package makes ``duckdb://`` URLs resolve to its dialects, for
engines made from then on; nothing else happens.
"""

from __future__ import annotations

from andamios_orm.core import (
    Database,
    Session,
    SessionManager,
    Settings,
    fetch_arrow,
)
from andamios_orm.exceptions import AndamiosError
from andamios_orm.runner import run

__all__ = [
    "AndamiosError",
    "Database",
    "Session",
    "SessionManager",
    "Settings",
    "__version__",
    "fetch_arrow",
    "run",
]

__version__ = "0.1.0"
