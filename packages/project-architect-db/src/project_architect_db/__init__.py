"""Data layer and service of a web-based project architect.

Projects, conversations, documents and repositories on DuckDB and PostgreSQL, on top of
andamios-orm.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
