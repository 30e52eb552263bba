"""What copies are compared by: the SHA-256 of a file, the rows of each table."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from andamios_orm.dialect.quoting import quoted
from andamios_orm.exceptions import BackupFailed

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

__all__ = ["counted", "digest_of", "require_digest"]

_TABLES: Final = """
    SELECT schema_name, table_name FROM duckdb_tables()
    WHERE database_name = current_database() AND NOT temporary ORDER BY ALL
"""


def counted(raw: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return the number of rows of each table."""
    counts = {}
    for schema, table in raw.execute(_TABLES).fetchall():
        name = f"{quoted(schema)}.{quoted(table)}"
        [(count,)] = raw.execute(f"SELECT count(*) FROM {name}").fetchall()  # noqa: S608 - quoted names
        counts[f"{schema}.{table}"] = count
    return counts


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_digest(source: Path, found: str, digest: str | None) -> None:
    """Refuse a copy that has another SHA-256 than it must have.

    Raises:
        BackupFailed: it has.
    """
    if digest is not None and found != digest:
        raise BackupFailed(f"{source} has the SHA-256 {found}, not {digest}")
