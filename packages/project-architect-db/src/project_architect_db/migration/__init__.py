"""The tables of this package, revision by revision, on both databases."""

from __future__ import annotations

from project_architect_db.migration.manager import MigrationManager

__all__ = ["MigrationManager"]
