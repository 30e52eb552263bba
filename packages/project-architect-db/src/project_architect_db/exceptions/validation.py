"""Errors about what a caller has passed; all but one are those of andamios_orm.

``FileRefused`` (an ``AndamiosError`` and an ``OSError``) is about the file of a document.
"""

from __future__ import annotations

from andamios_orm.exceptions import (
    AndamiosError,
    BulkRefused,
    ConfigurationError,
    QueryRefused,
    UnknownField,
    UnknownOperator,
    ValueRefused,
)

__all__ = [
    "BulkRefused",
    "ConfigurationError",
    "FileRefused",
    "QueryRefused",
    "UnknownField",
    "UnknownOperator",
    "ValueRefused",
]


class FileRefused(AndamiosError, OSError):
    """The file of a document cannot be read or written: ``path`` says which, ``reason`` why."""

    def __init__(self, path: str, reason: str) -> None:
        """Name the file, below its root, and what is wrong with it."""
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        """Return both."""
        return f"the file {self.path!r} of a document: {self.reason}"
