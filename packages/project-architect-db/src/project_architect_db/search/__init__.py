"""The search: words of projects, conversations, documents and repositories.

On DuckDB in an index beside the file that follows the change feed, on PostgreSQL in the
database; ``project_architect_db.repositories.SearchRepository`` is how it is used.
"""

from __future__ import annotations

from project_architect_db.search.duckdb import DuckDBBackend
from project_architect_db.search.finding import Backend, Filters, find, suggest
from project_architect_db.search.following import Following
from project_architect_db.search.postgresql import PostgreSQLBackend
from project_architect_db.search.vocabulary import Vocabulary

__all__ = [
    "Backend",
    "DuckDBBackend",
    "Filters",
    "Following",
    "PostgreSQLBackend",
    "Vocabulary",
    "find",
    "suggest",
]
