"""Names and texts as DuckDB reads them in SQL."""

from __future__ import annotations

__all__ = ["literal", "quoted"]


def quoted(identifier: str) -> str:
    """Return ``identifier`` as DuckDB reads it in SQL text."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return ``text`` as a string literal."""
    return "'" + text.replace("'", "''") + "'"
