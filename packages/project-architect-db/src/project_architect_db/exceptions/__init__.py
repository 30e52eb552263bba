"""Errors, of the database and of what callers pass."""

from __future__ import annotations

from project_architect_db.exceptions.database import SearchUnavailable
from project_architect_db.exceptions.validation import FileRefused

__all__ = ["FileRefused", "SearchUnavailable"]
