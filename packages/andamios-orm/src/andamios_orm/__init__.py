"""Async-first ORM layer on SQLAlchemy for DuckDB and PostgreSQL."""

__all__ = ["__version__"]

__version__ = "0.1.0"
