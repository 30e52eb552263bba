"""An async SQLAlchemy dialect for DuckDB that never loses a write, and its blocking twin.

Importing it makes ``duckdb://`` URLs resolve to these dialects, for engines made
from then on; ``duckdb+andamios://`` gives the same without any import.
"""

from __future__ import annotations

from sqlalchemy.dialects import registry as _dialects

from andamios_orm.dialect.adapter import DriverConnection
from andamios_orm.dialect.database import DuckDBDatabase
from andamios_orm.dialect.dialect import AsyncDuckDBDialect, DuckDBDialect
from andamios_orm.dialect.options import DatabaseOptions

__all__ = [
    "AsyncDuckDBDialect",
    "DatabaseOptions",
    "DriverConnection",
    "DuckDBDatabase",
    "DuckDBDialect",
]

_dialects.register("duckdb", "andamios_orm.dialect.dialect", "DuckDBDialect")
_dialects.register("duckdb.andamios", "andamios_orm.dialect.dialect", "DuckDBDialect")
