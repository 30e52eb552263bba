"""Async-first ORM layer on SQLAlchemy for DuckDB and PostgreSQL.

Importing the package makes ``duckdb://`` URLs resolve to its dialects, for
engines made from then on.
"""

from __future__ import annotations

from andamios_orm import dialect as _dialect

__all__ = ["__version__"]

__version__ = "0.1.0"

del _dialect
