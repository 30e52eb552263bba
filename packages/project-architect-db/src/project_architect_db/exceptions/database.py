"""Errors of the database, by the names that andamios_orm gives them.

``SearchUnavailable`` (an ``AndamiosError`` and an ``OSError``) is about the index of the search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from andamios_orm.exceptions import (
    AndamiosError,
    CheckViolation,
    CommitOutcomeUnknown,
    ConstraintViolation,
    DatabaseCorrupt,
    DatabaseFault,
    DatabaseLocked,
    DatabaseUnavailable,
    DiskFull,
    DuplicateKey,
    ForeignKeyViolation,
    MigrationFailed,
    NotFound,
    NotLoaded,
    NotNullViolation,
    PoolExhausted,
    StaleVersion,
    StatementRefused,
    TransactionAborted,
    WriteConflict,
    WriteGateTimeout,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "AndamiosError",
    "CheckViolation",
    "CommitOutcomeUnknown",
    "ConstraintViolation",
    "DatabaseCorrupt",
    "DatabaseFault",
    "DatabaseLocked",
    "DatabaseUnavailable",
    "DiskFull",
    "DuplicateKey",
    "ForeignKeyViolation",
    "MigrationFailed",
    "NotFound",
    "NotLoaded",
    "NotNullViolation",
    "PoolExhausted",
    "SearchUnavailable",
    "StaleVersion",
    "StatementRefused",
    "TransactionAborted",
    "WriteConflict",
    "WriteGateTimeout",
]


class SearchUnavailable(AndamiosError, OSError):
    """The index of the search cannot be used: ``folder`` says which, ``reason`` why."""

    def __init__(self, folder: Path | None, reason: str) -> None:
        """Name the folder and what is wrong with it."""
        super().__init__(folder, reason)
        self.folder = folder
        self.reason = reason

    def __str__(self) -> str:
        """Return both, and what to do."""
        if self.folder is None:
            return f"the index of the search in memory cannot be used: {self.reason}"
        return (
            f"the index of the search in {self.folder} cannot be used: {self.reason}. Make room "
            f"there and let this process write to it, or remove it: it is made anew from the "
            f"tables"
        )
